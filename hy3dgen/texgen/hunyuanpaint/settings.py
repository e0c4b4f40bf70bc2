# SPDX-License-Identifier: Apache-2.0
"""What the JSON configs of a checkpoint say about its networks, checked and typed.

A key that these networks know no variant for must have its usual value; another value would mean
another network, and is refused by name. Keys that start with an underscore are notes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import CheckpointError, CheckpointMismatchError, CheckpointNotFoundError

Config = Mapping[str, Any]


@dataclass(frozen=True)
class UNetSettings:
    """A `UNet2DConditionModel` in the shape of Stable Diffusion 2.

    `down_attention` and `up_attention` tell which blocks attend, `heads` how many heads there are
    at each width.
    """

    in_channels: int
    out_channels: int
    widths: tuple[int, ...]
    layers: int
    heads: tuple[int, ...]
    text_width: int
    down_attention: tuple[bool, ...]
    up_attention: tuple[bool, ...]
    groups: int
    epsilon: float
    linear_projection: bool
    sample_size: int

    @property
    def time_width(self) -> int:
        return 4 * self.widths[0]


@dataclass(frozen=True)
class AutoencoderSettings:
    """An `AutoencoderKL` in the shape of Stable Diffusion."""

    in_channels: int
    out_channels: int
    widths: tuple[int, ...]
    layers: int
    latent_channels: int
    groups: int
    scaling_factor: float


@dataclass(frozen=True)
class TextEncoderSettings:
    """A `CLIPTextModel`."""

    vocabulary: int
    width: int
    inner_width: int
    layers: int
    heads: int
    tokens: int
    activation: str
    epsilon: float


# Keys without which the networks here would be others, and the only value known for each.
_UNET_FIXED = {
    "center_input_sample": False,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "only_cross_attention": False,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "act_fn": "silu",
    "transformer_layers_per_block": 1,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "num_attention_heads": None,
    "dual_cross_attention": False,
    "class_embed_type": None,
    "addition_embed_type": None,
    "num_class_embeds": None,
    "resnet_time_scale_shift": "default",
    "resnet_skip_time_act": False,
    "resnet_out_scale_factor": 1.0,
    "time_embedding_type": "positional",
    "time_embedding_act_fn": None,
    "timestep_post_act": None,
    "time_cond_proj_dim": None,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "attention_type": "default",
    "class_embeddings_concat": False,
    "mid_block_only_cross_attention": None,
    "cross_attention_norm": None,
    "dropout": 0.0,
}
_VAE_FIXED = {"act_fn": "silu", "mid_block_add_attention": True, "shift_factor": None}


def read_json(path: Path) -> dict[str, Any]:
    """A config file as a dict; what is wrong with it, in one sentence."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointNotFoundError(
            f"there is no {path.name} at {path}; choose the folder of a texture model"
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not readable JSON ({error}); copy it again") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds no settings; copy it again")
    return found


def unet_settings(config: Config, source: str = "the UNet's config") -> UNetSettings:
    _check_fixed(config, _UNET_FIXED, source)
    widths = _widths(config, source)
    heads = _need(config, "attention_head_dim", source)  # the name is an old mistake: heads
    heads = tuple(heads) if isinstance(heads, list) else (heads,) * len(widths)
    down = _kinds(config, "down_block_types", "CrossAttnDownBlock2D", "DownBlock2D", source)
    up = _kinds(config, "up_block_types", "CrossAttnUpBlock2D", "UpBlock2D", source)
    if not len(widths) == len(heads) == len(down) == len(up):
        raise CheckpointMismatchError(
            f"{source} names {len(widths)} widths, {len(heads)} numbers of heads, {len(down)} down "
            f"blocks and {len(up)} up blocks; use the config that was published with the weights"
        )
    return UNetSettings(
        in_channels=_need(config, "in_channels", source),
        out_channels=_need(config, "out_channels", source),
        widths=widths,
        layers=config.get("layers_per_block", 2),
        heads=heads,
        text_width=_need(config, "cross_attention_dim", source),
        down_attention=down,
        up_attention=up,
        groups=config.get("norm_num_groups", 32),
        epsilon=config.get("norm_eps", 1e-5),
        linear_projection=config.get("use_linear_projection", False),
        sample_size=config.get("sample_size") or 64,
    )


def autoencoder_settings(
    config: Config, source: str = "the autoencoder's config"
) -> AutoencoderSettings:
    _check_fixed(config, _VAE_FIXED, source)
    widths = _widths(config, source)
    for name, kind in (
        ("down_block_types", "DownEncoderBlock2D"),
        ("up_block_types", "UpDecoderBlock2D"),
    ):
        _kinds(config, name, kind, kind, source)
    return AutoencoderSettings(
        in_channels=config.get("in_channels", 3),
        out_channels=config.get("out_channels", 3),
        widths=widths,
        layers=config.get("layers_per_block", 1),
        latent_channels=config.get("latent_channels", 4),
        groups=config.get("norm_num_groups", 32),
        scaling_factor=config.get("scaling_factor", 0.18215),
    )


def text_encoder_settings(
    config: Config, source: str = "the text encoder's config"
) -> TextEncoderSettings:
    activation = config.get("hidden_act", "quick_gelu")
    if activation not in ("gelu", "quick_gelu"):
        raise CheckpointMismatchError(
            f"{source} has hidden_act {activation!r}; only gelu and quick_gelu are known"
        )
    return TextEncoderSettings(
        vocabulary=config.get("vocab_size", 49408),
        width=_need(config, "hidden_size", source),
        inner_width=_need(config, "intermediate_size", source),
        layers=_need(config, "num_hidden_layers", source),
        heads=_need(config, "num_attention_heads", source),
        tokens=config.get("max_position_embeddings", 77),
        activation=activation,
        epsilon=config.get("layer_norm_eps", 1e-5),
    )


def _widths(config: Config, source: str) -> tuple[int, ...]:
    return tuple(_need(config, "block_out_channels", source))


def _need(config: Config, name: str, source: str) -> Any:
    if name not in config:
        raise CheckpointMismatchError(
            f"{source} lacks {name}; use the config that was published with the weights"
        )
    return config[name]


def _check_fixed(config: Config, fixed: Config, source: str) -> None:
    for name, value in fixed.items():
        found = config.get(name, value)
        usual = found == value or (value in (False, None) and not found)
        if not usual:
            raise CheckpointMismatchError(
                f"{source} has {name} {found!r}, but only {value!r} is known here; is it the "
                "config of a texture model?"
            )


def _kinds(config: Config, name: str, special: str, plain: str, source: str) -> tuple[bool, ...]:
    found = _need(config, name, source)
    for kind in found:
        if kind not in (special, plain):
            raise CheckpointMismatchError(
                f"{source} has a {kind} in {name}; only {special} and {plain} are known here"
            )
    return tuple(kind == special for kind in found)
