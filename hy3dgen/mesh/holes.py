# SPDX-License-Identifier: Apache-2.0
"""Small holes closed with triangles between the vertices on their borders."""

import numpy as np

from ..errors import InvalidSettingError
from .cleanup import component_labels
from .triangle_mesh import TriangleMesh

# A border of more edges than this part of its component's faces is the rim of a sheet, not a hole.
_RIM = 0.25


def fill_small_holes(mesh: TriangleMesh, max_edges: int = 30) -> TriangleMesh:
    """`mesh` with every hole of at most `max_edges` edges closed; vertices and faces stay.

    New faces come last, wind like their neighbours, and make no edge that has two faces already; a
    hole for which that cannot be done stays open, as do holes that touch each other in a vertex
    and the rims of small sheets. Nothing to fill: `mesh` itself.

    Parameters
    ----------
    max_edges : at least 3, at most 200; the time grows with its third power

    Source: Barequet & Sharir 1995, the triangulation of least area by dynamic programming.
    """
    whole = isinstance(max_edges, int | np.integer) and not isinstance(max_edges, bool)
    if not whole or not 3 <= max_edges <= 200:
        raise InvalidSettingError(
            f"max_edges is {max_edges!r}, but a whole number from 3 to 200 is wanted."
        )
    loops = _hole_borders(mesh, int(max_edges))
    if not loops:
        return mesh
    taken = _edge_keys(mesh.faces, len(mesh.vertices))
    filled = [mesh.faces]
    for loop in loops:
        triangles = _triangulated(loop, mesh.vertices[loop].astype(np.float64), taken, mesh)
        if triangles is not None:
            filled.append(loop[triangles])
            taken = np.union1d(taken, _edge_keys(filled[-1], len(mesh.vertices)))
    return TriangleMesh(mesh.vertices, np.concatenate(filled)) if len(filled) > 1 else mesh


def _hole_borders(mesh: TriangleMesh, max_edges: int) -> list[np.ndarray]:
    """Closed borders in the direction in which new faces use their edges."""
    count = len(mesh.vertices)
    start = mesh.faces.ravel().astype(np.int64)
    end = np.roll(mesh.faces, -1, axis=1).ravel().astype(np.int64)
    keys = np.minimum(start, end) * count + np.maximum(start, end)
    _, inverse, uses = np.unique(keys, return_inverse=True, return_counts=True)
    border = np.flatnonzero(uses[inverse.reshape(-1)] == 1)
    following = np.full(count, -1, np.int64)
    # An edge of a face runs from start to end, so a face beside it runs from end to start.
    following[end[border]] = start[border]
    simple = (np.bincount(end[border], minlength=count) == 1) & (
        np.bincount(start[border], minlength=count) == 1
    )
    labels = component_labels(mesh)
    sizes = np.bincount(labels, minlength=1)
    size_at = np.zeros(count, np.int64)
    size_at[end[border]] = sizes[labels[border // 3]]
    loops, seen = [], np.zeros(count, bool)
    for first in end[border]:
        loop: list[int] = []
        at = int(first)
        while simple[at] and not seen[at]:
            seen[at] = True
            loop.append(at)
            at = int(following[at])
        closed = bool(loop) and at == first and len(loop) >= 3
        if closed and len(loop) <= min(max_edges, _RIM * size_at[first]):
            loops.append(np.array(loop, np.int32))
    return loops


def _triangulated(
    loop: np.ndarray, places: np.ndarray, taken: np.ndarray, mesh: TriangleMesh
) -> np.ndarray | None:
    """(n - 2, 3) numbers within the loop, or None if every triangulation uses a taken edge."""
    n = len(loop)
    one, other = np.meshgrid(loop.astype(np.int64), loop.astype(np.int64), indexing="ij")
    keys = np.minimum(one, other) * len(mesh.vertices) + np.maximum(one, other)
    blocked = np.isin(keys, taken)
    cost = np.zeros((n, n))
    middle = np.zeros((n, n), np.int64)
    for span in range(2, n):
        for i in range(n - span):
            j = i + span
            if span < n - 1 and blocked[i, j]:
                cost[i, j] = np.inf
                continue
            k = np.arange(i + 1, j)
            areas = np.linalg.norm(np.cross(places[k] - places[i], places[j] - places[i]), axis=1)
            total = cost[i, k] + cost[k, j] + areas
            middle[i, j] = k[total.argmin()]
            cost[i, j] = total.min()
    if not np.isfinite(cost[0, n - 1]):
        return None
    triangles, waiting = [], [(0, n - 1)]
    while waiting:
        i, j = waiting.pop()
        if j - i >= 2:
            k = int(middle[i, j])
            triangles.append((i, k, j))
            waiting += [(i, k), (k, j)]
    return np.array(triangles, np.int64)


def _edge_keys(faces: np.ndarray, vertex_count: int) -> np.ndarray:
    """A sorted number for each edge of the faces."""
    start = faces.ravel().astype(np.int64)
    end = np.roll(faces, -1, axis=1).ravel().astype(np.int64)
    return np.unique(np.minimum(start, end) * vertex_count + np.maximum(start, end))
