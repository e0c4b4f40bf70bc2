# SPDX-License-Identifier: Apache-2.0
"""Picks where a model runs and in which precision."""

import torch

from ..errors import InvalidSettingError


def pick_device(device: str | torch.device | None) -> torch.device:
    """The wanted device; for None a CUDA GPU if there is one, else the CPU."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InvalidSettingError(
            f"{device!r} is not a device; use 'cpu', 'cuda' or 'cuda:1'."
        ) from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InvalidSettingError(
            f"device {str(device)!r} was asked for, but this PyTorch ({torch.__version__}) sees no "
            "CUDA GPU; use device='cpu', or install a CUDA build and a driver."
        )
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise InvalidSettingError(
            f"device {str(device)!r} was asked for, but there are {torch.cuda.device_count()} "
            "GPUs, counted from 0; choose one of them."
        )
    return chosen


def default_dtype(device: torch.device) -> torch.dtype:
    """Half precision on a GPU, as published; float32 on the CPU, where half is slow."""
    return torch.float32 if device.type == "cpu" else torch.float16
