# SPDX-License-Identifier: Apache-2.0
"""The small model's networks as a published-style pipeline config, and their first weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

IMAGE_SIZE = 112  # 8 x 8 patches of 14 pixels, plus the class token
NUM_LATENTS = 64
EMBED_DIM = 16
SURFACE_POINTS = 2048
TRUNCATION = 0.1
"""Signed distance at which the field saturates at +-1, in units of the [-1, 1] box.

The coarse-to-fine decoder looks where |field| < 0.95; 0.1 is three cells of a 64-cell grid.
"""

CONFIG: dict[str, Any] = {
    "model": {
        "target": "hy3dgen.shapegen.models.Hunyuan3DDiT",
        "params": {
            "in_channels": EMBED_DIM,
            "context_in_dim": 192,
            "hidden_size": 256,
            "mlp_ratio": 4.0,
            "num_heads": 4,
            "depth": 1,
            "depth_single_blocks": 5,
            "axes_dim": [64],
            "theta": 10000,
            "qkv_bias": True,
            "guidance_embed": False,
        },
    },
    "vae": {
        "target": "hy3dgen.shapegen.models.ShapeVAE",
        "params": {
            "num_latents": NUM_LATENTS,
            "embed_dim": EMBED_DIM,
            "num_freqs": 8,
            "include_pi": False,
            "heads": 4,
            "width": 256,
            "num_encoder_layers": 1,
            "num_decoder_layers": 3,
            "pc_size": SURFACE_POINTS,
            "pc_sharpedge_size": 0,
            "point_feats": 3,
            "downsample_ratio": SURFACE_POINTS // NUM_LATENTS,
            "geo_decoder_downsample_ratio": 2,
            "geo_decoder_mlp_expand_ratio": 2,
            "geo_decoder_ln_post": True,
            "qkv_bias": False,
            "qk_norm": True,
            "scale_factor": 1.0,  # set from the trained latents by training.export
        },
    },
    "conditioner": {
        "target": "hy3dgen.shapegen.models.SingleImageEncoder",
        "params": {
            "main_image_encoder": {
                "type": "DinoImageEncoder",
                "kwargs": {
                    "config": {
                        "attention_probs_dropout_prob": 0.0,
                        "drop_path_rate": 0.0,
                        "hidden_act": "gelu",
                        "hidden_dropout_prob": 0.0,
                        "hidden_size": 192,
                        "image_size": IMAGE_SIZE,
                        "layer_norm_eps": 1e-6,
                        "layerscale_value": 1.0,
                        "mlp_ratio": 4,
                        "num_attention_heads": 3,
                        "num_channels": 3,
                        "num_hidden_layers": 5,
                        "patch_size": 14,
                        "qkv_bias": True,
                        "use_swiglu_ffn": False,
                    },
                    "image_size": IMAGE_SIZE,
                    "use_cls_token": True,
                },
            }
        },
    },
    "scheduler": {
        "target": "hy3dgen.shapegen.schedulers.FlowMatchEulerDiscreteScheduler",
        "params": {"num_train_timesteps": 1000},
    },
    "image_processor": {
        "target": "hy3dgen.shapegen.preprocessors.ImageProcessorV2",
        "params": {"size": IMAGE_SIZE, "border_ratio": 0.15},
    },
    "pipeline": {"target": "hy3dgen.shapegen.pipelines.Hunyuan3DDiTFlowMatchingPipeline"},
}


def build_vae() -> nn.Module:
    """The autoencoder, encoder included, with fresh weights."""
    from hy3dgen.shapegen.models import ShapeVAE

    return _initialise(ShapeVAE(**CONFIG["vae"]["params"]))


def build_denoiser() -> nn.Module:
    """The flow-matching transformer with fresh weights; it starts out predicting zero."""
    from hy3dgen.shapegen.models import Hunyuan3DDiT

    model = _initialise(Hunyuan3DDiT(**CONFIG["model"]["params"]))
    for name, parameter in model.named_parameters():
        # adaLN-zero (Peebles & Xie 2023): every block starts as the identity.
        if ".lin." in name or name.startswith("final_layer."):
            nn.init.zeros_(parameter)
    return model


def build_conditioner() -> nn.Module:
    """The image encoder with fresh weights, all of them trainable."""
    from hy3dgen.shapegen.models import SingleImageEncoder

    conditioner = _initialise(SingleImageEncoder(**CONFIG["conditioner"]["params"]))
    for name, parameter in conditioner.named_parameters():
        # The mask token is part of the format; nothing uses it, so it has no gradient.
        parameter.requires_grad_(not name.endswith("mask_token"))
        if name.endswith(("cls_token", "position_embeddings")):
            nn.init.normal_(parameter, std=0.02)
    return conditioner


def _initialise(module: nn.Module) -> nn.Module:
    for child in module.modules():
        if isinstance(child, nn.Linear):
            nn.init.normal_(child.weight, std=1 / math.sqrt(child.in_features))
            if child.bias is not None:
                nn.init.zeros_(child.bias)
    return module.train()


def parameter_count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def select_device(name: str | None) -> torch.device:
    """The named device, else CUDA where there is one, else the CPU."""
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
