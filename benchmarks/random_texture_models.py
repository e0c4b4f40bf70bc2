# SPDX-License-Identifier: Apache-2.0
"""The networks of the published texture models in their true size, with random weights."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hy3dgen.texgen.delight import LightShadowRemover
from hy3dgen.texgen.hunyuanpaint.autoencoder import Autoencoder
from hy3dgen.texgen.hunyuanpaint.clip_text import TextEncoder
from hy3dgen.texgen.hunyuanpaint.components import arranged
from hy3dgen.texgen.hunyuanpaint.paint_unet import PaintUNet
from hy3dgen.texgen.hunyuanpaint.pipeline import HunyuanPaintPipeline
from hy3dgen.texgen.hunyuanpaint.settings import (
    autoencoder_settings,
    text_encoder_settings,
    unet_settings,
)
from hy3dgen.texgen.hunyuanpaint.unet import UNet
from hy3dgen.texgen.noise_schedules import Consistency, EulerAncestral, NoiseSettings

from .random_models import fill

TOKENS = 77
_NOISE = NoiseSettings(
    beta_start=0.00085,
    beta_end=0.012,
    beta_schedule="scaled_linear",
    prediction_type="v_prediction",
    timestep_spacing="trailing",
)


def unet_config(small: bool) -> dict[str, Any]:
    attends, plain = "CrossAttn{}Block2D", "{}Block2D"
    return {
        "sample_size": 64, "in_channels": 4, "out_channels": 4, "layers_per_block": 2,
        "block_out_channels": [8, 16, 16, 16] if small else [320, 640, 1280, 1280],
        "down_block_types": [attends.format("Down")] * 3 + [plain.format("Down")],
        "up_block_types": [plain.format("Up")] + [attends.format("Up")] * 3,
        "attention_head_dim": [1, 2, 2, 2] if small else [5, 10, 20, 20],
        "cross_attention_dim": 16 if small else 1024,
        "norm_num_groups": 4 if small else 32, "use_linear_projection": True,
    }  # fmt: skip


def vae_config(small: bool) -> dict[str, Any]:
    return {
        "block_out_channels": [4, 8, 8, 8] if small else [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "layers_per_block": 2, "norm_num_groups": 4 if small else 32,
    }  # fmt: skip


def text_config(small: bool) -> dict[str, Any]:
    return {
        "vocab_size": 100 if small else 49408, "hidden_size": 16 if small else 1024,
        "intermediate_size": 32 if small else 4096, "num_hidden_layers": 2 if small else 23,
        "num_attention_heads": 2 if small else 16, "hidden_act": "gelu",
    }  # fmt: skip


@dataclass
class TextureModels:
    """Both paint models share their networks here: those of the published ones are of one size."""

    delight: LightShadowRemover
    base: HunyuanPaintPipeline
    turbo: HunyuanPaintPipeline
    text: TextEncoder

    def parameters(self) -> dict[str, int]:
        networks = {
            "delight UNet": self.delight.unet,
            "paint UNet": self.base.unet,
            "autoencoder": self.base.vae,
            "text encoder": self.text,
        }
        return {
            name: sum(weight.numel() for weight in network.parameters())
            for name, network in networks.items()
        }


def make(device: torch.device, dtype: torch.dtype, small: bool = False) -> TextureModels:
    generator = torch.Generator(device).manual_seed(0)

    def filled(build) -> Any:
        with torch.device("meta"):
            network = build()
        fill(network, device, dtype, generator)
        return arranged(network.eval().requires_grad_(False), device)

    unet = filled(lambda: PaintUNet(unet_settings(unet_config(small))))
    vae = filled(lambda: Autoencoder(autoencoder_settings(vae_config(small))))
    text = filled(lambda: TextEncoder(text_encoder_settings(text_config(small))))
    delight_config = {**unet_config(small), "in_channels": 8}
    delight = LightShadowRemover(
        filled(lambda: UNet(unet_settings(delight_config))),
        filled(lambda: Autoencoder(autoencoder_settings(vae_config(small)))),
        EulerAncestral(_NOISE),
        embed_nothing(text, device),
    )
    pipelines = [
        HunyuanPaintPipeline(unet, vae, schedule(_NOISE))
        for schedule in (EulerAncestral, Consistency)
    ]
    if small:
        for pipeline in pipelines:
            pipeline.size = 64
    return TextureModels(delight, *pipelines, text)


@torch.inference_mode()
def embed_nothing(text: TextEncoder, device: torch.device) -> Tensor:
    return text(torch.tensor([[1, 2] + [0] * (TOKENS - 2)], device=device))
