# SPDX-License-Identifier: Apache-2.0
"""Exact distances from points to a triangle mesh, and the error between two meshes.

Candidates come from a KD-tree over face centres; a point whose answer the tree's candidates cannot
prove is asked again with more of them. Large faces are split first (the surface stays the same), so
that centres are near the points of their faces. Needs scipy and trimesh.
"""

import numpy as np
from scipy.spatial import cKDTree
from trimesh.remesh import subdivide_to_size

from hy3dgen.mesh import TriangleMesh


def squared_distances(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(N,) squared distances of points (N, 3) to triangles (N, 3, 3), row by row."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    best = np.full(len(points), np.inf)
    for start, end in ((a, b), (b, c), (c, a)):
        best = np.minimum(best, squared_segment_distances(points, start, end))
    # The face's plane counts where the point stands over the inside of all three edges.
    normal = np.cross(b - a, c - a)
    inside = np.ones(len(points), bool)
    for start, end in ((a, b), (b, c), (c, a)):
        inside &= np.einsum("ij,ij->i", np.cross(end - start, points - start), normal) > 0
    height = np.einsum("ij,ij->i", points - a, normal)
    area2 = np.einsum("ij,ij->i", normal, normal)
    over = inside & (area2 > 0)
    best[over] = np.minimum(best[over], height[over] ** 2 / area2[over])
    return best


def squared_segment_distances(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(N,) squared distances of points (N, 3) to segments, row by row."""
    along = end - start
    length2 = np.einsum("ij,ij->i", along, along)
    position = np.einsum("ij,ij->i", points - start, along)
    position = np.clip(np.divide(position, length2, where=length2 > 0, out=position), 0, 1)
    offset = points - start - position[:, None] * along
    return np.einsum("ij,ij->i", offset, offset)


class Surface:
    """A mesh that is asked many times: its tree is built once."""

    def __init__(self, mesh: TriangleMesh) -> None:
        corners = mesh.vertices.astype(np.float64)[mesh.faces]
        longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        limit = 3 * float(np.median(longest))
        if longest.max() > limit:
            vertices, faces = subdivide_to_size(
                mesh.vertices.astype(np.float64), mesh.faces, limit, 30
            )
            corners = vertices[faces]
        self.corners = corners
        centres = corners.mean(axis=1)
        self._reach = np.linalg.norm(corners - centres[:, None], axis=2).max()
        self._tree = cKDTree(centres, balanced_tree=False)

    def distances(self, points: np.ndarray) -> np.ndarray:
        """(N,) exact distances of `points`."""
        result = np.empty(len(points))
        open_rows = np.arange(len(points))
        candidates = 12
        while len(open_rows):
            candidates = min(candidates, self._tree.n)
            centre_distance, index = self._tree.query(points[open_rows], candidates, workers=-1)
            if candidates == 1:
                centre_distance, index = centre_distance[:, None], index[:, None]
            best2 = np.full(len(open_rows), np.inf)
            for column in range(candidates):
                # A candidate whose centre is too far away cannot be closer.
                near = np.sqrt(best2) > centre_distance[:, column] - self._reach
                rows = np.flatnonzero(near)
                found = squared_distances(
                    points[open_rows[rows]], self.corners[index[rows, column]]
                )
                best2[rows] = np.minimum(best2[rows], found)
            best = np.sqrt(best2)
            result[open_rows] = best
            # No face further down the list comes closer than its centre's distance less `reach`.
            proven = centre_distance[:, -1] - self._reach >= best
            open_rows = open_rows[~proven] if candidates < self._tree.n else open_rows[:0]
            candidates *= 4
        return result

    def opposed(self, mesh: TriangleMesh) -> int:
        """How many faces of `mesh` face against all of this surface's faces that are about as near
        to their middle as the nearest."""
        points, normals = (
            mesh.vertices.astype(np.float64)[mesh.faces].mean(axis=1),
            mesh.face_normals,
        )
        _, index = self._tree.query(points, 12, workers=-1)
        a, b, c = (self.corners[index][:, :, i] for i in range(3))
        own = np.cross(b - a, c - a)
        against = (np.einsum("fki,fi->fk", own, normals) < 0).all(axis=1)
        has_area = np.einsum("ij,ij->i", normals, normals) > 0
        return int((against & has_area).sum())


def distances(points: np.ndarray, mesh: TriangleMesh) -> np.ndarray:
    """(N,) exact distances of `points` to the surface of `mesh`."""
    return Surface(mesh).distances(points)


def sample_surface(mesh: TriangleMesh, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 3) points spread evenly by area."""
    areas = mesh.face_areas
    chosen = mesh.faces[rng.choice(len(areas), count, p=areas / areas.sum())]
    root, second = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - root, root * (1 - second), root * second], axis=1)
    return np.einsum("ni,nij->nj", weights, mesh.vertices.astype(np.float64)[chosen])


def diagonal(mesh: TriangleMesh) -> float:
    """Length of the bounding box's diagonal."""
    return float(np.linalg.norm(mesh.bounds[1] - mesh.bounds[0]))


def surface_error(
    source: TriangleMesh,
    other: TriangleMesh,
    count: int = 100_000,
    seed: int = 0,
    surface: Surface | None = None,
) -> dict[str, float]:
    """Mean of both directions, p99.9 and max of the worse one, in 1e-4 of the source's diagonal.

    `surface` is that of `source`, where it is at hand.
    """
    rng = np.random.default_rng(seed)
    unit = 1e-4 * diagonal(source)
    forth = distances(sample_surface(source, count, rng), other) / unit
    back = (surface or Surface(source)).distances(sample_surface(other, count, rng)) / unit
    return {
        "mean": float(forth.mean() + back.mean()) / 2,
        "p99.9": float(max(np.quantile(forth, 0.999), np.quantile(back, 0.999))),
        "max": float(max(forth.max(), back.max())),
    }
