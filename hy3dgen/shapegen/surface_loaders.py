# SPDX-License-Identifier: Apache-2.0
"""Surface points of meshes, as the VAE's encoder takes them: positions, normals, a sharpness label.

Needs trimesh. Random choices come from a generator or a seed, so that the same mesh gives the same
points; `sharp_sample_pointcloud` alone draws from numpy's global state, as recorded results do.
"""

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InvalidMeshError, InvalidSettingError, MissingDependencyError

_POOL = 200_000  # samples to choose from, where there are no sharp edges to look for
_SHARP_POOL = 249_856  # the same for uniform and for sharp-edge samples
_SHARP_BELOW = 0.985  # cosine between a vertex normal and a face normal


def load_surface_mesh(mesh: Any) -> Any:
    """A `trimesh.Trimesh` from one, from a scene, or from a file; the argument stays unchanged."""
    try:
        import trimesh
    except ImportError as error:
        raise MissingDependencyError(
            "surface points need trimesh, which is not installed; install it with pip."
        ) from error
    if isinstance(mesh, (str, os.PathLike)):
        if not os.path.isfile(mesh):
            raise InvalidMeshError(f"there is no mesh file at {mesh}; check the path.")
        try:
            mesh = trimesh.load(os.fspath(mesh), force="mesh")
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OSError) as error:
            raise InvalidMeshError(
                f"the mesh file {mesh} cannot be read ({error}); export it again."
            ) from error
    elif isinstance(mesh, trimesh.Scene):
        mesh = mesh.to_geometry()
    if not isinstance(mesh, trimesh.Trimesh):
        raise InvalidMeshError(
            f"a {type(mesh).__name__} was given; give a trimesh mesh or scene, or a mesh file."
        )
    if len(mesh.faces) == 0 or not np.isfinite(mesh.vertices).all() or not mesh.area > 0:
        raise InvalidMeshError(
            f"the mesh has {len(mesh.faces)} faces and an area of {mesh.area:g}, so there is no "
            "surface to sample; give a mesh with faces and finite vertices."
        )
    return mesh.copy()


def normalize_mesh(mesh: Any, scale: float = 0.9999) -> Any:
    """Centre a mesh and scale its longest side to `2 * scale`, in place; returns it."""
    low, high = mesh.bounds
    mesh.apply_translation(-(low + high) / 2)
    mesh.apply_scale(2 * scale / (high - low).max())
    return mesh


def sample_pointcloud(
    mesh: Any, num: int = 200000, seed: int | np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Points spread evenly over a surface and their faces' normals, each `(num, 3) float32`."""
    rng = np.random.default_rng(seed)
    areas = np.cumsum(mesh.area_faces)
    chosen = np.searchsorted(areas, rng.random(num) * areas[-1], side="right")
    chosen = chosen.clip(max=len(areas) - 1)
    first, second, third = np.moveaxis(np.asarray(mesh.triangles)[chosen], 1, 0)
    # A square folded into a triangle keeps the density even.
    u, v = rng.random((2, num, 1))
    folded = u + v > 1
    u, v = np.where(folded, 1 - u, u), np.where(folded, 1 - v, v)
    points = first + u * (second - first) + v * (third - first)
    normals = np.asarray(mesh.face_normals)[chosen]
    return points.astype(np.float32), normals.astype(np.float32)


def sharp_sample_pointcloud(
    mesh: Any, num: int = 16384, rng: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Points on sharp edges and their blended vertex normals, each `(num, 3)`.

    An edge is sharp if at both ends a face's normal leaves the vertex normal. A mesh without sharp
    edges gives no points, `(0, 3)`. Without `rng`, numpy's global random state is used.
    """
    vertices, normals = np.asarray(mesh.vertices), np.asarray(mesh.vertex_normals)
    faces, face_normals = np.asarray(mesh.faces), np.asarray(mesh.face_normals)
    sharpness = np.ones(len(vertices))
    for corner in range(3):
        index = faces[:, corner]
        cosines = (normals[index] * face_normals).sum(axis=-1)
        # Not a minimum over all faces: of those that share a vertex the last one counts, as in the
        # data that the published weights were trained with.
        sharpness[index] = np.minimum(sharpness[index], cosines)
    sharp = sharpness < _SHARP_BELOW
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = edges[sharp[edges].all(axis=1)]
    if len(edges) == 0:
        return np.zeros((0, 3)), np.zeros((0, 3))
    start, end = edges.T
    lengths = np.linalg.norm(vertices[end] - vertices[start], axis=-1)
    if rng is None:
        places, weights = np.random.rand(num), np.random.rand(num, 1)  # noqa: NPY002, see above
    else:
        places, weights = rng.random(num), rng.random((num, 1))
    chosen = np.searchsorted(np.cumsum(lengths / lengths.sum()), places)
    chosen = chosen.clip(max=len(edges) - 1)
    start, end = start[chosen], end[chosen]
    points = weights * vertices[start] + (1 - weights) * vertices[end]
    return points, weights * normals[start] + (1 - weights) * normals[end]


class SurfaceLoader:
    """Evenly spread surface points of meshes, the same ones for the same mesh."""

    def __init__(self, num_points: int = 8192) -> None:
        self.num_points = num_points

    def __call__(self, mesh_or_path: Any, num_points: int | None = None) -> Tensor:
        """Positions and normals `(1, N, 6) float32`, the longest side scaled to 1.96."""
        count = _checked_count(self.num_points if num_points is None else num_points, _POOL)
        mesh = normalize_mesh(load_surface_mesh(mesh_or_path), scale=0.98)
        rng = np.random.default_rng(0)
        rows = np.concatenate(sample_pointcloud(mesh, _POOL, rng), axis=1)
        return torch.from_numpy(rows[rng.choice(_POOL, count, replace=False)])[None]


class SharpEdgeSurfaceLoader:
    """Surface points of which a part lies on sharp edges.

    Parameters
    ----------
    num_uniform_points, num_sharp_points : how many of each
    seed : of the random choices; the same for every mesh
    ignored : accepted for published scripts
    """

    def __init__(
        self,
        num_uniform_points: int = 8192,
        num_sharp_points: int = 8192,
        seed: int = 0,
        **ignored: Any,
    ) -> None:
        self.num_uniform_points = num_uniform_points
        self.num_sharp_points = num_sharp_points
        self.seed = seed

    def __call__(
        self,
        mesh_or_path: Any,
        num_uniform_points: int | None = None,
        num_sharp_points: int | None = None,
    ) -> Tensor:
        """Positions, normals and labels `(1, Nu + Ns, 7) float32`, evenly spread points first.

        Positions and normals are rounded to half precision, labels are 1 on sharp edges. A mesh
        without sharp edges gives evenly spread points, labelled 0, instead.
        """
        counts = [
            self.num_uniform_points if num_uniform_points is None else num_uniform_points,
            self.num_sharp_points if num_sharp_points is None else num_sharp_points,
        ]
        counts = [_checked_count(count, _SHARP_POOL) for count in counts]
        mesh = normalize_mesh(load_surface_mesh(mesh_or_path))
        rng = np.random.default_rng(self.seed)
        even = sample_pointcloud(mesh, _SHARP_POOL, rng)
        sharp = sharp_sample_pointcloud(mesh, _SHARP_POOL, rng)
        label = 1.0
        if len(sharp[0]) == 0:
            sharp, label = sample_pointcloud(mesh, _SHARP_POOL, rng), 0.0
        parts = []
        for (points, normals), count, mark in zip((even, sharp), counts, (0.0, label), strict=True):
            rows = np.concatenate([points, normals], axis=1)
            rows = rows[rng.choice(_SHARP_POOL, count, replace=False)]
            rows = rows.astype(np.float16).astype(np.float32)
            parts.append(np.concatenate([rows, np.full((count, 1), mark, np.float32)], axis=1))
        return torch.from_numpy(np.concatenate(parts))[None]


def _checked_count(count: int, most: int) -> int:
    if not 0 <= count <= most:
        raise InvalidSettingError(f"{count} points were asked for; choose from 0 to {most}.")
    return count
