# SPDX-License-Identifier: Apache-2.0
"""Dual marching cubes on tensors: a vertex inside every cell that the surface passes.

The mesh is the dual of the one that `hy3dgen.gpu.surface` makes: each patch of that surface in a
cell becomes a vertex, at the mean of the patch's corners, and each of its vertices, which lie on
the grid's edges, becomes a face between the patches of the four cells around that edge. Faces are
more even than those of marching cubes; corners are rounded off by as much.

Source: Nielson 2004, "Dual Marching Cubes". That mesh has an edge with four faces where two patches
meet twice in one face of their cells. Here such an edge gets a vertex of its own in the middle of
each meeting line, so that the surface of a closed field is always a closed two-manifold.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ....gpu.sparse_grid import SparseGrid, coordinates, find
from ....gpu.surface import extract_surface

# Places in cells are added up as whole numbers of this fraction, which gives the same sum in any
# order, so also on a GPU.
_FRACTION = 2**20
_FAR_OUTSIDE = 1e6  # times the largest value: the surface is cut off right where the grid ends


def extract_dual_surface(grid: Tensor | SparseGrid, level: float = 0.0) -> tuple[Tensor, Tensor]:
    """Vertices `(V, 3) float32` in steps of the grid, and faces `(F, 3) int32`, facing outwards.

    What is inside at the grid's border is closed there. At unknown points (NaN, or not in a sparse
    grid) the surface ends.

    Returns
    -------
    tuple
        Without any rows if nothing crosses the level.
    """
    padded = _padded(grid, level)
    crossings, triangles = extract_surface(padded, level)
    if len(triangles) == 0:
        return crossings, triangles
    # Every triangle lies in one cell and in none of its faces, so its lowest place tells which.
    side = padded.side if isinstance(padded, SparseGrid) else padded.shape[0]
    cells = crossings[triangles.long()].amin(dim=1).floor().long()  # (F, 3)
    places, quads = _patches(crossings, triangles.long(), cells, side)
    whole = (quads >= 0).all(dim=1)
    begin = crossings.floor().long()
    turned = ~_inside(padded, begin, level)
    quads = torch.where(turned[:, None], quads.flip(1), quads)
    places, faces = _faces(places, quads, whole, crossings, begin, turned)
    # Patches at the surface's open ends are no vertices.
    used, faces = torch.unique(faces, return_inverse=True)
    offset = 0 if padded is grid else 1
    return places[used] - offset, faces.int()


def _patches(
    crossings: Tensor, triangles: Tensor, cells: Tensor, side: int
) -> tuple[Tensor, Tensor]:
    """Places of patches `(P, 3)`, and the patches around every crossing `(V, 4)`, -1 for none.

    The four are in the order of a walk around the grid's edge, counter-clockwise seen from its end.
    """
    strides = torch.tensor([side * side, side, 1], device=cells.device)
    keys = (cells * strides).sum(dim=1)
    # What belongs together: a crossing as seen from one cell.
    pairs, pair = torch.unique(
        keys[:, None] * len(crossings) + triangles, return_inverse=True
    )  # (P,), (F, 3)
    label = torch.arange(len(pairs), device=pairs.device)
    while True:
        least = label[pair].amin(dim=1, keepdim=True).expand_as(pair)
        lower = label.scatter_reduce(0, pair.reshape(-1), least.reshape(-1), "amin")
        if torch.equal(lower, label):
            break
        label = lower
    first, patch = torch.unique(label, return_inverse=True)

    crossing = pairs % len(crossings)
    cell = coordinates(pairs // len(crossings), side)
    inside = ((crossings[crossing] - cell) * _FRACTION).round().long()
    sums = torch.zeros(len(first), 3, dtype=torch.long, device=pairs.device)
    sums.index_add_(0, patch, inside)
    counts = torch.bincount(patch, minlength=len(first))[:, None]
    places = cell[first] + sums.float() / (counts * _FRACTION).float()

    begin = crossings.floor().long()
    axis = (crossings - begin).argmax(dim=1)  # along which it lies between two grid points
    steps = begin[crossing] - cell  # 0 or 1 where the cell lies before or behind the edge
    along = axis[crossing]
    right = steps.gather(1, ((along + 1) % 3)[:, None])[:, 0]
    up = steps.gather(1, ((along + 2) % 3)[:, None])[:, 0]
    quads = torch.full((len(crossings), 4), -1, device=pairs.device)
    quads[crossing, torch.where(up == 1, 3 - right, right)] = patch
    return places, quads


def _inside(grid: Tensor | SparseGrid, points: Tensor, level: float) -> Tensor:
    if isinstance(grid, Tensor):
        return grid[tuple(points.T)] > level
    strides = torch.tensor([grid.side**2, grid.side, 1], device=points.device)
    return grid.values[find(grid.keys, (points * strides).sum(dim=1))[0]] > level


def _padded(grid: Tensor | SparseGrid, level: float) -> Tensor | SparseGrid:
    """The grid, with a layer of points outside around it if its border is inside somewhere."""
    if isinstance(grid, Tensor):
        border = [grid.select(axis, end) for axis in range(3) for end in (0, -1)]
        if not any((part > level).any() for part in border):
            return grid
        return F.pad(grid, (1,) * 6, value=_far_outside(grid, level))
    places = coordinates(grid.keys, grid.side)
    border = ((places == 0) | (places == grid.side - 1)).any(dim=1)
    if not (grid.values[border] > level).any():
        return grid
    side = grid.side + 2
    around = torch.cartesian_prod(*[torch.arange(-1, 2, device=places.device)] * 3)
    layer = (places[border][:, None] + 1 + around).reshape(-1, 3)
    layer = layer[((layer == 0) | (layer == side - 1)).any(dim=1)]
    strides = torch.tensor([side * side, side, 1], device=places.device)
    moved = SparseGrid(side, ((places + 1) * strides).sum(dim=1), grid.values)
    added = torch.unique((layer * strides).sum(dim=1))
    return moved.with_points(
        added, grid.values.new_full((len(added),), _far_outside(grid.values, level))
    )


def _far_outside(values: Tensor, level: float) -> float:
    known = values[torch.isfinite(values)]
    return level - _FAR_OUTSIDE * float((known - level).abs().max())


def _faces(
    places: Tensor,
    quads: Tensor,
    whole: Tensor,
    crossings: Tensor,
    begin: Tensor,
    turned: Tensor,
) -> tuple[Tensor, Tensor]:
    """Triangles of the quads, and places with those of the vertices that are added for them."""
    quads, crossings = quads[whole], crossings[whole]
    positive = _positive_ends(crossings, begin[whole], turned[whole])
    middles, added = _double_edges(places, quads, crossings, positive)
    places = torch.cat([places, added])
    halves = [_split(quads, shift) for shift in (0, 1)]
    least = torch.stack([_least_area(places, half) for half in halves])
    plain = (middles < 0).all(dim=1) & (least > 0).any(dim=0)
    # By more than devices round differently, so that they agree where both are as good.
    second = (least[1] > (1 + 1e-4) * least[0])[:, None, None]
    faces = torch.where(second, halves[1], halves[0])[plain].reshape(-1, 3)
    # The others are fans around their crossing.
    around, middles = quads[~plain], middles[~plain]
    centre = len(places) + torch.arange(len(around), device=places.device)
    places = torch.cat([places, crossings[~plain]])
    parts = [faces]
    for i in range(4):
        here, there, middle = around[:, i], around[:, (i + 1) % 4], middles[:, i]
        split = middle >= 0
        parts.append(torch.stack([centre, here, torch.where(split, middle, there)], dim=1))
        parts.append(torch.stack([centre, middle, there], dim=1)[split])
    return places, torch.cat(parts)


def _positive_ends(crossings: Tensor, begin: Tensor, turned: Tensor) -> Tensor:
    """Grid points `(Q, 3)` at the inner end of each crossing's edge."""
    beyond = (crossings > begin).long()  # 1 along the edge's axis
    return begin + beyond * turned[:, None]


def _double_edges(
    places: Tensor, quads: Tensor, crossings: Tensor, positive: Tensor
) -> tuple[Tensor, Tensor]:
    """Vertices in the sides of quads `(Q, 4)`, -1 for none, and their places `(M, 3)`.

    Two patches that meet twice in one face of their cells get a vertex for each of the lines where
    they meet. Such a line goes around an inner grid point, which tells it from the other one.
    """
    count = len(places)
    ends = torch.stack([quads, quads.roll(-1, dims=1)], dim=-1)  # (Q, 4, 2)
    edges = ends.amin(dim=-1) * count + ends.amax(dim=-1)
    _, number, times = torch.unique(edges, return_inverse=True, return_counts=True)
    double = times[number] > 2  # (Q, 4)
    middles = torch.full_like(quads, -1)
    rows = double.nonzero()
    if len(rows) == 0:
        return middles, places[:0]
    quad = rows[:, 0]
    lines = torch.cat([number[double][:, None], positive[quad]], dim=1)
    lines, line = torch.unique(lines, dim=0, return_inverse=True)
    middles[double] = count + line
    # Two crossings a line; their sum does not depend on which comes first.
    sums = crossings.new_zeros(len(lines), 3).index_add_(0, line, crossings[quad])
    return middles, sums / torch.bincount(line)[:, None]


def _split(quads: Tensor, shift: int) -> Tensor:
    """The two triangles `(Q, 2, 3)` on both sides of a diagonal."""
    a, b, c, d = quads.roll(-shift, dims=1).unbind(1)
    return torch.stack([torch.stack([a, b, c], dim=1), torch.stack([a, c, d], dim=1)], dim=1)


def _least_area(places: Tensor, triangles: Tensor) -> Tensor:
    """The smaller area of the two triangles `(Q, 2, 3)`."""
    first, second, third = places[triangles].unbind(2)
    return torch.linalg.cross(second - first, third - first).norm(dim=-1).amin(dim=1)
