# SPDX-License-Identifier: Apache-2.0
"""The names that scripts import from here: the log, a timer, and finding a model's files."""

import os
import time
from contextlib import ContextDecorator
from typing import Any

import torch

from ..weights import locate
from .log import get_logger, logger

__all__ = ["get_logger", "logger", "smart_load_model", "synchronize_timer"]


class synchronize_timer(ContextDecorator):
    """Logs how long a block or a function took, GPU work included, if HY3DGEN_DEBUG is 1.

    Otherwise it does nothing, and does not wait for the GPU either.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name or "block"
        self.start: float | None = None

    def __enter__(self) -> "synchronize_timer":
        self.start = _now() if os.environ.get("HY3DGEN_DEBUG") == "1" else None
        return self

    def __exit__(self, *problem: Any) -> None:
        if self.start is not None:
            logger.info("%s took %.1f ms", self.name, 1000 * (_now() - self.start))


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def smart_load_model(
    model_path: str,
    subfolder: str,
    use_safetensors: bool = True,
    variant: str | None = "fp16",
) -> tuple[str, str]:
    """Paths of a model's config and weights, downloaded if needed; see `hy3dgen.weights.locate`."""
    files = locate(model_path, subfolder, use_safetensors=use_safetensors, variant=variant)
    return str(files.config), str(files.weights)
