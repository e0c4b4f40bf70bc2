# SPDX-License-Identifier: Apache-2.0
"""Named values on a triangle mesh: UV maps, colours, normals, weights, materials, sharp edges.

It knows where values sit and how they are blended, nothing about files, programs or reduction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InvalidMeshError
from .triangle_mesh import TriangleMesh

# Rows that an attribute has, for V vertices and F faces.
DOMAINS = ("vertex", "corner", "face", "edge")
_ROWS = {"vertex": "V", "corner": "3F", "face": "F", "edge": "3F"}


@dataclass(frozen=True, eq=False)
class Attribute:
    """One value for each vertex, corner, face or edge of a `TriangleMesh`.

    Parameters
    ----------
    name : unique among the attributes of a mesh
    domain : "vertex", "corner" (corner i of face f is row 3f + i), "face", or "edge" (row 3f + i is
        the edge from corner i of face f to the next; the rows of its two faces should agree, and
        zero stands for none)
    values : (rows, …) floats, integers or bools
    blend : whether a value between others is their mean, rounded for integers, or the nearest one.
        None: floats are blended. Values of faces and edges never are.
    unit_length : blended rows are scaled to length one, as normals must be
    parts : whether a reduction keeps apart what this keeps apart: seams of a UV map, hard edges of
        normals, borders of a material, marked edges. None: blended corners, integers of faces, and
        edges do. Vertices cannot.
    """

    name: str
    domain: str
    values: np.ndarray
    blend: bool | None = None
    unit_length: bool = False
    parts: bool | None = None

    def __post_init__(self) -> None:
        if self.domain not in DOMAINS:
            raise InvalidMeshError(
                f"attribute {self.name!r} has the domain {self.domain!r}, but one of "
                f"{', '.join(map(repr, DOMAINS))} is wanted."
            )
        values = np.asarray(self.values)
        if values.dtype.kind not in "fiub" or values.ndim < 1:
            raise InvalidMeshError(
                f"attribute {self.name!r} has dtype {values.dtype} and shape {values.shape}, but "
                "rows of numbers or bools are wanted."
            )
        blend = values.dtype.kind == "f" if self.blend is None else bool(self.blend)
        blend = blend and self.domain in ("vertex", "corner")
        parts = {"vertex": False, "corner": blend, "face": values.dtype.kind != "f", "edge": True}
        if self.domain == "vertex" and self.parts:
            raise InvalidMeshError(
                f"attribute {self.name!r} is to part the surface, but a vertex has one value for "
                "all its faces; give it by corner."
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "blend", blend)
        object.__setattr__(self, "parts", parts[self.domain] if self.parts is None else self.parts)

    def __repr__(self) -> str:
        return f"Attribute({self.name!r}, {self.domain!r}, {self.values.shape})"

    def with_values(self, values: np.ndarray) -> "Attribute":
        return replace(self, values=values)


def check_attributes(mesh: TriangleMesh, attributes: Iterable[Attribute]) -> list[Attribute]:
    """The attributes, if each has the rows that `mesh` wants and a name of its own."""
    found: dict[str, Attribute] = {}
    for attribute in attributes:
        wanted = row_count(attribute.domain, len(mesh.vertices), len(mesh.faces))
        if len(attribute.values) != wanted:
            raise InvalidMeshError(
                f"attribute {attribute.name!r} has {len(attribute.values)} rows, but "
                f"{_ROWS[attribute.domain]} = {wanted} are wanted in the domain "
                f"{attribute.domain!r}; was the mesh changed after it was read?"
            )
        if attribute.name in found:
            raise InvalidMeshError(
                f"there are two attributes named {attribute.name!r}; rename one of them."
            )
        found[attribute.name] = attribute
    return list(found.values())


def row_count(domain: str, vertex_count: int, face_count: int) -> int:
    """Rows of an attribute in `domain`."""
    return {"vertex": vertex_count, "face": face_count}.get(domain, 3 * face_count)


def blended(values: np.ndarray, rows: np.ndarray, weights: np.ndarray, like: Attribute):
    """(N, …) of the dtype of `values`: its `rows`, (N, 3), weighted by `weights`, (N, 3)."""
    if not like.blend:
        nearest = rows[np.arange(len(rows)), weights.argmax(axis=1)]
        return values[nearest]
    flat = values.reshape(len(values), -1)
    exact = np.float32 if values.dtype in (np.float16, np.float32) else np.float64
    result = np.zeros((len(rows), flat.shape[1]), exact)
    for i in range(3):
        result += weights[:, i, None].astype(exact) * flat[rows[:, i]]
    if like.unit_length:
        lengths = np.linalg.norm(result, axis=1, keepdims=True)
        nearest = flat[rows[np.arange(len(rows)), weights.argmax(axis=1)]]
        result = np.where(lengths > 1e-6, result / np.maximum(lengths, 1e-6), nearest)
    if values.dtype.kind != "f":
        result = np.rint(result)
    return result.astype(values.dtype).reshape(len(rows), *values.shape[1:])


def find_attribute(attributes: Sequence[Attribute], name: str) -> Attribute | None:
    """The attribute of that name, if there is one."""
    return next((attribute for attribute in attributes if attribute.name == name), None)
