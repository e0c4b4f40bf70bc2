# SPDX-License-Identifier: Apache-2.0
"""One object's field during one decoding call: asks the geometry decoder in chunks and counts.

Where memory does not do for a chunk, it is halved and the work goes on.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ....gpu.sparse_grid import coordinates
from ....memory import is_out_of_memory
from ...devices import free_cached_memory, usable_memory
from ...log import logger
from .volume_grids import box_corners

# On a CPU the activations of more points fall out of the cache: 8,000 cost 1.3 times as much each.
_CPU_CHUNK = 2000
_LEAST_CHUNK = 64
# What a GPU's chunk may hold: smaller ones leave it waiting for the next call.
_CUDA_CHUNK_BYTES = 512 << 20
_LEAST_PADDED = 2048
Progress = Callable[[int, int], None]


def chunk_limit(device: torch.device) -> int:
    """The most points that a device is asked for at a time, whatever a caller allows."""
    return _CPU_CHUNK if device.type == "cpu" else sys.maxsize


def busy_chunk(geo_decoder: Any, projected: Any, device: torch.device) -> int:
    """Points that keep a CUDA GPU busy within a bounded share of its free memory; else 0.

    At least two pieces, which fit nearly everywhere.
    """
    needed = getattr(geo_decoder, "activation_bytes", None)
    if device.type != "cuda" or needed is None:
        return 0
    return min(_CUDA_CHUNK_BYTES, usable_memory(device) // 4) // needed(projected)


def power_of_two(count: int) -> int:
    """The largest that is not above `count`."""
    return 1 << (max(count, 1).bit_length() - 1)


def padded(points: Tensor) -> Tensor:
    """`(P, 3)` points and zeros behind them, so that there are few different numbers of rows."""
    rows = max(1 << (len(points) - 1).bit_length(), _LEAST_PADDED)
    return torch.nn.functional.pad(points, (0, 0, 0, rows - len(points)))


class Field:
    """One object's field on the grids of one call: asks in chunks and counts for progress."""

    def __init__(
        self,
        latents: Tensor,
        geo_decoder: Any,
        bounds: float | Sequence[float],
        num_chunks: int,
        progress: Progress | None,
    ) -> None:
        self.geo_decoder = geo_decoder
        self.projected = geo_decoder.project(latents)
        self.device = latents.device
        low, high = box_corners(bounds)
        self.low, self.high = torch.from_numpy(low), torch.from_numpy(high)
        busy = busy_chunk(geo_decoder, self.projected, latents.device)
        self.num_chunks = max(min(num_chunks, chunk_limit(latents.device)), busy)
        # cuDNN's attention spends some 50 ms on every number of points that it has not seen yet.
        self.pads = latents.device.type == "cuda"
        self.progress = progress
        self._laid: tuple[int, list[Tensor]] | None = None  # a grid's resolution and axes
        self.told = False  # of smaller chunks
        self.asked = 0
        self.total = 0  # points of the levels begun so far
        self.guessed = 0  # points of the levels to come, for progress only

    @property
    def pads_to(self) -> int | None:
        """Points of a whole call on a GPU; None elsewhere."""
        return power_of_two(self.num_chunks) if self.pads else None

    def lay_grid(self, resolution: int, covering: int) -> None:
        """Ask at the very places of a dense grid from now on, also on the grids of coarser levels.

        `covering`, a multiple of their resolutions, may be larger than `resolution`: these grids
        then reach beyond the box.
        """
        axes = []
        for axis, low, high in zip(
            self.axes(resolution), self.low.double(), self.high.double(), strict=True
        ):
            steps = torch.arange(resolution + 1, covering + 1, dtype=torch.float64)
            beyond = (low + steps * ((high - low) / resolution)).float()
            axes.append(torch.cat([axis, beyond.to(self.device)]))
        self._laid = covering, axes

    def axes(self, resolution: int) -> list[Tensor]:
        """Coordinates `(resolution + 1,)` of the grid along x, y, z."""
        if self._laid is not None:
            covering, axes = self._laid
            return [axis[:: covering // resolution] for axis in axes]
        return [
            torch.from_numpy(np.linspace(low, high, resolution + 1, dtype=np.float32)).to(
                self.device
            )
            for low, high in zip(self.low.numpy(), self.high.numpy(), strict=True)
        ]

    def ask(self, positions: Callable[[int, int], Tensor], count: int) -> Tensor:
        """Values `(B, count)` at the points that `positions(start, stop)` gives, chunk by chunk."""
        parts = []
        start = 0
        while start < count:
            chunk = self.pads_to or self.num_chunks
            stop = min(start + chunk, count)
            try:
                points = positions(start, stop)
                if self.pads:
                    points = padded(points)
                points = points[None].expand(len(self.projected.keys), -1, -1)
                values = self.geo_decoder.query(self.projected, points)[:, : stop - start, 0]
                values = values.float()
            except (RuntimeError, MemoryError) as error:
                if stop - start < _LEAST_CHUNK or not is_out_of_memory(error):
                    raise
                self.num_chunks = (stop - start) // 2
            else:
                parts.append(values)
                self.count(stop - start)
                start = stop
                continue
            # Outside the handler: the error would keep what was computed so far.
            self.tell_smaller_chunks(2 * self.num_chunks)
        return torch.cat(parts, dim=1)

    def tell_smaller_chunks(self, points: int) -> None:
        """Log once that so many points at a time were too many, and make room."""
        if not self.told:
            self.told = True
            logger.warning(
                "There was not enough memory to decode %s points at a time; going on with fewer, "
                "which gives the same mesh.",
                f"{points:,}",
            )
        free_cached_memory(self.device)

    def begin_level(self, points: int, guessed: int) -> None:
        """Note for progress that a level has `points`, and later ones about `guessed`."""
        self.total += points
        self.guessed = guessed

    def begin_points(self, points: int, later_levels: int | None) -> None:
        """The same for points near the surface; None leaves the guess for later ones as it is."""
        guessed = self.guessed
        if later_levels is not None:
            guessed = sum(4**i for i in range(1, later_levels + 1)) * points
        self.begin_level(points, guessed)

    def count(self, points: int) -> None:
        """Report that so many more points were asked."""
        self.asked += points
        if self.progress is not None:
            self.progress(self.asked, self.total + self.guessed)

    def everywhere(self, resolution: int, later_levels: int = 0) -> Tensor:
        """Values `(B, n, n, n)` at all grid points, the first of several levels."""
        side = resolution + 1
        # Measured on closed objects: the first refinement asks about as many points again as a
        # coarse grid of 64 has, every further one four times as many.
        self.begin_level(side**3, sum(4**i for i in range(later_levels)) * side**3)
        x, y, z = self.axes(resolution)

        def positions(start: int, stop: int) -> Tensor:
            index = torch.arange(start, stop, device=self.device)
            return torch.stack(
                [x[index // side**2], y[index // side % side], z[index % side]], dim=-1
            )

        return self.ask(positions, side**3).unflatten(1, (side, side, side))

    def at(self, index: Tensor, resolution: int, later_levels: int | None = 0) -> Tensor:
        """Values `(P,)` at grid indices `(P, 3)`, for a field of one object."""
        self.begin_points(len(index), later_levels)
        place = self.placing(resolution)
        return self.ask(lambda start, stop: place(index[start:stop]), len(index))[0]

    def at_keys(self, keys: Tensor, resolution: int, later_levels: int | None = 0) -> Tensor:
        """The same at points given by their keys `(x * side + y) * side + z`."""
        self.begin_points(len(keys), later_levels)
        place, side = self.placing(resolution), resolution + 1
        return self.ask(lambda start, stop: place(coordinates(keys[start:stop], side)), len(keys))[
            0
        ]

    def placing(self, resolution: int) -> Callable[[Tensor], Tensor]:
        """A function from grid indices `(P, 3)` to points `(P, 3)`."""
        if self._laid is not None:
            axes = self.axes(resolution)
            return lambda index: torch.stack([axes[i][index[:, i]] for i in range(3)], dim=1)
        low, step = self.low.to(self.device), ((self.high - self.low) / resolution).to(self.device)
        return lambda index: low + index.float() * step
