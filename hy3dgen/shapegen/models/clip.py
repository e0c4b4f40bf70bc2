# SPDX-License-Identifier: Apache-2.0
"""The picture half of CLIP, a vision transformer, with the parameter names of published weights.

Source of the architecture: Radford et al. 2021, "Learning Transferable Visual Models From Natural
Language Supervision". Dropout is left out: it is zero in every known config.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InvalidImageError, InvalidSettingError
from .attention import attention, split_stacked_heads


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


_ACTIVATIONS = {"quick_gelu": _quick_gelu, "gelu": F.gelu}


@dataclass(frozen=True)
class CLIPVisionConfig:
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    image_size: int
    patch_size: int
    projection_dim: int
    num_channels: int
    hidden_act: str
    layer_norm_eps: float

    @classmethod
    def from_mapping(cls, config: Mapping[str, Any]) -> "CLIPVisionConfig":
        """Read a Hugging Face style config; other keys (dropouts, dtype) have no effect here."""
        needed = (
            *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
            *("image_size", "patch_size"),
        )
        missing = [name for name in needed if name not in config]
        if missing:
            raise InvalidSettingError(
                f"the image encoder's config lacks {', '.join(missing)}; add them to config.yaml."
            )
        act = config.get("hidden_act", "quick_gelu")
        if act not in _ACTIVATIONS:
            raise InvalidSettingError(
                f"the image encoder's config asks for activation {act!r}, but only "
                f"{' and '.join(_ACTIVATIONS)} are known."
            )
        return cls(
            **{name: config[name] for name in needed},
            projection_dim=config.get("projection_dim", 512),
            num_channels=config.get("num_channels", 3),
            hidden_act=act,
            layer_norm_eps=config.get("layer_norm_eps", 1e-5),
        )


class Embeddings(nn.Module):
    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__()
        width = config.hidden_size
        side = config.image_size // config.patch_size
        self.class_embedding = nn.Parameter(torch.empty(width))
        nn.init.uniform_(self.class_embedding, -0.035, 0.035)
        self.patch_embedding = nn.Conv2d(
            config.num_channels, width, config.patch_size, stride=config.patch_size, bias=False
        )
        # Built from a tensor, because nn.Embedding draws its own with the slow normal_.
        table = torch.empty(side**2 + 1, width)
        nn.init.uniform_(table, -0.035, 0.035)
        self.position_embedding = nn.Embedding.from_pretrained(table, freeze=False)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(patches), 1, -1)
        tokens = torch.cat([first, patches], dim=1)
        positions = self.position_embedding.weight
        if tokens.shape[1] != len(positions):
            raise InvalidImageError(
                f"pictures of {tokens.shape[1] - 1} patches reached an image encoder made for "
                f"{len(positions) - 1}; give the encoder the image_size of its config."
            )
        return tokens + positions


class SelfAttention(nn.Module):
    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        (q,) = split_stacked_heads(self.q_proj(x), 1, self.heads)
        (k,) = split_stacked_heads(self.k_proj(x), 1, self.heads)
        (v,) = split_stacked_heads(self.v_proj(x), 1, self.heads)
        return self.out_proj(attention(q, k, v))


class MLP(nn.Module):
    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__()
        self.activation = _ACTIVATIONS[config.hidden_act]
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x)))


class Layer(nn.Module):
    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.self_attn = SelfAttention(config)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Encoder(nn.Module):
    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))


class VisionTransformer(nn.Module):
    """Pixels to tokens. The norm after it is in files, but tokens are taken before it."""

    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.pre_layrnorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.encoder = Encoder(config)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.pre_layrnorm(self.embeddings(pixels))  # spelt so in published files
        for layer in self.encoder.layers:
            x = layer(x)
        return x


class CLIPVisionModel(nn.Module):
    """Normalised pixels `(B, 3, H, W)` to tokens `(B, 1 + patches, D)`, class token first.

    `visual_projection` is in published files and unused.
    """

    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__()
        self.config = config
        self.vision_model = VisionTransformer(config)
        self.visual_projection = nn.Linear(config.hidden_size, config.projection_dim, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.vision_model(pixels)
