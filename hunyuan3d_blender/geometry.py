# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that Blender would compute of a triangle mesh in its main thread, done in numpy.

Blender's own `mesh.update(calc_edges=True)` and `set_sharp_from_angle` take 0.7 s for 2 million
triangles and cannot be interrupted; what is made here in another thread only has to be copied.
Knows nothing of Blender but its layout: z up, corners in a row, edges numbered.
"""

from dataclasses import dataclass
from math import cos

import numpy as np

_AT_ONCE = 500_000  # corners


@dataclass(frozen=True)
class Geometry:
    """V vertices, F triangles, E edges, ready to be copied into attributes of a Blender mesh."""

    positions: np.ndarray  # (3V,) float32, z up
    corner_verts: np.ndarray  # (3F,) int32
    corner_edges: np.ndarray  # (3F,) int32: from a corner to the next one of its triangle
    edge_verts: np.ndarray  # (2E,) int32, smaller number first
    starts: np.ndarray  # (F,) int32: the first corner of each triangle
    sharp_edges: np.ndarray  # (E,) bool


def base_of(vertices: np.ndarray) -> np.ndarray:
    """(3,): the middle of the bounding box's lower side, y up; where a mesh stands."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2], np.float32)


def prepare(
    vertices: np.ndarray, faces: np.ndarray, origin: np.ndarray, sharp_angle: float | None
) -> Geometry:
    """Geometry of `(V, 3) float32`, y up, and `(F, 3) int32`.

    Parameters
    ----------
    origin : (3,), y up: the point of the mesh that becomes the object's origin
    sharp_angle : radians; an edge between two triangles that turn by more is sharp; None: no edge
    """
    moved = vertices - np.asarray(origin, np.float32)
    positions = np.empty_like(moved)
    positions[:, 0] = moved[:, 0]
    positions[:, 1] = -moved[:, 2]
    positions[:, 2] = moved[:, 1]
    corners = np.ascontiguousarray(faces, np.int32)
    following = np.roll(corners, -1, axis=1).ravel()
    low = np.minimum(corners.ravel(), following).astype(np.int64)
    key = low * np.int64(len(vertices)) + np.maximum(corners.ravel(), following)
    order = np.argsort(key)
    sorted_key = key[order]
    first = np.ones(len(key), bool)  # the first corner of each edge
    np.not_equal(sorted_key[1:], sorted_key[:-1], out=first[1:])
    corner_edges = np.empty(len(key), np.int32)
    # `cumsum` keeps the interpreter's lock: 50 ms for all of 2 million triangles.
    number = np.int32(-1)
    for begin in range(0, len(order), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        numbers = np.cumsum(first[part], dtype=np.int32) + number
        corner_edges[order[part]] = numbers
        number = numbers[-1]
    starts = np.nonzero(first)[0]
    edge_verts = np.stack(np.divmod(sorted_key[starts], len(vertices)), axis=1)
    sharp = np.zeros(len(starts), bool)
    if sharp_angle is not None:
        between_two = np.diff(starts, append=len(key)) == 2
        pairs = starts[between_two]
        here, there = order[pairs], order[pairs + 1]
        sharp[between_two] = _are_sharp(positions, corners, following, here, there, sharp_angle)
    return Geometry(
        positions.ravel(),
        corners.ravel(),
        corner_edges,
        edge_verts.astype(np.int32).ravel(),
        np.arange(0, len(key), 3, dtype=np.int32),
        sharp,
    )


def _are_sharp(
    positions: np.ndarray,
    faces: np.ndarray,
    following: np.ndarray,
    here: np.ndarray,
    there: np.ndarray,
    angle: float,
) -> np.ndarray:
    """Of edges that lie between the corners `here` and `there` of two triangles."""
    normals = _normals(positions, faces)
    turn = np.einsum("ij,ij->i", normals[here // 3], normals[there // 3])
    # Two that are wound against each other look opposite ways, however flat the edge is.
    against = following[here] == following[there]
    return (turn < np.float32(cos(angle))) | against


def _normals(positions: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 3) of length 1; of length 0 for triangles without area."""
    a, b, c = (positions[faces[:, corner]] for corner in range(3))
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
