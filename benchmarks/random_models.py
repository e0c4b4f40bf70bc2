# SPDX-License-Identifier: Apache-2.0
"""Pipelines of the published models' exact sizes with random weights, for measuring without them.

Random weights decode to no surface, so a bumpy ball's field is added to the decoder's output; the
network is asked all the same. Sizes: `docs/models.md` and the published config files.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
from hy3dgen.shapegen.models.autoencoders.attention_blocks import CrossAttentionDecoder
from hy3dgen.shapegen.settings import instantiate_from_config

_NETWORKS = ("model", "vae", "conditioner")
_TARGETS = "hy3dgen.shapegen"
SIZES = ("2.0", "2.0-turbo", "2mini", "2mini-fast", "2mini-turbo", "2.1")
_GUIDED = ("2.0-turbo", "2mini-fast", "2mini-turbo")  # take the guidance scale as an input


def config(name: str, dry: bool = False) -> dict[str, Any]:
    """The sections of a published config.yaml; `dry`: the same parts, small enough for any CPU."""
    wide = name == "2.1"
    mini = name.startswith("2mini")
    latents = 4096 if wide else 512 if mini and name != "2mini-turbo" else 3072
    dino = {
        "hidden_size": 1024 if wide else 1536, "num_attention_heads": 16 if wide else 24,
        "num_hidden_layers": 24 if wide else 40, "patch_size": 14, "image_size": 518,
        "mlp_ratio": 4, "qkv_bias": True, "hidden_act": "gelu", "layer_norm_eps": 1e-6,
        "layerscale_value": 1.0, "use_swiglu_ffn": not wide, "num_channels": 3,
    }  # fmt: skip
    vae = {
        "num_latents": latents, "embed_dim": 64, "num_freqs": 8, "include_pi": False, "heads": 16,
        "width": 1024, "num_decoder_layers": 16, "qkv_bias": False, "qk_norm": True,
        "scale_factor": 1.0039506158752403 if wide
        else 1.0188137142395404 if mini else 0.9990943042622529,
    }  # fmt: skip
    if name in _GUIDED:  # the VAE that `enable_flashvdm` puts in the place of the model's own
        vae |= {"geo_decoder_downsample_ratio": 2, "geo_decoder_mlp_expand_ratio": 1}
        vae |= {"geo_decoder_ln_post": False}
    if wide:
        model = {
            "input_size": latents, "in_channels": 64, "hidden_size": 2048, "context_dim": 1024,
            "depth": 21, "num_heads": 16, "qk_norm": True, "text_len": 1370,
            "with_decoupled_ca": False, "use_attention_pooling": False, "qk_norm_type": "rms",
            "qkv_bias": False, "use_pos_emb": False, "num_moe_layers": 6, "num_experts": 8,
            "moe_top_k": 2,
        }  # fmt: skip
    else:
        depth = 8 if mini else 16
        model = {
            "in_channels": 64, "context_in_dim": 1536, "hidden_size": 1024, "mlp_ratio": 4.0,
            "num_heads": 16, "depth": depth, "depth_single_blocks": 2 * depth, "axes_dim": [64],
            "theta": 10000, "qkv_bias": True, "guidance_embed": name in _GUIDED,
        }  # fmt: skip
    size = 1022 if name == "2mini-turbo" else 518
    if dry:
        size = 56
        dino |= {"hidden_size": 48, "num_attention_heads": 3, "num_hidden_layers": 2}
        dino["image_size"] = size
        vae |= {"num_latents": 16, "heads": 2, "width": 32, "num_decoder_layers": 1}
        vae |= {"num_encoder_layers": 1}
        if wide:
            model |= {"input_size": 16, "hidden_size": 32, "context_dim": 48, "depth": 3}
            model |= {"num_heads": 2, "num_moe_layers": 1}
        else:
            model |= {"context_in_dim": 48, "hidden_size": 32, "num_heads": 2, "axes_dim": [16]}
            model |= {"depth": 1, "depth_single_blocks": 1}
    encoder = {"type": "DinoImageEncoder", "kwargs": {"config": dino, "image_size": size}}
    turbo = name.endswith("turbo")
    scheduler = (
        "ConsistencyFlowMatchEulerDiscreteScheduler" if turbo else "FlowMatchEulerDiscreteScheduler"
    )
    denoiser = "denoisers.hunyuandit.HunYuanDiTPlain" if wide else "Hunyuan3DDiT"
    return {
        "model": {"target": f"{_TARGETS}.models.{denoiser}", "params": model},
        "vae": {"target": f"{_TARGETS}.models.ShapeVAE", "params": vae},
        "conditioner": {
            "target": f"{_TARGETS}.models.SingleImageEncoder",
            "params": {"main_image_encoder": encoder},
        },
        "scheduler": {
            "target": f"{_TARGETS}.schedulers.{scheduler}",
            "params": {"num_train_timesteps": 1000} | ({"pcm_timesteps": 100} if turbo else {}),
        },
        "image_processor": {
            "target": f"{_TARGETS}.preprocessors.ImageProcessorV2",
            "params": {"size": size if size > 518 else 512, "border_ratio": 0.15},
        },
    }


def random_pipeline(
    name: str, device: torch.device, dtype: torch.dtype, dry: bool = False
) -> Hunyuan3DDiTFlowMatchingPipeline:
    """A pipeline of a published size whose every result has a surface."""
    sections = config(name, dry)
    with torch.device("meta"):
        parts = {part: instantiate_from_config(sections[part]) for part in _NETWORKS}
    parts["vae"].drop_encoder()  # the published 2.0 and 2mini files have none; a call needs none
    generator = torch.Generator(device).manual_seed(0)
    for network in parts.values():
        fill(network, device, dtype, generator)
    for part in ("scheduler", "image_processor"):
        parts[part] = instantiate_from_config(sections[part])
    pipeline = Hunyuan3DDiTFlowMatchingPipeline(**parts, device=device, dtype=dtype)
    pipeline.vae.geo_decoder.__class__ = BallDecoder
    return pipeline


def fill(
    network: nn.Module, device: torch.device, dtype: torch.dtype, generator: torch.Generator
) -> None:
    """Random weights that keep activations finite: small matrices, norms of one, no biases."""
    state = {}
    for name, value in network.state_dict().items():
        empty = torch.empty(value.shape, device=device, dtype=dtype)
        if value.ndim > 1:
            state[name] = empty.normal_(0.0, 0.02, generator=generator)
        else:
            state[name] = empty.fill_(0.0 if name.endswith("bias") else 1.0)
    network.load_state_dict(state, assign=True)


class BallDecoder(CrossAttentionDecoder):
    """Adds a bumpy ball's field, saturated as trained ones are, to what the decoder gives."""

    def query(
        self, projected: Any, queries: Tensor | None = None, query_embeddings: Tensor | None = None
    ) -> Tensor:
        values = super().query(projected, queries, query_embeddings)
        assert queries is not None
        points = queries.float()
        bumps = (12 * points).sin_().prod(dim=-1, keepdim=True)
        distance = torch.add(0.75 - points.norm(dim=-1, keepdim=True), bumps, alpha=0.05)
        field = distance.mul_(20).clamp_(-1, 1)
        return torch.add(field, values, alpha=1e-3 / math.sqrt(values.numel())).to(values.dtype)


def parameters(pipeline: Hunyuan3DDiTFlowMatchingPipeline) -> dict[str, int]:
    """Parameters of each network."""
    return {
        part: sum(weight.numel() for weight in getattr(pipeline, part).parameters())
        for part in _NETWORKS
    }
