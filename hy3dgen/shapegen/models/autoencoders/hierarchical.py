# SPDX-License-Identifier: Apache-2.0
"""The published coarse-to-fine scheme. `coarse_to_fine.py` has ours, which asks fewer points."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .field import Field, Progress
from .grid_levels import covering_levels, halved_levels
from .volume_grids import (
    NEAR_LEVEL,
    UNKNOWN,
    dilate,
    extract_near_surface_volume_fn,
    refine_mask,
    unknown_corners,
)


class HierarchicalVolumeDecoding:
    """The published coarse-to-fine scheme; points far from the surface are NaN.

    Differs from the original where that is plainly wrong: positions are not rounded to integers,
    objects of a batch are decoded one by one, a resolution that cannot be halved is kept, and the
    surface is followed to where it closes.

    Parameters
    ----------
    compatibility : the published grid: a resolution with remainders becomes smaller, `mc_level` is
        added where it should be subtracted, and the surface may end at unknown points
    """

    def __init__(self, compatibility: bool = False) -> None:
        self.compatibility = compatibility

    @torch.no_grad()
    def __call__(
        self,
        latents: Tensor,
        geo_decoder: Any,
        bounds: float | Sequence[float] = 1.01,
        num_chunks: int = 10000,
        mc_level: float = 0.0,
        octree_resolution: int = 384,
        min_resolution: int = 63,
        progress: Progress | None = None,
        **ignored: Any,
    ) -> Tensor:
        """Grid `(B, n, n, n) float32`, n being `octree_resolution + 1`, or with `compatibility`
        that of the last level."""
        levels_of = halved_levels if self.compatibility else covering_levels
        levels = levels_of(octree_resolution, min_resolution)
        side = levels[-1] + 1 if self.compatibility else octree_resolution + 1
        grids = []
        for row in latents.split(1):
            field = Field(row, geo_decoder, bounds, num_chunks, progress)
            if not self.compatibility:
                field.lay_grid(octree_resolution, levels[-1])
            grid = decode_levels(field, levels, mc_level, self.compatibility)
            grids.append(grid[:side, :side, :side])
        return torch.stack(grids)


def decode_levels(
    field: Field, levels: Sequence[int], mc_level: float, compatibility: bool
) -> Tensor:
    """Grid `(n, n, n) float32` of one object through resolutions that double."""
    grid = field.everywhere(levels[0], later_levels=len(levels) - 1)[0]
    for i, level in enumerate(levels[1:], start=2):
        grid = _refined(field, grid, level, len(levels) - i, mc_level, compatibility)
    return torch.where(grid == UNKNOWN, torch.nan, grid)


def _refined(
    field: Field,
    grid: Tensor,
    level: int,
    later_levels: int,
    mc_level: float,
    compatibility: bool,
) -> Tensor:
    last = later_levels == 0
    near = extract_near_surface_volume_fn(grid, mc_level if compatibility else -mc_level) > 0
    near |= (grid if compatibility else grid - mc_level).abs() < NEAR_LEVEL
    if not last:
        near = dilate(near)
    near = dilate(refine_mask(near, level + 1))
    if last:
        near = dilate(near)
    fine = torch.full_like(near, UNKNOWN, dtype=torch.float32)
    while near.any():
        fine[near] = field.at(near.nonzero(), level, later_levels)
        if compatibility:
            break
        near = unknown_corners(fine, mc_level)
    return fine
