# SPDX-License-Identifier: Apache-2.0
"""Kernels that are compiled and tried once for a device, or not used there.

Knows nothing about what kernels compute; the modules that launch them do.
"""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import torch

from .devices import chosen

logger = logging.getLogger(__name__)

OFF = "HY3DGEN_NO_KERNELS"  # environment: set, and plain functions do everything
LARGEST_ERROR = 0.02  # of a trial in half precision, for results of about one


class TriedKernels:
    """Finds kernels for a device.

    Parameters
    ----------
    compiled : makes those of a CUDA device, and of whatever else decides; raises
        `nvrtc.KernelsUnavailableError` where there are none
    without : what happens where there are none, for the log
    error_of : runs them on a small case and gives its error, with the same arguments behind
    level : of that log
    """

    def __init__(
        self,
        compiled: Callable[..., Any],
        without: str,
        error_of: Callable[..., float] | None = None,
        level: int = logging.WARNING,
    ) -> None:
        self._compiled, self._error_of = compiled, error_of
        self._without, self._level = without, level
        self._one_at_a_time = threading.Lock()
        self.found: dict[tuple[Any, ...], Any] = {}

    def on(self, device: torch.device, *others: Any) -> Any:
        """The kernels of a device, or None where plain functions have to do.

        Compiled and tried at the first call for it, which takes a second or two.
        """
        if device.type != "cuda" or torch.version.hip is not None or os.environ.get(OFF):
            return None
        index = device.index if device.index is not None else torch.cuda.current_device()
        key = (index, *others)
        with self._one_at_a_time:
            if key not in self.found:
                self.found[key] = self._tried(torch.device("cuda", index), *others)
            return self.found[key]

    def _tried(self, device: torch.device, *others: Any) -> Any:
        from .nvrtc import KernelsUnavailableError

        try:
            kernels = self._compiled(device, *others)
            if self._error_of is None:
                return kernels
            with torch.inference_mode(), chosen(device):
                error = self._error_of(kernels, device, *others)
        except (KernelsUnavailableError, AttributeError) as reason:  # the latter from old drivers
            logger.log(self._level, "%s: %s", self._without, reason)
            return None
        if error < LARGEST_ERROR:
            return kernels
        logger.warning("%s: the kernels are off by %.3g here.", self._without, error)
        return None


def of_sources(*sources: str) -> Callable[[torch.device], Any]:
    """Compiles files of `cuda`, named without their ending, as one program."""

    def compiled(device: torch.device) -> Any:
        from .nvrtc import CudaKernels

        return CudaKernels(sources, device)

    return compiled
