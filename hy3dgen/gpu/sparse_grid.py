# SPDX-License-Identifier: Apache-2.0
"""Grids of which only some points are known, as sorted keys with values.

What `volume_grids` and `coarse_to_fine` do on full grids, for resolutions at which a full grid no
longer fits: memory and time go with the surface, not with the volume.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class SparseGrid(NamedTuple):
    """Values at some points of a grid with `side` points along each axis.

    Attributes
    ----------
    keys : (P,) int64, rising: `(x * side + y) * side + z` of each point
    values : (P,) float32
    """

    side: int
    keys: Tensor
    values: Tensor

    def dense(self) -> Tensor:
        """The full grid `(n, n, n)`, NaN at all other points."""
        grid = self.values.new_full((self.side**3,), torch.nan)
        grid[self.keys] = self.values
        return grid.view(self.side, self.side, self.side)

    def with_points(self, keys: Tensor, values: Tensor) -> "SparseGrid":
        """With points that were not there."""
        keys, order = torch.sort(torch.cat([self.keys, keys]))
        return SparseGrid(self.side, keys, torch.cat([self.values, values])[order])


def coordinates(keys: Tensor, side: int) -> Tensor:
    """Grid indices `(P, 3)`."""
    return torch.stack([keys // (side * side), keys // side % side, keys % side], dim=1)


def find(keys: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Places of `wanted` in the rising `keys`, and whether they are there."""
    place = torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)
    return place, keys[place] == wanted


def next_along(keys: Tensor, side: int, axis: int) -> tuple[Tensor, Tensor]:
    """Pairs of places: points, and those that follow them along an axis."""
    stride = side ** (2 - axis)
    inner = (keys // stride % side != side - 1).nonzero()[:, 0]
    place, there = find(keys, keys[inner] + stride)
    return inner[there], place[there]


def near_surface(grid: SparseGrid, near_level: float, steps: float) -> Tensor:
    """Keys of points that may have the surface (level 0) within a cell of them.

    Those with another sign than a neighbour along an axis, and those smaller than `near_level` and
    than `steps` times the largest change to a neighbour.
    """
    values = grid.values
    steepest = torch.zeros_like(values)
    near = torch.zeros_like(values, dtype=torch.bool)
    for axis in range(3):
        here, there = next_along(grid.keys, grid.side, axis)
        change = (values[here] - values[there]).abs()
        crosses = (values[here] > 0) != (values[there] > 0)
        for end in (here, there):  # each point once
            steepest[end] = torch.maximum(steepest[end], change)
            near[end] |= crosses
    size = values.abs()
    near |= (size < near_level) & (size < steps * steepest)
    return grid.keys[near]


def refined(keys: Tensor, side: int, reach: int = 1) -> Tensor:
    """Keys in the grid of twice the resolution: those points, and all within `reach` of them."""
    fine = 2 * side - 1
    x, y, z = (2 * coordinates(keys, side)).unbind(1)
    keys = (x * fine + y) * fine + z
    around = torch.arange(-reach, reach + 1, device=keys.device)
    for axis in range(3):
        stride = fine ** (2 - axis)
        place = (keys // stride % fine)[:, None] + around
        grown = keys[:, None] + around * stride
        keys = torch.unique(grown[(place >= 0) & (place < fine)])
    return keys


def open_corners(grid: SparseGrid) -> Tensor:
    """Keys of unknown corners of cells whose known corners have both signs."""
    keys, side = grid.keys, grid.side
    # Between a known and an unknown corner of a cell there is an edge whose ends differ in that.
    rim = torch.zeros_like(grid.values, dtype=torch.bool)
    for axis in range(3):
        stride = side ** (2 - axis)
        place = keys // stride % side
        here, there = next_along(keys, side, axis)
        for end, last in ((here, side - 1), (there, 0)):
            lonely = place != last
            lonely[end] = False
            rim |= lonely
    offsets = torch.tensor([[c & 1, c >> 1 & 1, c >> 2 & 1] for c in range(8)], device=keys.device)
    lowest = coordinates(keys[rim], side)[:, None] - offsets
    lowest = lowest[((lowest >= 0) & (lowest < side - 1)).all(dim=2)]
    strides = torch.tensor([side * side, side, 1], device=keys.device)
    cells = torch.unique((lowest * strides).sum(dim=1))
    corners = cells[:, None] + (offsets * strides).sum(dim=1)
    place, known = find(keys, corners)
    inside = grid.values[place] > 0
    mixed = (known & inside).any(dim=1) & (known & ~inside).any(dim=1)
    return torch.unique(corners[mixed][~known[mixed]])
