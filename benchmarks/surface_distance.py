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
        along = end - start
        length2 = np.einsum("ij,ij->i", along, along)
        position = np.einsum("ij,ij->i", points - start, along)
        position = np.clip(np.divide(position, length2, where=length2 > 0, out=position), 0, 1)
        offset = points - start - position[:, None] * along
        best = np.minimum(best, np.einsum("ij,ij->i", offset, offset))
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


def distances(points: np.ndarray, mesh: TriangleMesh) -> np.ndarray:
    """(N,) exact distances of `points` to the surface of `mesh`."""
    corners = mesh.vertices.astype(np.float64)[mesh.faces]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    limit = 3 * float(np.median(longest))
    vertices, faces = subdivide_to_size(mesh.vertices.astype(np.float64), mesh.faces, limit, 30)
    corners = vertices[faces]
    centres = corners.mean(axis=1)
    reach = np.linalg.norm(corners - centres[:, None], axis=2).max()
    tree = cKDTree(centres)
    result = np.empty(len(points))
    open_rows = np.arange(len(points))
    candidates = 16
    while len(open_rows):
        candidates = min(candidates, len(centres))
        centre_distance, index = tree.query(points[open_rows], candidates, workers=-1)
        if candidates == 1:
            centre_distance, index = centre_distance[:, None], index[:, None]
        best = np.full(len(open_rows), np.inf)
        for column in range(candidates):
            best = np.minimum(best, squared_distances(points[open_rows], corners[index[:, column]]))
        best = np.sqrt(best)
        result[open_rows] = best
        # No face further down the list can reach closer than its centre's distance less `reach`.
        proven = centre_distance[:, -1] - reach >= best
        open_rows = open_rows[~proven] if candidates < len(centres) else open_rows[:0]
        candidates *= 4
    return result


def sample_surface(mesh: TriangleMesh, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 3) points spread evenly by area."""
    areas = mesh.face_areas
    chosen = mesh.faces[rng.choice(len(areas), count, p=areas / areas.sum())]
    root, second = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - root, root * (1 - second), root * second], axis=1)
    return np.einsum("ni,nij->nj", weights, mesh.vertices.astype(np.float64)[chosen])


def surface_error(
    source: TriangleMesh, other: TriangleMesh, count: int = 100_000, seed: int = 0
) -> dict[str, float]:
    """Mean of both directions, p99.9 and max of the worse one, in 1e-4 of the source's diagonal."""
    rng = np.random.default_rng(seed)
    unit = 1e-4 * float(np.linalg.norm(source.bounds[1] - source.bounds[0]))
    forth = distances(sample_surface(source, count, rng), other) / unit
    back = distances(sample_surface(other, count, rng), source) / unit
    return {
        "mean": float(forth.mean() + back.mean()) / 2,
        "p99.9": float(max(np.quantile(forth, 0.999), np.quantile(back, 0.999))),
        "max": float(max(forth.max(), back.max())),
    }
