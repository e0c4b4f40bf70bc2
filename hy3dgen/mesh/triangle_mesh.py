# SPDX-License-Identifier: Apache-2.0
"""A triangle mesh as two checked arrays, and what can be measured on them.

This is the border where meshes are checked: whatever takes a `TriangleMesh` may trust its dtypes,
its shapes, finite coordinates and indices in range. It knows nothing about files, UVs or materials.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidMeshError


@dataclass(frozen=True, eq=False)
class TriangleMesh:
    """V vertices and F triangles, counter-clockwise seen from outside.

    Arrays of other number types are converted, and shared where no conversion is needed; treat
    them as read-only. A mesh without faces or vertices is allowed here, as the start of something;
    functions that need a surface refuse it with `require_faces`.

    Parameters
    ----------
    vertices : (V, 3) numbers, kept as C-contiguous float32
    faces : (F, 3) integers, kept as C-contiguous int32

    Raises
    ------
    InvalidMeshError
        For other shapes, fractional faces, NaN or infinity, or a face that names no vertex.
    """

    vertices: np.ndarray
    faces: np.ndarray

    def __post_init__(self) -> None:
        vertices = _as_rows(self.vertices, "vertices", "coordinates")
        faces = _as_rows(self.faces, "faces", "vertex indices")
        if vertices.dtype.kind not in "fiu":
            raise InvalidMeshError(
                f"vertices has dtype {vertices.dtype}, but coordinates are wanted as float32."
            )
        if faces.dtype.kind not in "iu" and faces.size:
            raise InvalidMeshError(
                f"faces has dtype {faces.dtype}, but vertex indices are integers; "
                "were vertices and faces swapped?"
            )
        if faces.size:
            lowest, highest = int(faces.min()), int(faces.max())
            wrong = lowest if lowest < 0 else highest
            if lowest < 0 or highest >= len(vertices):
                raise InvalidMeshError(
                    f"faces names vertex {wrong}, but there are {len(vertices)} vertices; "
                    "was the vertex list filtered without remapping faces?"
                )
        with np.errstate(over="ignore"):
            vertices = np.ascontiguousarray(vertices, dtype=np.float32)
        finite = np.isfinite(vertices)
        if not finite.all():
            row = int(np.argmin(finite.all(axis=1)))
            found = tuple(float(x) for x in np.asarray(self.vertices)[row])
            raise InvalidMeshError(
                f"vertex {row} is at {found}, but coordinates must be finite float32 numbers; "
                "repair or remove such vertices first."
            )
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", np.ascontiguousarray(faces, dtype=np.int32))

    def __repr__(self) -> str:
        return f"TriangleMesh({len(self.vertices)} vertices, {len(self.faces)} faces)"

    def require_faces(self, wanted_for: str) -> None:
        """Raise InvalidMeshError if there is no face; `wanted_for` completes the sentence."""
        if len(self.faces) == 0:
            raise InvalidMeshError(
                f"The mesh has {len(self.vertices)} vertices but no faces, "
                f"and {wanted_for} needs at least one; was the right object given?"
            )

    @property
    def bounds(self) -> np.ndarray:
        """Lowest and highest corner, (2, 3) float32, over all vertices; zeros if there are none."""
        if len(self.vertices) == 0:
            return np.zeros((2, 3), np.float32)
        return np.stack([self.vertices.min(axis=0), self.vertices.max(axis=0)])

    @property
    def face_areas(self) -> np.ndarray:
        """(F,) float64, in squared length units."""
        return 0.5 * np.linalg.norm(self._doubled_area_vectors(), axis=1)

    @property
    def face_normals(self) -> np.ndarray:
        """(F, 3) float64 unit vectors; zero for faces without area."""
        return _unit_rows(self._doubled_area_vectors())

    @property
    def vertex_normals(self) -> np.ndarray:
        """(V, 3) float64 unit vectors, faces weighted by area; zero for vertices without faces."""
        face_vectors = self._doubled_area_vectors()
        sums = np.stack(
            [
                np.bincount(
                    self.faces.ravel(),
                    weights=np.repeat(face_vectors[:, axis], 3),
                    minlength=len(self.vertices),
                )
                for axis in range(3)
            ],
            axis=1,
        )
        return _unit_rows(sums)

    @property
    def area(self) -> float:
        """Sum of the faces' areas."""
        return float(self.face_areas.sum())

    @property
    def volume(self) -> float:
        """Enclosed volume, negative if turned inside out; only meaningful when watertight."""
        corners = self.vertices.astype(np.float64)
        if len(corners):
            corners -= corners.mean(axis=0)  # keeps the sum accurate far from the origin
        a, b, c = (corners[self.faces[:, i]] for i in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)

    def edge_face_counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Every edge once as (E, 2) int32, lower index first, and (E,) how many faces share it."""
        directed = np.concatenate(
            [self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]]
        )
        low = directed.min(axis=1).astype(np.int64)
        high = directed.max(axis=1).astype(np.int64)
        stride = max(len(self.vertices), 1)
        keys, counts = np.unique(low * stride + high, return_counts=True)
        return np.stack([keys // stride, keys % stride], axis=1).astype(np.int32), counts

    @property
    def boundary_edges(self) -> np.ndarray:
        """(E, 2) int32, edges with a single face."""
        edges, counts = self.edge_face_counts()
        return edges[counts == 1]

    @property
    def non_manifold_edges(self) -> np.ndarray:
        """(E, 2) int32, edges that more than two faces share."""
        edges, counts = self.edge_face_counts()
        return edges[counts > 2]

    @property
    def is_watertight(self) -> bool:
        """True if there are faces and every edge has exactly two."""
        _, counts = self.edge_face_counts()
        return len(counts) > 0 and bool((counts == 2).all())

    def _doubled_area_vectors(self) -> np.ndarray:
        corners = self.vertices.astype(np.float64)
        a, b, c = (corners[self.faces[:, i]] for i in range(3))
        return np.cross(b - a, c - a)


def _as_rows(values: object, name: str, entries: str) -> np.ndarray:
    array = np.asarray(values)
    if array.size == 0 and array.ndim <= 2:
        return np.zeros((0, 3), array.dtype)
    if array.ndim != 2 or array.shape[1] != 3:
        raise InvalidMeshError(
            f"{name} has shape {array.shape}, but rows of three {entries} are wanted; "
            + ("triangulate the mesh first." if name == "faces" else "give one row per vertex.")
        )
    return array


def _unit_rows(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
