# SPDX-License-Identifier: Apache-2.0
"""A mesh made ready for the renderer, and the maps that are read off one raster pass of a view.

Everything is numpy, float32. Renderer axes: x left, y towards the front camera, z down; that is a
reflection of the caller's (x right, y up, z towards the camera), so normals point inward here. The
networks were trained with that.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import InvalidMeshError
from . import cameras
from .edges import find_edges
from .rasterizer import interpolate, rasterize

SCALE = 1.15  # diameter of the sphere that the object is scaled into
CANNY = (30, 80)
FLAT = 1e-5  # range of depths, a hundred times float32's step at the camera's distance
_CANNY_NORMALS = (80, 150)


@dataclass(frozen=True, eq=False)
class PreparedMesh:
    """A mesh in the renderer's axes and scale.

    Parameters
    ----------
    positions : (V, 3) float32
    faces : (F, 3) int32
    uvs : (U, 2) float32 with v down, as rows of an image run
    uv_faces : (F, 3) int32
    """

    positions: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray
    uv_faces: np.ndarray

    @cached_property
    def face_normals(self) -> np.ndarray:
        """(F, 3) float32 unit normals; 0 for faces without area."""
        return face_normals(self.positions, self.faces)

    @cached_property
    def normals(self) -> np.ndarray:
        """(V, 3) float32 unit sums of the faces' unit normals, each face counting the same."""
        return vertex_normals(self.face_normals, self.faces, len(self.positions))

    @property
    def caller_positions(self) -> np.ndarray:
        """(V, 3) in the caller's axes (y up), centred and scaled as here."""
        x, y, z = self.positions.T
        return np.ascontiguousarray(np.stack([-x, -z, y], axis=1))

    @property
    def caller_uvs(self) -> np.ndarray:
        """(U, 2) with v up."""
        return np.stack([self.uvs[:, 0], 1 - self.uvs[:, 1]], axis=1)


def prepare_mesh(
    vertices: np.ndarray,
    faces: np.ndarray,
    uvs: np.ndarray,
    uv_faces: np.ndarray | None = None,
    scale: float = SCALE,
    auto_center: bool = True,
) -> PreparedMesh:
    """`vertices` (V, 3), y up and facing +z, turned, centred and scaled for the renderer.

    Parameters
    ----------
    uvs : (U, 2), v up; `uv_faces` (F, 3) names them, or else `faces` does
    auto_center : without it the mesh is only turned

    Raises
    ------
    InvalidMeshError
        If there are no faces or all vertices are in one place.
    """
    vertices, faces = np.asarray(vertices, np.float32), np.ascontiguousarray(faces, np.int32)
    if len(vertices) == 0 or len(faces) == 0:
        raise InvalidMeshError("the mesh has no faces, so nothing can be painted; choose another")
    positions = np.stack([-vertices[:, 0], vertices[:, 2], -vertices[:, 1]], axis=1)
    if auto_center:
        center = (positions.max(axis=0) + positions.min(axis=0)) / np.float32(2)
        positions -= center
        radius = float(lengths(positions).max())
        if not radius > 0:
            raise InvalidMeshError(
                "all vertices of the mesh are in one place, so it has no surface to paint"
            )
        positions *= np.float32(scale / (2 * radius))
    uvs = np.asarray(uvs, np.float32)
    return PreparedMesh(
        positions=np.ascontiguousarray(positions, np.float32),
        faces=faces,
        uvs=np.stack([uvs[:, 0], 1 - uvs[:, 1]], axis=1),
        uv_faces=faces if uv_faces is None else np.ascontiguousarray(uv_faces, np.int32),
    )


# Roundings in these three functions are those of the recorded meshes and textures: a last bit that
# differs here turns up as a colour that differs by one.


def lengths(vectors: np.ndarray) -> np.ndarray:
    """(N,) float32 of (N, 3) float32, summed by fused multiply-adds."""
    wide = vectors.astype(np.float64)
    total = (wide[:, 0] ** 2).astype(np.float32)
    for axis in (1, 2):
        total = (wide[:, axis] ** 2 + total).astype(np.float32)
    return np.sqrt(total)


def face_normals(positions: np.ndarray, faces: np.ndarray) -> np.ndarray:
    corners = positions[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return across / np.maximum(lengths(across), np.float32(1e-12))[:, None]


def vertex_normals(face_normals: np.ndarray, faces: np.ndarray, count: int) -> np.ndarray:
    sums = np.zeros((3, count), np.float32)
    for axis in range(3):
        np.add.at(sums[axis], faces.ravel(), np.repeat(face_normals[:, axis], 3))
    length = np.sqrt((sums * sums).sum(axis=0, dtype=np.float64))
    return (sums * (1 / np.maximum(length, 1e-12))).T.astype(np.float32)


class ViewRaster:
    """One raster pass of a view; every map of that view is read off it.

    Parameters
    ----------
    mesh : what is seen
    matrix : (4, 4) from world to camera
    size : (height, width)
    projection : (4, 4) from camera to clip space; None: that of the standard views
    """

    def __init__(
        self,
        mesh: PreparedMesh,
        matrix: np.ndarray,
        size: tuple[int, int],
        projection: np.ndarray | None = None,
    ) -> None:
        self.mesh, self.matrix = mesh, matrix
        self.projection = cameras.standard_projection() if projection is None else projection
        self._in_camera = cameras.transform(mesh.positions, matrix)
        clip = cameras.transform(self._in_camera, self.projection)
        self.numbers, self.weights = rasterize(clip, mesh.faces, size)

    @property
    def visible(self) -> np.ndarray:
        """(H, W) bool: where the object is."""
        return self.numbers > 0

    def interpolate(self, attributes: np.ndarray, background: float = 0.0) -> np.ndarray:
        return interpolate(attributes, self.numbers, self.weights, self.mesh.faces, background)

    def normals(self, absolute: bool, background: float = 1.0) -> np.ndarray:
        """(H, W, 3) interpolated normals, not of unit length; `absolute`: not the camera's."""
        normals = self.mesh.normals
        if not absolute:
            faces = self.mesh.faces
            of_faces = face_normals(self._in_camera[:, :3], faces)
            normals = vertex_normals(of_faces, faces, len(self._in_camera))
        return self.interpolate(normals, background)

    def positions(self, scale: float = SCALE) -> np.ndarray:
        """(H, W, 3) places in [0, 1], white outside."""
        return self.interpolate(np.float32(0.5) - self.mesh.positions / np.float32(scale), 1.0)

    def uvs(self) -> np.ndarray:
        """(H, W, 2), v down."""
        return interpolate(self.mesh.uvs, self.numbers, self.weights, self.mesh.uv_faces)

    def flat_cosines(self, two_sided: bool = False) -> np.ndarray:
        """(H, W) how squarely each pixel's face looks at the camera; negative from inside."""
        facing = -(self.mesh.face_normals @ self.matrix[:3, :3].T)[:, 2]
        facing = np.abs(facing) if two_sided else facing
        cosines = facing[np.maximum(self.numbers - 1, 0)]
        cosines[~self.visible] = 0
        return cosines

    @cached_property
    def camera_depth(self) -> np.ndarray:
        """(H, W) z in the camera's axes: negative, larger is nearer; 0 outside."""
        return self.interpolate(self._in_camera[:, 2:3])[..., 0]

    @cached_property
    def depth(self) -> np.ndarray:
        """(H, W) from 0, the farthest visible pixel, to 1, the nearest; 0 outside."""
        depth = self.camera_depth
        seen = depth[self.visible]
        if not len(seen):
            return depth
        low, high = seen.min(), seen.max()
        with np.errstate(invalid="ignore", divide="ignore"):
            depth = np.where(self.visible, (depth - low) / (high - low), np.float32(0))
        return np.nan_to_num(depth, nan=0.0)

    def depth_edges(self) -> np.ndarray:
        """(H, W) uint8: 1 on the lines where the depth jumps.

        What is flat up to rounding has none: stretched to 0..1 its rounding would be all edges.
        """
        seen = self.camera_depth[self.visible]
        if not len(seen) or np.ptp(seen) < FLAT:
            return np.zeros(self.numbers.shape, np.uint8)
        return find_edges(to_bytes(self.depth), *CANNY)

    def normal_edges(self) -> np.ndarray:
        """(H, W) uint8: 1 on the lines where the normal turns sharply."""
        colours = to_bytes((self.normals(absolute=False) + 1) / 2).astype(np.int64)
        # Grey as in ITU-R BT.601, in 15 bits as OpenCV has it.
        grey = colours @ (9798, 19235, 3735) + (1 << 14) >> 15
        return find_edges(grey.astype(np.uint8), *_CANNY_NORMALS)


def uv_raster(mesh: PreparedMesh, texture_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Which face each texel belongs to, and where in it: (H, W), (H, W, 3)."""
    clip = np.zeros((len(mesh.uvs), 4), np.float32)
    clip[:, :2] = mesh.uvs * 2 - 1
    clip[:, 3] = 1
    return rasterize(clip, mesh.uv_faces, (texture_size, texture_size))


def to_bytes(image: np.ndarray) -> np.ndarray:
    """0..1 to 0..255, fractions cut off."""
    return (image * 255).astype(np.uint8)
