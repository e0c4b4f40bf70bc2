# SPDX-License-Identifier: Apache-2.0
"""Weights from mapped files to a CUDA device, through pinned memory.

A copy from ordinary memory waits for one core that reads the file's pages and copies them once
more. Here all cores fill one pinned block while the device reads the other. Knows nothing about
networks.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_BLOCK = 32 << 20  # bytes
_ALIGNED = 256


class Uploads:
    """`uploads(tensor)` is the tensor on the device; its copy may still be under way.

    Parameters
    ----------
    device : a CUDA device; work in its current stream comes after the copies
    blocks : a double for tests
    """

    def __init__(self, device: "torch.device", blocks: "list[Block] | None" = None) -> None:
        self.device = device
        self._blocks = blocks
        self._current = 0

    def __call__(self, value: "Tensor") -> "Tensor":
        import torch

        if value.device.type != "cpu" or not value.is_contiguous():
            return value.to(self.device)
        if self._blocks is None:
            try:
                self._blocks = [Block(self.device) for _ in range(2)]
            except RuntimeError:  # systems limit how much pinned memory there is
                self._blocks = []
        if not self._blocks:
            return value.to(self.device)
        target = torch.empty_like(value, device=self.device)
        source, flat = (part.view(-1).view(torch.uint8) for part in (value, target))
        start = 0
        while start < len(source):
            block = self._blocks[self._current]
            if not block.left:
                block.close()
                self._current = (self._current + 1) % len(self._blocks)
                self._blocks[self._current].open()
                continue
            stop = min(start + block.left, len(source))
            block.send(source[start:stop], flat[start:stop])
            start = stop
        return target


class Block:
    """Pinned memory that is filled from its start, and again once the device has read it."""

    def __init__(self, device: "torch.device", size: int = _BLOCK) -> None:
        import torch

        self._device = device
        self._room = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
        self._filled = 0
        self._read: Any = None

    @property
    def left(self) -> int:
        """Bytes that can still be filled."""
        return max(len(self._room) - self._filled, 0)

    def send(self, source: "Tensor", target: "Tensor") -> None:
        """Copy bytes in, and have them copied on to the device."""
        part = self._room[self._filled : self._filled + len(source)]
        part.copy_(source)
        target.copy_(part, non_blocking=True)
        self._filled += -(-len(source) // _ALIGNED) * _ALIGNED

    def close(self) -> None:
        """Nothing more comes for now."""
        import torch

        if self._device.type == "cuda":
            self._read = torch.cuda.Event()
            self._read.record(torch.cuda.current_stream(self._device))

    def open(self) -> None:
        """Wait until the device has read all of it, and begin anew."""
        if self._read is not None:
            self._read.synchronize()
        self._filled = 0
