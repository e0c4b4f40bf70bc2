# SPDX-License-Identifier: Apache-2.0
"""The closest point of a surface to each of many points, in numpy alone.

A binary tree of boxes over the faces, sorted along a space-filling curve, is descended for many
points at once, level by level through every box that could still hold something closer than what
is known. The answer is exact up to rounding.

Source: closest point of a triangle by projection and clamped edges; tree order as in Lauterbach et
al. 2009 (Morton codes), without their parallel construction.
"""

import functools
from collections.abc import Callable

import numpy as np

from .triangle_mesh import TriangleMesh

_LEAF = 2  # faces in a leaf; measured: 1 is a tenth slower, 4 a third
_ROUNDING = np.float32(1 + 1e-5)
_CHUNK = 4096  # points at once: small enough to stay in the cache and to cancel in between


class NearestFaces:
    """Answers closest-point questions about one mesh.

    Parameters
    ----------
    mesh : at least one face
    groups : (F,) integers; a question may be confined to a range of them
    """

    def __init__(self, mesh: TriangleMesh, groups: np.ndarray | None = None) -> None:
        vertices = mesh.vertices.astype(np.float64)
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        # One unit of length for all meshes, so that squared lengths do not underflow in float32.
        self._offset = (low + high) / 2
        self._scale = 1 / (float((high - low).max()) or 1.0)
        corners = self._normalised(vertices)[mesh.faces]
        groups = np.zeros(len(corners), np.int64) if groups is None else groups.astype(np.int64)
        order = np.lexsort(
            (_morton_codes((corners[:, 0] + corners[:, 1] + corners[:, 2]) / 3), groups)
        )
        leaves = 1 << max(0, int(np.ceil(np.log2(len(order) / _LEAF))))
        # Places without a face repeat the last one: found twice, it is the same answer.
        self._order = np.resize(order, leaves * _LEAF)
        self._order[len(order) :] = order[-1]
        self._corners = corners[self._order]
        self._groups = groups[self._order]
        self._levels = self._build_levels(leaves)

    def query(
        self,
        points: np.ndarray,
        first: np.ndarray | None = None,
        last: np.ndarray | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """(N,) the closest face to each point, (N, 3) float64 where in it (barycentric).

        Parameters
        ----------
        points : (N, 3) in the mesh's unit
        first, last : (N,) the range of groups that the answer must be in; each needs a face
        progress : called with the share of the points that was done since the last call
        """
        points = self._normalised(np.asarray(points, np.float64))
        faces = np.empty(len(points), np.int64)
        weights = np.empty((len(points), 3))
        # Neighbours in space visit the same boxes.
        order = np.argsort(_morton_codes(points))
        for start in range(0, len(points), _CHUNK):
            part = order[start : start + _CHUNK]
            of_groups = (None, None) if first is None or last is None else (first[part], last[part])
            place, weights[part] = self._closest(points[part], *of_groups)
            faces[part] = self._order[place]
            if progress is not None:
                progress(len(part) / len(points))
        return faces, weights

    def _normalised(self, points: np.ndarray) -> np.ndarray:
        return ((points - self._offset) * self._scale).astype(np.float32)

    def _build_levels(self, leaves: int) -> list[tuple[np.ndarray, ...]]:
        """From the root down, for n boxes each: low, high, first and last group, a point inside."""
        # Spelled out: numpy's reductions along an axis of two or three are slow.
        points = self._corners.reshape(leaves, _LEAF * 3, 3)
        low = functools.reduce(np.minimum, (points[:, i] for i in range(_LEAF * 3)))
        high = functools.reduce(np.maximum, (points[:, i] for i in range(_LEAF * 3)))
        groups = self._groups.reshape(leaves, _LEAF)
        # Rounding may put a mean outside its box, and then no box would seem close enough.
        known = np.clip(self._corners[_LEAF // 2 :: _LEAF].mean(axis=1), low, high)
        levels = [(low, high, groups[:, 0], groups[:, -1], known)]
        while len(low) > 1:
            low, high = np.minimum(low[::2], low[1::2]), np.maximum(high[::2], high[1::2])
            _, _, first, last, known = levels[-1]
            levels.append((low, high, first[::2], last[1::2], known[1::2]))
        return levels[::-1]

    def _closest(self, points, first, last) -> tuple[np.ndarray, np.ndarray]:
        """The place of the closest face in the sorted order, and the weights in it."""
        point, node = np.arange(len(points)), np.zeros(len(points), np.int64)
        bound = np.full(len(points), np.inf, np.float32)
        for low, high, group, until, known in self._levels[1:]:
            point = np.repeat(point, 2)
            node = (2 * node[:, None] + (0, 1)).ravel()
            if first is not None:
                fits = (group[node] <= last[point]) & (until[node] >= first[point])
                point, node = point[fits], node[fits]
            at = points[point]
            outside = np.maximum(low[node] - at, at - high[node])
            np.maximum(outside, 0, out=outside)
            # The distance of any point in a box limits how far the closest can be.
            reach = _dot(offset := known[node] - at, offset)
            if first is not None:
                reach[(group[node] < first[point]) | (until[node] > last[point])] = np.inf
            starts = np.flatnonzero(np.diff(point, prepend=-1))
            bound = np.minimum(bound, np.minimum.reduceat(reach, starts) * _ROUNDING)
            open_ = _dot(outside, outside) <= bound[point]
            point, node = point[open_], node[open_]

        places = (node[:, None] * _LEAF + np.arange(_LEAF)).ravel()
        point = np.repeat(point, _LEAF)
        if first is not None:
            fits = (self._groups[places] >= first[point]) & (self._groups[places] <= last[point])
            point, places = point[fits], places[fits]
        squared, weights = _closest_in_triangles(points[point], self._corners[places])
        order = np.lexsort((squared, point))
        best = order[np.flatnonzero(np.diff(point[order], prepend=-1))]
        return places[best], weights[best]


def _closest_in_triangles(points, triangles) -> tuple[np.ndarray, np.ndarray]:
    """Squared distance (n,) and barycentric weights (n, 3) of the closest point of each triangle.

    Without area: the closest point of the triangle's edges.
    """
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = _dot(ab, ab), _dot(ab, ac), _dot(ac, ac)
    d20, d21 = _dot(ap, ab), _dot(ap, ac)
    area = d00 * d11 - d01 * d01
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        v = (d11 * d20 - d01 * d21) / area
        w = (d00 * d21 - d01 * d20) / area
        inside = (v >= 0) & (w >= 0) & (v + w <= 1) & (area > 1e-7 * d00 * d11)
        weights = np.stack([1 - v - w, v, w], axis=1)
    outside = np.flatnonzero(~inside)
    if len(outside):
        weights[outside] = _closest_on_edges(points[outside], triangles[outside])
    offset = np.einsum("ij,ijk->ik", weights, triangles) - points
    return _dot(offset, offset), weights


def _closest_on_edges(points, triangles) -> np.ndarray:
    best = np.full(len(points), np.inf, np.float32)
    weights = np.zeros((len(points), 3), np.float32)
    for i in range(3):
        j = (i + 1) % 3
        start = triangles[:, i]
        edge, offset = triangles[:, j] - start, points - start
        squared = _dot(edge, edge)
        along = np.clip(_dot(offset, edge) / np.where(squared > 0, squared, 1), 0, 1)
        rest = offset - along[:, None] * edge
        distance = _dot(rest, rest)
        closer = distance < best
        best[closer] = distance[closer]
        weights[closer] = 0
        weights[closer, i] = 1 - along[closer]
        weights[closer, j] = along[closer]
    return weights


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", a, b)


def _morton_codes(points: np.ndarray) -> np.ndarray:
    """(N,) uint64: the points' order along a Z-shaped space-filling curve in [-1, 1]^3."""
    cells = np.clip((points.astype(np.float64) + 1) * (1 << 20), 0, (1 << 21) - 1)
    codes = np.zeros(len(points), np.uint64)
    for axis in range(3):
        bits = cells[:, axis].astype(np.uint64)
        for shift, mask in (
            (32, 0x1F00000000FFFF),
            (16, 0x1F0000FF0000FF),
            (8, 0x100F00F00F00F00F),
            (4, 0x10C30C30C30C30C3),
            (2, 0x1249249249249249),
        ):
            bits = (bits | (bits << np.uint64(shift))) & np.uint64(mask)
        codes |= bits << np.uint64(axis)
    return codes
