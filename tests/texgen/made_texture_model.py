# SPDX-License-Identifier: Apache-2.0
"""A texture model's folders as they are published, with tiny networks of random weights."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from hy3dgen.texgen.hunyuanpaint.autoencoder import Autoencoder
from hy3dgen.texgen.hunyuanpaint.clip_text import TextEncoder
from hy3dgen.texgen.hunyuanpaint.paint_unet import PaintUNet
from hy3dgen.texgen.hunyuanpaint.settings import (
    autoencoder_settings,
    text_encoder_settings,
    unet_settings,
)
from hy3dgen.texgen.hunyuanpaint.unet import UNet

UNET = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "use_linear_projection": True,
    "block_out_channels": [8, 16],
    "norm_num_groups": 4,
    "attention_head_dim": [1, 2],
    "cross_attention_dim": 12,
    "upcast_attention": True,
}
VAE = {
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [4, 4, 4, 8],
    "norm_num_groups": 2,
}
TEXT = {
    "vocab_size": 10,
    "hidden_size": 12,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "hidden_act": "gelu",
}
SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "steps_offset": 1,
}


def make(folder: Path, subfolder: str = "hunyuan3d-paint-v2-0-turbo") -> Path:
    """Writes both folders of a model below `folder`."""
    torch.manual_seed(0)
    delight, paint = folder / "hunyuan3d-delight-v2-0", folder / subfolder
    _component(delight / "unet", {**UNET, "in_channels": 8}, UNet, unet_settings)
    _component(paint / "unet", UNET, PaintUNet, unet_settings)
    for parent in (delight, paint):
        _component(parent / "vae", VAE, Autoencoder, autoencoder_settings)
        _write(parent / "scheduler" / "scheduler_config.json", SCHEDULER)
    _component(
        delight / "text_encoder", TEXT, TextEncoder, text_encoder_settings, "model.safetensors"
    )
    vocabulary = {"!": 0, "<|startoftext|>": 8, "<|endoftext|>": 9}
    _write(delight / "tokenizer" / "vocab.json", vocabulary)
    special = {"bos_token": "<|startoftext|>", "eos_token": {"content": "<|endoftext|>"}}
    _write(delight / "tokenizer" / "special_tokens_map.json", {**special, "pad_token": "!"})
    trap = 'raise SystemExit("Python from a checkpoint folder was run")\n'
    (paint / "unet" / "modules.py").write_text(trap, encoding="utf-8")
    return folder


def _component(folder, config, network, settings, name="diffusion_pytorch_model.safetensors"):
    _write(folder / "config.json", config)
    state = network(settings(config)).state_dict()
    save_file({k: v.contiguous().half() for k, v in state.items()}, folder / name)


def _write(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
