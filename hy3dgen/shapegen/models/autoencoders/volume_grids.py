# SPDX-License-Identifier: Apache-2.0
"""Grids of field values: where their points are, which lie near a surface, how to refine.

A grid has `octree_resolution + 1` points a side, both ends of the box included, axes x, y, z.
Positive values are inside. Knows nothing about how values are found.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ....errors import InvalidSettingError

UNKNOWN = -10000.0  # what points that were not asked hold between levels
_PLANES = 96  # of a grid that are looked at together
NEAR_LEVEL = 0.95  # fields saturate at +-1; anything less is near the surface


def box_corners(bounds: float | Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner `(3,) float32` of `b` -> [-b, b]^3, or of six numbers."""
    values = np.asarray(bounds, dtype=np.float32).reshape(-1)
    if values.size == 1:
        values = np.repeat(np.concatenate([-values, values]), 3)
    if values.size != 6 or not np.all(values[:3] < values[3:]):
        raise InvalidSettingError(
            f"the bounds are {bounds!r}; give one positive number, or six with every lower one "
            "below its upper one."
        )
    return values[:3], values[3:]


def generate_dense_grid_points(
    bbox_min: np.ndarray, bbox_max: np.ndarray, octree_resolution: int, indexing: str = "ij"
) -> tuple[np.ndarray, list[int], np.ndarray]:
    """All grid points `(n, n, n, 3) float32`, the grid's shape and the box's size."""
    side = octree_resolution + 1
    axes = [
        np.linspace(low, high, side, dtype=np.float32)
        for low, high in zip(bbox_min, bbox_max, strict=True)
    ]
    points = np.stack(np.meshgrid(*axes, indexing=indexing), axis=-1)
    return points, [side] * 3, np.asarray(bbox_max) - np.asarray(bbox_min)


def extract_near_surface_volume_fn(input_tensor: Tensor, alpha: float) -> Tensor:
    """1 where a grid point's sign differs from a neighbour's, `(R, R, R)` int32.

    Values are compared after adding `alpha`; zero differs from both signs. Points that were not
    asked (-10000) are never marked and count as equal to their neighbours.
    """
    values = input_tensor + alpha
    known = values > -9000.0
    mask = torch.zeros_like(known)
    for axis in range(3):
        for shift in (-1, 1):
            neighbour = _shifted(values, axis, shift)
            neighbour = torch.where(neighbour > -9000.0, neighbour, values)
            mask |= neighbour.sign() != values.sign()
    return (mask & known).to(torch.int32)


def _shifted(values: Tensor, axis: int, shift: int) -> Tensor:
    """The neighbour's value along an axis; the edge keeps its own."""
    side = values.shape[axis]
    index = torch.arange(side, device=values.device) + shift
    return values.index_select(axis, index.clamp(0, side - 1))


def dilate(mask: Tensor) -> Tensor:
    """A boolean grid grown by one point in all 26 directions."""
    for axis in range(3):
        side = mask.shape[axis]
        grown = mask.clone()
        grown.narrow(axis, 1, side - 1).logical_or_(mask.narrow(axis, 0, side - 1))
        grown.narrow(axis, 0, side - 1).logical_or_(mask.narrow(axis, 1, side - 1))
        mask = grown
    return mask


def refine_mask(mask: Tensor, side: int) -> Tensor:
    """Marked points of a grid at their places in a grid of twice the resolution."""
    fine = torch.zeros(side, side, side, dtype=torch.bool, device=mask.device)
    fine[::2, ::2, ::2] = mask
    return fine


def unknown_corners(grid: Tensor, level: float = 0.0) -> Tensor:
    """Unknown corners of cells whose known corners are on both sides of the level."""
    wanted = torch.zeros_like(grid, dtype=torch.bool)
    for first in range(0, len(grid) - 1, _PLANES):  # all at once would take much memory
        part = slice(first, first + _PLANES + 1)
        known = grid[part] != UNKNOWN
        inside = known & (grid[part] > level)
        outside = known & ~inside
        wanted[part] |= corners_of(any_corner(inside) & any_corner(outside)) & ~known
    return wanted


def corners_of(cells: Tensor) -> Tensor:
    """All corners `(l, m, n)` of marked cells `(l - 1, m - 1, n - 1)`."""
    shape = [side + 1 for side in cells.shape]
    corners = torch.zeros(shape, dtype=torch.bool, device=cells.device)
    for corner in range(8):
        starts = (corner & 1, corner >> 1 & 1, corner >> 2 & 1)
        place = tuple(slice(a, a + b) for a, b in zip(starts, cells.shape, strict=True))
        corners[place] |= cells
    return corners


def any_corner(mask: Tensor) -> Tensor:
    """Cells with at least one marked corner."""
    for axis in range(3):
        side = mask.shape[axis] - 1
        mask = mask.narrow(axis, 0, side) | mask.narrow(axis, 1, side)
    return mask
