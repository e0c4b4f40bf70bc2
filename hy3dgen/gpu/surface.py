# SPDX-License-Identifier: Apache-2.0
"""Marching cubes on tensors: the surface where a field crosses a level, as a triangle mesh.

Works on the cells that the surface passes and on nothing else, once those are known; they come from
a full grid or from a list of known points. The cases are those of `numpy_forward.case_table`, so a
closed field gives a closed two-manifold, the same one as `numpy_forward.surface`, vertex by vertex.
"""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from ..numpy_forward.case_table import EDGES, case_table
from .sparse_grid import SparseGrid, find

# Vertices keep this share of a cell away from its corners, so that no triangle has no area where
# the field is exactly at the level on a grid point.
MARGIN = 1e-3
_PLANES = 96  # of a grid that are looked at together, as all at once would take much memory


class _Cells(NamedTuple):
    lowest: Tensor  # (C,) key of the corner with the least x, y, z
    cases: Tensor  # (C,) bit i: corner i is above the level


def extract_surface(grid: Tensor | SparseGrid, level: float = 0.0) -> tuple[Tensor, Tensor]:
    """Vertices `(V, 3) float32` in steps of the grid, and faces `(F, 3) int32`, facing outwards.

    Parameters
    ----------
    grid : (n, n, n) float32, or a sparse grid; what is NaN or not there is unknown, and the surface
        ends where it meets that
    level : more is inside

    Returns
    -------
    tuple
        Without any rows if nothing crosses the level.
    """
    if isinstance(grid, SparseGrid):
        side, cells = grid.side, _sparse_cells(grid, level)
    else:
        side, cells = grid.shape[0], _dense_cells(grid, level)
    strides = (side * side, side, 1)
    # Narrow numbers of edges, where they do, are sorted faster and in less memory.
    number = torch.int32 if 3 * side**3 < 2**31 else torch.int64
    table, counts, starts = _tables(side, cells.lowest.device, number)
    # Triangles, cell by cell: which cell, and which row of the cell's case.
    repeat = counts[cells.cases]
    owner = torch.repeat_interleave(repeat)
    first = torch.cumsum(repeat, 0) - repeat
    row = torch.arange(len(owner), device=owner.device) - first[owner]
    # A vertex is known by its grid edge: the point where it begins, and the axis.
    lowest = cells.lowest.to(number)[owner][:, None]
    corners = starts[table[cells.cases[owner], row]].add_(lowest, alpha=3)
    edges, faces = torch.unique(corners, return_inverse=True)
    edges, faces = edges.long(), faces.int()

    begin, axis = edges // 3, edges % 3
    stride = torch.tensor(strides, device=edges.device)[axis]
    here, there = (_values(grid, key) - level for key in (begin, begin + stride))
    share = (here / (here - there)).clamp(MARGIN, 1 - MARGIN)
    vertices = torch.stack([begin // strides[0], begin // side % side, begin % side], dim=1).float()
    vertices.scatter_add_(1, axis[:, None], share[:, None])
    return vertices, faces


@cache
def _tables(side: int, device: torch.device, number: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Edges of triangles `(256, T, 3)`, triangles of cases, three times an edge's key plus axis."""
    table, counts = case_table()
    starts = [
        3 * ((corner & 1) * side * side + (corner >> 1 & 1) * side + (corner >> 2 & 1)) + axis
        for corner, axis in EDGES
    ]
    return (
        torch.from_numpy(table).to(device),
        torch.from_numpy(counts).to(device),
        torch.tensor(starts, device=device, dtype=number),
    )


def _dense_cells(grid: Tensor, level: float) -> _Cells:
    parts = [
        _cells_between(grid[first : first + _PLANES + 1], level, first * grid[0].numel())
        for first in range(0, len(grid) - 1, _PLANES)
    ]
    return _Cells(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _cells_between(grid: Tensor, level: float, before: int) -> _Cells:
    """The cells of some planes of a grid; `before` is how many points come before those."""
    # Below and above rather than not above: a NaN is neither.
    bits = (grid > level).to(torch.uint8).add_(grid <= level, alpha=16)
    ends = tuple(side - 1 for side in grid.shape)
    cases = torch.zeros(ends, dtype=torch.uint8, device=grid.device)
    known = torch.ones(ends, dtype=torch.bool, device=grid.device)
    for corner in range(8):
        at = (corner & 1, corner >> 1 & 1, corner >> 2 & 1)
        part = bits[tuple(slice(o, o + end) for o, end in zip(at, ends, strict=True))]
        cases |= (part & 1) << corner
        known &= part != 0
    active = ((cases != 0) & (cases != 255) & known).nonzero()
    x, y, z = active.unbind(1)
    lowest = (x * grid.shape[1] + y) * grid.shape[2] + z
    return _Cells(lowest + before, cases[x, y, z].long())


def _sparse_cells(grid: SparseGrid, level: float) -> _Cells:
    keys, side = grid.keys, grid.side
    inside = grid.values > level
    # Along z the next point is the next one of the list, if it is there at all; the last point of a
    # row has none.
    next_there = torch.zeros_like(inside)
    next_there[:-1] = (keys[1:] == keys[:-1] + 1) & (keys[:-1] % side != side - 1)
    pairs = inside.to(torch.uint8)
    pairs[:-1] |= (inside[1:].to(torch.uint8)) << 1
    known = next_there.clone()
    cases = _spread(pairs, 0)
    last = keys // side % side == side - 1
    for corner, offset in ((1, side * side), (2, side), (3, side * side + side)):
        place, there = find(keys, keys + offset)
        known &= there & next_there[place]
        cases |= _spread(pairs[place], corner)
    known &= ~last & torch.isfinite(grid.values)
    active = (known & (cases != 0) & (cases != 255)).nonzero()[:, 0]
    return _Cells(keys[active], cases[active].long())


def _spread(pair: Tensor, corner: int) -> Tensor:
    """The bits of two points that follow each other in z, for `corner` and `corner + 4`."""
    return (pair & 1) << corner | (pair >> 1) << (corner + 4)


def _values(grid: Tensor | SparseGrid, keys: Tensor) -> Tensor:
    if isinstance(grid, SparseGrid):
        return grid.values[find(grid.keys, keys)[0]]
    return grid.reshape(-1)[keys]
