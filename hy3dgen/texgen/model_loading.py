# SPDX-License-Identifier: Apache-2.0
"""The networks of a texture model: where their folders are, and how they become `models`."""

import os
from pathlib import Path
from typing import Any

import torch

from ..gpu.attention_kernel import prepare_attention_kernel
from ..model_folders import locate_folders
from ..shapegen.devices import default_dtype
from .config import DELIGHT_FOLDER, Hunyuan3DTexGenConfig
from .delight import LightShadowRemover
from .hunyuanpaint.pipeline import HunyuanPaintPipeline

USUAL_MEMORY = 10e9  # bytes of a GPU; with less, networks take turns there
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


def memory_is_short(device: torch.device, limit: float | None = None) -> bool:
    """Whether less than the usual way needs is free on a GPU, or allowed by `limit` bytes."""
    if device.type != "cuda":
        return False
    free = torch.cuda.mem_get_info(device)[0]
    idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min(free + idle, USUAL_MEMORY if limit is None else limit) < USUAL_MEMORY


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
