# SPDX-License-Identifier: Apache-2.0
"""Decoding a field coarse to fine: the rules of `shapegen.models.autoencoders.coarse_to_fine`.

A grid has `resolution + 1` points a side, axes x, y, z; points that were not asked are NaN.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..shapegen.models.autoencoders.grid_levels import covering_levels
from .autoencoder import GeometryDecoder

BOUND = 1.01  # the field is decoded in [-BOUND, BOUND]^3
_MIN_RESOLUTION = 63
_NEAR_LEVEL = 0.95
_STEPS, _LATER_STEPS = 2.0, 1.0
_CHUNK = 2048  # its activations stay in a core's cache
Progress = Callable[[int, int], None]


def decode_grid(
    decoder: GeometryDecoder,
    resolution: int,
    pool: ThreadPoolExecutor,
    progress: Progress,
    look: Callable[[np.ndarray, float], None] | None = None,
) -> np.ndarray:
    """Values `(n, n, n) float32`, positive inside.

    `look(grid, reach)` gets those of a first, coarser grid, whose sides are `reach` times as long
    as the box's: it ends behind the box if the resolution cannot be halved evenly.
    """
    levels = covering_levels(resolution, _MIN_RESOLUTION)
    field = _Field(decoder, pool, progress, _axis(resolution, levels[-1]))
    side = levels[0] + 1
    everywhere = np.stack(np.unravel_index(np.arange(side**3), (side,) * 3))
    later = sum(4**i for i in range(len(levels) - 1))
    grid = field.at(everywhere, levels[0], later).reshape((side,) * 3)
    if look is not None and len(levels) > 1:
        look(grid, levels[-1] / resolution)
    for number, level in enumerate(levels[1:], start=2):
        marked = np.zeros((level + 1,) * 3, bool)
        marked[::2, ::2, ::2] = _near_surface(grid, _STEPS if number == 2 else _LATER_STEPS)
        marked = dilate(marked)
        grid = np.full(marked.shape, np.nan, np.float32)
        later = sum(4**i for i in range(1, len(levels) - number + 1))
        while marked.any():
            grid[marked] = field.at(np.stack(np.nonzero(marked)), level, later)
            marked = _open_corners(grid)
    side = resolution + 1
    return np.ascontiguousarray(grid[:side, :side, :side])


def _axis(resolution: int, covering: int) -> np.ndarray:
    """Coordinates `(covering + 1,)`: those of a dense grid of `resolution`, and some behind it."""
    beyond = np.arange(resolution + 1, covering + 1) * (2 * BOUND / resolution) - BOUND
    inside = np.linspace(-BOUND, BOUND, resolution + 1, dtype=np.float32)
    return np.concatenate([inside, beyond.astype(np.float32)])


class _Field:
    """Asks the decoder in chunks on several threads and counts for progress."""

    def __init__(
        self,
        decoder: GeometryDecoder,
        pool: ThreadPoolExecutor,
        progress: Progress,
        finest: np.ndarray,
    ) -> None:
        self._finest = finest  # coordinates of the finest grid, along each axis
        self._decoder = decoder
        self._pool = pool
        self._progress = progress
        self._asked = self._total = 0

    def at(self, index: np.ndarray, resolution: int, later: int) -> np.ndarray:
        """Values at grid indices `(3, P)`; about `later` times as many points will follow."""
        count = index.shape[1]
        self._total += count
        axis = self._finest[:: (len(self._finest) - 1) // resolution]
        tables = self._decoder.tables([axis, axis, axis])
        chunks = [index[:, start : start + _CHUNK] for start in range(0, count, _CHUNK)]
        # Few at a time, so that an exception from `progress` stops the work soon.
        batch = 16
        parts: list[np.ndarray] = []
        for start in range(0, len(chunks), batch):
            some = chunks[start : start + batch]
            parts += self._pool.map(lambda chunk: self._decoder.query(tables, chunk), some)
            self._asked += sum(chunk.shape[1] for chunk in some)
            self._progress(self._asked, self._total + later * count)
        return np.concatenate(parts)


def _near_surface(grid: np.ndarray, steps: float) -> np.ndarray:
    """Points that may have the surface within a cell of them."""
    steepest = np.zeros_like(grid)
    crossing = np.zeros(grid.shape, bool)
    inside = grid > 0
    known = np.isfinite(grid)
    for axis in range(3):
        here, there = _ends(axis)
        change = np.abs(grid[here] - grid[there])
        change[np.isnan(change)] = 0
        crosses = known[here] & known[there] & (inside[here] != inside[there])
        for end in (here, there):
            np.maximum(steepest[end], change, out=steepest[end])
            crossing[end] |= crosses
    size = np.abs(grid)  # NaN compares as false
    return crossing | ((size < _NEAR_LEVEL) & (size < np.float32(steps) * steepest))


def _open_corners(grid: np.ndarray) -> np.ndarray:
    """Unknown corners of cells whose known corners have both signs."""
    unknown = np.isnan(grid)
    mixed = _any_corner(grid > 0) & _any_corner(grid <= 0)
    corners = np.zeros(grid.shape, bool)
    side = mixed.shape[0]
    for x in (0, 1):
        for y in (0, 1):
            for z in (0, 1):
                corners[x : x + side, y : y + side, z : z + side] |= mixed
    return corners & unknown


def _any_corner(mask: np.ndarray) -> np.ndarray:
    """Cells with at least one marked corner."""
    for axis in range(3):
        here, there = _ends(axis)
        mask = mask[here] | mask[there]
    return mask


def dilate(mask: np.ndarray) -> np.ndarray:
    """A boolean grid grown by one point in all 26 directions."""
    for axis in range(3):
        here, there = _ends(axis)
        grown = mask.copy()
        grown[there] |= mask[here]
        grown[here] |= mask[there]
        mask = grown
    return mask


def _ends(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of all points but the last and of all but the first along an axis."""
    before: list[slice] = [slice(None)] * 3
    after: list[slice] = [slice(None)] * 3
    before[axis], after[axis] = slice(None, -1), slice(1, None)
    return tuple(before), tuple(after)
