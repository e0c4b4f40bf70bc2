# SPDX-License-Identifier: Apache-2.0
"""Coarse-to-fine decoding that asks few points and leaves no gap in a surface it has found.

Where it departs from the published scheme (`HierarchicalVolumeDecoding`):

- a coarse point counts as near the surface if the field there is small against its change to the
  next point, rather than small in itself, so fewer points are asked;
- afterwards the surface is followed: as long as a cell has both signs and a corner not yet asked,
  that corner is asked. A part that shows up anywhere is therefore completed, however thin it is;
- what was left out is checked: the field is asked in the middle of every coarse cell that is not
  clearly away from the surface, and of some that are. A sign that the corners do not have means
  that something lies between them; then all points whose value is not saturated are refined, or if
  it was in a clear cell, the whole grid is decoded.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ....gpu.sparse_grid import SparseGrid, coordinates, near_surface, open_corners, refined
from ...log import logger
from .field import Field, Progress
from .grid_levels import covering_levels
from .volume_grids import (
    NEAR_LEVEL,
    UNKNOWN,
    any_corner,
    corners_of,
    dilate,
    refine_mask,
    unknown_corners,
)

# A surface point is at most sqrt(3)/2 steps from some grid point, and a field of slope s changes by
# at least s / sqrt(3) a step along its steepest axis, so 1.5 would do for a true distance. That is
# for parts which the coarsest grid does not show. Those that a finer one shows first are specks
# smaller than one of its cells.
_STEPS, _LATER_STEPS = 2.0, 1.0
_SAMPLED_CELLS = 4096  # of those clearly away from the surface, for the check


class CoarseToFineVolumeDecoder:
    """The field near the surface; other points are NaN.

    Parameters
    ----------
    sparse_from : from this resolution on no full grid is made; a call then returns a list of
        `SparseGrid`, which surface extractors take as well. None: never
    """

    def __init__(self, sparse_from: int | None = None) -> None:
        self.sparse_from = sparse_from

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
    ) -> Tensor | list[SparseGrid]:
        """Grid `(B, n, n, n) float32`; `octree_resolution` is kept exactly.

        One below twice `min_resolution` is decoded densely.
        """
        fields = (Field(row, geo_decoder, bounds, num_chunks, progress) for row in latents.split(1))
        return follow_surfaces(
            fields, octree_resolution, min_resolution, mc_level, self.sparse_from
        )


def follow_surfaces(
    fields: Iterable[Field],
    octree_resolution: int,
    min_resolution: int,
    mc_level: float,
    sparse_from: int | None,
) -> Tensor | list[SparseGrid]:
    """The grids `(B, n, n, n)` of the fields of B objects, asked at the dense grid's own points.

    Grids whose resolution cannot be halved evenly are cut out of slightly larger ones.
    """
    levels = covering_levels(octree_resolution, min_resolution)
    side = octree_resolution + 1
    sparse = sparse_from is not None and octree_resolution >= sparse_from
    grids = []
    for field in fields:
        field.lay_grid(octree_resolution, levels[-1])
        if sparse:
            grids.append(_cut(follow_surface_sparsely(field, levels, mc_level), side))
        else:
            grids.append(follow_surface(field, levels, mc_level)[:side, :side, :side])
    return (
        grids if sparse else torch.stack(grids) if len(grids) > 1 else grids[0].contiguous()[None]
    )


def follow_surface(field: Field, levels: Sequence[int], mc_level: float) -> Tensor:
    """Grid `(n, n, n) float32` of one object, known near its surface."""
    grid = field.everywhere(levels[0], later_levels=len(levels) - 1)[0] - mc_level
    for i, level in enumerate(levels[1:], start=2):
        near = _near_surface(grid, _STEPS if i == 2 else _LATER_STEPS)
        if i == 2:
            checked = _check_left_out(field, grid, near, level, mc_level)
            if checked is None:
                return field.everywhere(levels[-1])[0]
            near = checked
        grid = _refined(field, near, level, len(levels) - i, mc_level)
    unknown = grid == UNKNOWN  # in place, as a full grid is what decoding needs most memory for
    return grid.add_(mc_level).masked_fill_(unknown, torch.nan)


def follow_surface_sparsely(field: Field, levels: Sequence[int], mc_level: float) -> SparseGrid:
    """The same points and values as `follow_surface`, without full grids but the coarsest."""
    side = levels[0] + 1
    values = field.everywhere(levels[0], later_levels=len(levels) - 1)[0].reshape(-1) - mc_level
    grid = SparseGrid(side, torch.arange(side**3, device=values.device), values)
    for i, level in enumerate(levels[1:], start=2):
        near = near_surface(grid, NEAR_LEVEL, _STEPS if i == 2 else _LATER_STEPS)
        if i == 2:
            coarse = values.view(side, side, side)
            mask = torch.zeros_like(values, dtype=torch.bool)
            mask[near] = True
            checked = _check_left_out(field, coarse, mask.view_as(coarse), level, mc_level)
            if checked is None:
                full = field.everywhere(levels[-1])[0].reshape(-1)
                return SparseGrid(levels[-1] + 1, torch.arange(len(full), device=full.device), full)
            near = checked.reshape(-1).nonzero()[:, 0]
        keys = refined(near, grid.side)
        grid = SparseGrid(level + 1, keys[:0], values[:0])
        while len(keys):
            found = field.at_keys(keys, level, len(levels) - i) - mc_level
            grid = grid.with_points(keys, found)
            keys = open_corners(grid)
    return grid._replace(values=grid.values + mc_level)


def _cut(grid: SparseGrid, side: int) -> SparseGrid:
    """The part of a grid with the lowest `side` points along each axis."""
    if side == grid.side:
        return grid
    places = coordinates(grid.keys, grid.side)
    kept = (places < side).all(dim=1)
    x, y, z = places[kept].unbind(1)
    return SparseGrid(side, (x * side + y) * side + z, grid.values[kept])


def _check_left_out(
    field: Field, grid: Tensor, near: Tensor, level: int, mc_level: float
) -> Tensor | None:
    """The points to refine: `near`, or more of them; None if all are needed."""
    left_out = ~any_corner(near)  # cells; the corners of each have one sign
    unsaturated = grid.abs() < NEAR_LEVEL
    doubtful = left_out & any_corner(unsaturated)
    clear = (left_out & ~doubtful).nonzero()
    if len(clear) > _SAMPLED_CELLS:  # always the same ones, so that a call can be repeated
        generator = torch.Generator().manual_seed(0)
        chosen = torch.randint(len(clear), (_SAMPLED_CELLS,), generator=generator)
        clear = clear[chosen.to(clear.device)]
    asked = doubtful.nonzero()
    if len(asked) + len(clear) == 0:
        return near
    cells = torch.cat([asked, clear])
    # The middle of a cell is a point of the next grid.
    inside = field.at(2 * cells + 1, level, None) > mc_level
    hidden = inside != (grid[tuple(cells.T)] > 0)
    if hidden[len(asked) :].any():
        logger.info("The coarse grid does not show the whole surface; the grid is decoded densely.")
        return None
    if hidden.any():
        logger.info("The coarse grid does not show the whole surface; more of it is refined.")
        return near | unsaturated | corners_of(doubtful)
    return near


def _refined(field: Field, near: Tensor, level: int, later_levels: int, mc_level: float) -> Tensor:
    """Values minus the level near the surface, on a grid of twice the resolution."""
    marked = dilate(refine_mask(near, level + 1))
    fine = torch.full_like(marked, UNKNOWN, dtype=torch.float32)
    while len(keys := marked.view(-1).nonzero()[:, 0]):
        del marked  # while the field is asked, every grid counts
        fine.view(-1)[keys] = field.at_keys(keys, level, later_levels) - mc_level
        marked = unknown_corners(fine)
    return fine


def _near_surface(grid: Tensor, steps: float) -> Tensor:
    """Points that may have the surface within a cell of them; see `sparse_grid.near_surface`."""
    known = grid != UNKNOWN
    steepest = torch.zeros_like(grid)
    crossing = torch.zeros_like(known)
    for axis in range(3):
        side = grid.shape[axis]
        here, there = grid.narrow(axis, 0, side - 1), grid.narrow(axis, 1, side - 1)
        both = known.narrow(axis, 0, side - 1) & known.narrow(axis, 1, side - 1)
        change = torch.where(both, (here - there).abs(), 0.0)
        crosses = both & ((here > 0) != (there > 0))
        for start in (0, 1):
            part = steepest.narrow(axis, start, side - 1)
            part.copy_(torch.maximum(part, change))
            crossing.narrow(axis, start, side - 1).logical_or_(crosses)
    size = grid.abs()
    return crossing | (known & (size < NEAR_LEVEL) & (size < steps * steepest))
