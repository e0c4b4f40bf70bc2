# SPDX-License-Identifier: Apache-2.0
"""Picks where a model runs and in which precision."""

import contextlib
from collections.abc import Iterator

import torch

from ..errors import InvalidSettingError


def pick_device(device: str | torch.device | None) -> torch.device:
    """The wanted device; for None a CUDA GPU, else an Apple GPU, else the CPU."""
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InvalidSettingError(
            f"{device!r} is not a device; use 'cpu', 'cuda', 'cuda:1' or 'mps'."
        ) from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InvalidSettingError(
            f"device {str(device)!r} was asked for, but this PyTorch ({torch.__version__}) sees no "
            "CUDA GPU; use device='cpu', or install a CUDA build and a driver."
        )
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise InvalidSettingError(
            f"device {str(device)!r} was asked for, but this PyTorch ({torch.__version__}) sees no "
            "Apple GPU; use device='cpu'."
        )
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise InvalidSettingError(
            f"device {str(device)!r} was asked for, but there are {torch.cuda.device_count()} "
            "GPUs, counted from 0; choose one of them."
        )
    return chosen


def free_cached_memory(device: torch.device) -> None:
    """Give back what torch keeps for later on a GPU."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def usable_memory(device: torch.device) -> int:
    """Bytes that torch can still have of a CUDA device, within what it has been limited to."""
    held, total = torch.cuda.memory_allocated(device), torch.cuda.mem_get_info(device)[1]
    idle = torch.cuda.memory_reserved(device) - held
    limit = int(_allowed_share(device) * total)
    return max(min(torch.cuda.mem_get_info(device)[0] + idle, limit - held), 0)


@contextlib.contextmanager
def memory_within(device: torch.device, limit: float | None) -> Iterator[None]:
    """Let torch hold no more than `limit` bytes of a CUDA device; it then gives back what is idle.

    A limit that was set before and is lower stays.
    """
    if limit is None or device.type != "cuda":
        yield
        return
    before = _allowed_share(device)
    wanted = float(limit) / torch.cuda.mem_get_info(device)[1]
    torch.cuda.set_per_process_memory_fraction(min(wanted, before), _number(device))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(before, _number(device))


def _allowed_share(device: torch.device) -> float:
    """Of a CUDA device's memory; older versions of torch do not tell and are not asked."""
    ask = getattr(torch.cuda, "get_per_process_memory_fraction", None)
    return 1.0 if ask is None else float(ask(_number(device)))


def _number(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index


def pick_dtype(dtype: torch.dtype | None, device: torch.device) -> torch.dtype:
    """The wanted precision; for None that of `default_dtype`."""
    if dtype is None:
        return default_dtype(device)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise InvalidSettingError(
            f"dtype is {dtype!r}; give torch.float16, torch.bfloat16 or torch.float32."
        )
    return dtype


def default_dtype(device: torch.device) -> torch.dtype:
    """Half precision on a GPU, as published; float32 on the CPU, where half is slow."""
    return torch.float32 if device.type == "cpu" else torch.float16
