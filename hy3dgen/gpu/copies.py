# SPDX-License-Identifier: Apache-2.0
"""Copies from host memory to a CUDA device that run beside what the device computes.

All that moving weights need of a device is here, so that a test can put a double in its place.
"""

import contextlib
import logging
import mmap
import sys
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
            room = _registered(size)
            if room is not None:
                return room
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

    def finish(self) -> None:
        """Wait until no copy reads main memory any more."""
        self._stream.synchronize()

    def is_recording(self) -> bool:
        """Whether calls are being recorded now rather than done."""
        return torch.cuda.is_current_stream_capturing()


class _Registered(mmap.mmap):
    """Pages that a device may read; they leave its view before they go."""

    address = 0

    def __del__(self) -> None:
        if self.address:
            with contextlib.suppress(Exception):  # the interpreter may be ending
                torch.cuda.cudart().cudaHostUnregister(self.address)


def _registered(size: int) -> Tensor | None:
    """Pinned bytes, made by all cores, which torch leaves to one: a third of the time it takes."""
    if sys.platform == "win32" or not size:
        return None
    memory = _Registered(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a system without large pages
            memory.madvise(mmap.MADV_HUGEPAGE)
    room = torch.frombuffer(memory, dtype=torch.uint8).zero_()
    if int(torch.cuda.cudart().cudaHostRegister(room.data_ptr(), size, 0)):
        return None
    memory.address = room.data_ptr()
    return room
