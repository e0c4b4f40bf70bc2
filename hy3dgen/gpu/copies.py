# SPDX-License-Identifier: Apache-2.0
"""Copies from host memory to a CUDA device that run beside what the device computes.

All that moving weights need of a device is here, so that a test can put a double in its place.
"""

import logging
from typing import Any

import torch
from torch import Tensor

logger = logging.getLogger(__name__)


class DeviceCopies:
    """One stream of copies to one device, each of them begun in the order of the calls."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device)
        self._pinned = True

    def host_room(self, size: int) -> Tensor:
        """Bytes in main memory that the device reads without the processor, if there are some."""
        if self._pinned:
            try:
                return torch.empty(size, dtype=torch.uint8, pin_memory=True)
            except RuntimeError as reason:  # systems limit how much of it there is
                self._pinned = False
                logger.warning("Weights move slower, as memory cannot be pinned: %s", reason)
        return torch.empty(size, dtype=torch.uint8)

    def device_room(self, size: int) -> Tensor:
        """Bytes on the device."""
        return torch.empty(size, dtype=torch.uint8, device=self.device)

    def begin(self, target: Tensor, source: Tensor) -> Any:
        """Start a copy behind all that was begun and computed so far; gives what `wait` takes."""
        self._stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._stream):
            target.copy_(source, non_blocking=True)
            done = torch.cuda.Event()
            done.record(self._stream)
        return done

    def wait(self, done: Any) -> None:
        """What is computed from now on comes after the copy."""
        torch.cuda.current_stream(self.device).wait_event(done)
