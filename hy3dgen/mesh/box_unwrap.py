# SPDX-License-Identifier: Apache-2.0
"""UVs by looking at a mesh from the six sides of a box: fast, never fails, needs numpy only.

Faces that look to the same side and hang together become a chart; it is projected along that side's
axis and the charts are packed. Time grows with the number of faces only, so this is the unwrap for
millions of them, and the one that steps in where xatlas is missing or runs out of time.
"""

from collections.abc import Callable

import numpy as np

from .chart_packing import pack
from .native import loader
from .triangle_mesh import TriangleMesh
from .uv_map import UVMap

Progress = Callable[[float], object]

PADDING = 4 / 1024  # free space around a chart, in sides of the texture
# Side -> axis looked along and its sign, axis to the right, axis up. No chart is mirrored.
_SIDES = ((0, 1, 2, 1), (0, -1, 2, 1), (1, 1, 0, 2), (1, -1, 0, 2), (2, 1, 0, 1), (2, -1, 0, 1))
_TO_THE_LEFT = (True, False, True, False, False, True)  # where that axis points left instead
_ROUNDS = 4  # of letting neighbours decide
_LEAST_FACING = 0.25  # cosine; a face is not given to a side that it faces less
_FEW_FACES = 8  # a chart of fewer goes to its neighbours
_LAYERS = 6  # tries at parting what lies over itself
_GRID = 1024  # cells a side for finding that


def box_unwrap(
    mesh: TriangleMesh,
    padding: float = PADDING,
    progress: Progress | None = None,
    polygons: np.ndarray | None = None,
) -> UVMap:
    """UVs without overlap and without mirrored charts, at one scale for the whole mesh.

    Where a chart would lie over itself, as a spiral stair does, it is cut into layers. Faces
    without area get a point. `progress` is called with the fraction done and may raise.

    Parameters
    ----------
    polygons : (F,) int64 from 0, the polygon that each face is a part of; polygons stay whole, so
        that a vertex has one UV in each
    """
    mesh.require_faces("unwrapping")
    report = progress or (lambda fraction: None)
    report(0.0)
    low, high = mesh.bounds.astype(np.float64)
    points = ((mesh.vertices - low) / (float((high - low).max()) or 1.0)).astype(np.float32)
    sides = _choose_sides(mesh, report)
    if polygons is not None:
        sides = sides[_largest_parts(mesh, polygons)[polygons]]
    layers = np.zeros(len(mesh.faces), np.int64)
    for attempt in range(_LAYERS):
        report(0.5 + 0.5 * attempt / _LAYERS)
        charts, uvs, faces, vertices = _project(points, mesh.faces, sides, layers)
        uvs = _pack_charts(charts, uvs, faces, padding)
        covered = _lies_under(uvs, faces, charts)
        if not covered.any() or attempt == _LAYERS - 1:
            break
        if polygons is not None:
            covered = (np.bincount(polygons, covered) > 0)[polygons]
        layers[covered] += 1
    report(1.0)
    return UVMap(uvs, faces, vertices)


def _choose_sides(mesh: TriangleMesh, report: Progress) -> np.ndarray:
    """(F,) int64: the side each face belongs to, with ragged borders and specks removed."""
    normals = mesh.face_normals.astype(np.float32)
    facing = np.stack([sign * normals[:, axis] for axis, sign, _, _ in _SIDES], axis=1)
    sides = facing.argmax(axis=1)
    first, second = neighbours(mesh.faces)
    ends = np.concatenate([first, second])
    others = np.concatenate([second, first])
    count = len(mesh.faces)
    for round_ in range(_ROUNDS):
        report(0.1 + 0.08 * round_)
        votes = _count_votes(ends, sides[others], count)
        votes = np.where(facing > _LEAST_FACING, votes + 2 * facing, -np.inf)
        best = votes.argmax(axis=1)
        sides = np.where(np.isfinite(votes.max(axis=1)), best, sides)
    charts = _charts(mesh.faces, sides, np.zeros(count, np.int64))
    few = np.bincount(charts)[charts] < _FEW_FACES
    votes = _count_votes(ends, np.where(few[others], 6, sides[others]), count)
    # Never to the far side: there a face would be mirrored.
    votes = np.where(facing > 0.05, votes[:, :6], 0)
    moved = few & (votes.max(axis=1) > 0)
    return np.where(moved, votes.argmax(axis=1), sides)


def _largest_parts(mesh: TriangleMesh, polygons: np.ndarray) -> np.ndarray:
    """(P,) int64: the largest face of each polygon."""
    order = np.lexsort((-mesh.face_areas, polygons))
    _, first = np.unique(polygons[order], return_index=True)
    largest = np.zeros(int(polygons.max()) + 1, np.int64)
    largest[polygons[order[first]]] = order[first]
    return largest


def _count_votes(faces: np.ndarray, sides: np.ndarray, count: int) -> np.ndarray:
    """(F, 6) how many neighbours of each face are on each side; side 6 does not vote."""
    return np.bincount(faces * 7 + sides, minlength=7 * count).reshape(count, 7)[:, :6]


def neighbours(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of faces that share an edge, (E,) and (E,) int64."""
    count = len(faces)
    starts = faces.ravel().astype(np.int64)
    ends = faces[:, (1, 2, 0)].ravel().astype(np.int64)
    keys = np.minimum(starts, ends) * (int(faces.max()) + 1) + np.maximum(starts, ends)
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(np.diff(keys[order]) == 0)
    owners = np.repeat(np.arange(count), 3)[order]
    return owners[same], owners[same + 1]


def _charts(faces: np.ndarray, sides: np.ndarray, layers: np.ndarray) -> np.ndarray:
    """(F,) the chart of each face: faces of one side and layer that share edges."""
    kinds = layers * 6 + sides
    corners = (kinds[:, None] * (int(faces.max()) + 1) + faces).ravel()
    used, places = np.unique(corners, return_inverse=True)
    separate = np.ascontiguousarray(places.reshape(-1, 3), np.int32)
    return loader.components(separate, len(used))[0].astype(np.int64)


def _project(points, faces, sides, layers) -> tuple[np.ndarray, ...]:
    """Charts (F,), flat UVs (U, 2) in the mesh's scale, corners (F, 3), UVs' vertices (U,)."""
    charts = _charts(faces, sides, layers)
    keys = (charts[:, None] * len(points) + faces).ravel()
    keys, first, corners = np.unique(keys, return_index=True, return_inverse=True)
    side = sides[first // 3]
    vertices = keys % len(points)
    place = points[vertices]
    table = np.array(_SIDES)
    right, up = table[side, 2], table[side, 3]
    rows = np.arange(len(keys))
    u = np.where(np.array(_TO_THE_LEFT)[side], -place[rows, right], place[rows, right])
    uvs = np.stack([u, place[rows, up]], axis=1)
    return charts, uvs, corners.reshape(-1, 3).astype(np.int32), vertices.astype(np.int32)


def _pack_charts(charts, uvs, faces, padding: float) -> np.ndarray:
    """`uvs` moved, turned and scaled so that the charts' boxes lie apart in the unit square."""
    of_uv = np.empty(len(uvs), np.int64)
    of_uv[faces.ravel()] = np.repeat(charts, 3)
    count = int(charts.max()) + 1
    order = np.argsort(of_uv, kind="stable")
    starts = np.flatnonzero(np.diff(of_uv[order], prepend=-1))
    low = np.minimum.reduceat(uvs[order], starts)
    high = np.maximum.reduceat(uvs[order], starts)
    assert len(low) == count
    scale, corners, turned = pack(high - low, padding)
    flat = (uvs - low[of_uv]) * scale
    height = ((high - low)[of_uv, 1]) * scale
    # A quarter turn to the right, so that nothing is mirrored.
    quarter = np.stack([height - flat[:, 1], flat[:, 0]], axis=1)
    placed = np.where(turned[of_uv, None], quarter, flat) + corners[of_uv]
    return np.clip(placed, 0, 1).astype(np.float32)


def _lies_under(uvs: np.ndarray, faces: np.ndarray, charts: np.ndarray) -> np.ndarray:
    """(F,) bool: another face of the chart, not a neighbour, covers this one's middle."""
    clip = np.zeros((len(uvs), 4), np.float32)
    clip[:, :2] = uvs * 2 - 1
    clip[:, 3] = 1
    owners, _ = loader.rasterize(clip, faces, (_GRID, _GRID))
    middle = uvs[faces].mean(axis=1)
    # The cell whose middle is nearest; the rasteriser's outermost middles are at the square's rim.
    cell = np.clip(np.rint(middle * (_GRID - 1)).astype(np.int64), 0, _GRID - 1)
    owner = owners[cell[:, 1], cell[:, 0]] - 1
    candidates = np.flatnonzero((owner >= 0) & (owner != np.arange(len(faces))))
    owner = owner[candidates]
    candidates = candidates[charts[candidates] == charts[owner]]
    owner = owners[cell[candidates, 1], cell[candidates, 0]] - 1
    inside = _contains(uvs[faces[owner]], middle[candidates])
    covered = np.zeros(len(faces), bool)
    covered[candidates[inside]] = True
    return covered


def _contains(triangles: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) bool: the point lies well inside its triangle."""
    a, b, c = (triangles[:, i].astype(np.float64) for i in range(3))

    def area(p, q, r):
        return (q[:, 0] - p[:, 0]) * (r[:, 1] - p[:, 1]) - (r[:, 0] - p[:, 0]) * (q[:, 1] - p[:, 1])

    whole = area(a, b, c)
    parts = (area(points, b, c), area(a, points, c), area(a, b, points))
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = [part / whole for part in parts]
    return np.logical_and.reduce([share > 0.02 for share in shares])
