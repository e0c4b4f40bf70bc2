# SPDX-License-Identifier: Apache-2.0
"""Decoding a field coarse to fine: the rules of `shapegen.models.autoencoders.coarse_to_fine`.

A grid has `resolution + 1` points a side, axes x, y, z; points that were not asked are NaN.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .autoencoder import GeometryDecoder

BOUND = 1.01  # the field is decoded in [-BOUND, BOUND]^3
_MIN_RESOLUTION = 63
_COARSE_TO_FINE_FROM = 64  # below, every point is asked
_NEAR_LEVEL = 0.95
_STEPS = 2.0
_CHUNK = 2048  # its activations stay in a core's cache
Progress = Callable[[int, int], None]


def decode_grid(
    decoder: GeometryDecoder,
    resolution: int,
    pool: ThreadPoolExecutor,
    progress: Progress,
    look: Callable[[np.ndarray], None] | None = None,
) -> np.ndarray:
    """Values `(n, n, n) float32`, positive inside; `look` gets those of a first, coarser grid."""
    levels = _levels(resolution)
    field = _Field(decoder, pool, progress)
    side = levels[0] + 1
    everywhere = np.stack(np.unravel_index(np.arange(side**3), (side,) * 3))
    later = sum(4**i for i in range(len(levels) - 1))
    grid = field.at(everywhere, levels[0], later).reshape((side,) * 3)
    if look is not None and len(levels) > 1:
        look(grid)
    for number, level in enumerate(levels[1:], start=2):
        marked = np.zeros((level + 1,) * 3, bool)
        marked[::2, ::2, ::2] = _near_surface(grid)
        marked = dilate(dilate(marked))
        grid = np.full(marked.shape, np.nan, np.float32)
        later = sum(4**i for i in range(1, len(levels) - number + 1))
        while marked.any():
            grid[marked] = field.at(np.stack(np.nonzero(marked)), level, later)
            marked = _open_corners(grid)
    return grid


def _levels(resolution: int) -> list[int]:
    """Resolutions from coarse to fine, as far as halving leaves no rest."""
    levels = [resolution]
    while resolution >= _COARSE_TO_FINE_FROM and levels[0] % 2 == 0:
        if levels[0] // 2 < _MIN_RESOLUTION:
            break
        levels.insert(0, levels[0] // 2)
    return levels


class _Field:
    """Asks the decoder in chunks on several threads and counts for progress."""

    def __init__(
        self, decoder: GeometryDecoder, pool: ThreadPoolExecutor, progress: Progress
    ) -> None:
        self._decoder = decoder
        self._pool = pool
        self._progress = progress
        self._asked = self._total = 0

    def at(self, index: np.ndarray, resolution: int, later: int) -> np.ndarray:
        """Values at grid indices `(3, P)`; about `later` times as many points will follow."""
        count = index.shape[1]
        self._total += count
        axis = np.linspace(-BOUND, BOUND, resolution + 1, dtype=np.float32)
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


def _near_surface(grid: np.ndarray) -> np.ndarray:
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
    return crossing | ((size < _NEAR_LEVEL) & (size < np.float32(_STEPS) * steepest))


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
