# SPDX-License-Identifier: Apache-2.0
"""The networks of a texture model: where their folders are, and how they become `models`."""

import os
from pathlib import Path
from typing import Any

import torch

from ..gpu.attention_kernel import prepare_attention_kernel
from ..model_folders import locate_folders
from ..shapegen.devices import default_dtype
from .config import Hunyuan3DTexGenConfig
from .delight import LightShadowRemover
from .hunyuanpaint.pipeline import HunyuanPaintPipeline

DELIGHT_FOLDER = "hunyuan3d-delight-v2-0"
# Never read, and large.
_SKIP = (
    *("*.py", "*.ckpt", "*/image_encoder/*", "hunyuan3d-paint*/text_encoder/*"),
    *("*/unet/*.bin", "hunyuan3d-delight*/*.bin"),
)


def locate_model(
    model_path: str | os.PathLike[str], subfolder: str, local_files_only: bool
) -> Hunyuan3DTexGenConfig:
    """The settings of a model, with the folders of both its parts on this machine."""
    Hunyuan3DTexGenConfig("", "", subfolder)  # an unknown name is told before any download
    delight, paint = locate_folders(
        model_path, (DELIGHT_FOLDER, subfolder), local_files_only=local_files_only, skip=_SKIP
    )
    return Hunyuan3DTexGenConfig(delight, paint, subfolder)


def load_models(
    config: Hunyuan3DTexGenConfig, device: torch.device, dtype: torch.dtype | None
) -> dict[str, Any]:
    """ "delight_model" and "multiview_model"; a `dtype` of None fits the device."""
    dtype = dtype or default_dtype(device)
    prepare_attention_kernel(device, dtype)
    turbo = config.pipe_name.endswith("turbo")
    delight, paint = Path(config.light_remover_ckpt_path), Path(config.multiview_ckpt_path)
    return {
        "delight_model": LightShadowRemover.from_folder(delight, device, dtype),
        "multiview_model": HunyuanPaintPipeline.from_folder(paint, turbo, device, dtype),
    }
