# SPDX-License-Identifier: Apache-2.0
"""What a trimesh mesh carries, as attributes by corner and by face, and back.

trimesh has one value for each vertex, so it doubles vertices along the seams of a UV map. Here the
values belong to corners, and `with_carried` doubles vertices where two sides differ.
"""

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from .attributes import Attribute, find_attribute
from .correspondence import Correspondence
from .row_keys import row_keys
from .triangle_mesh import TriangleMesh

if TYPE_CHECKING:
    import trimesh

NORMALS = "normals/"


def attributes_of(mesh: "trimesh.Trimesh") -> list[Attribute]:
    """Colours, UVs, normals that came with it, and every other number by vertex or by face."""
    faces = np.asarray(mesh.faces)
    per_vertex, per_face = arrays_of(mesh)
    found = [
        Attribute(name, "corner", values[faces].reshape(-1, *values.shape[1:]), blend=True)
        for name, values in per_vertex.items()
    ]
    if "vertex_normals" in mesh._cache and len(mesh.vertex_normals) == len(mesh.vertices):
        normals = np.asarray(mesh.vertex_normals, np.float32)[faces].reshape(-1, 3)
        found.append(Attribute(NORMALS, "corner", normals, unit_length=True))
    return found + [Attribute(name, "face", values) for name, values in per_face.items()]


def with_carried(
    original: "trimesh.Trimesh",
    attributes: list[Attribute],
    reduced: TriangleMesh,
    found: Correspondence,
) -> "trimesh.Trimesh":
    """`reduced` as a trimesh mesh with `attributes`, those of `original`, and its metadata."""
    import trimesh

    by_corner = [attribute for attribute in attributes if attribute.domain == "corner"]
    vertices, faces = reduced.vertices, reduced.faces
    normals, normal = None, find_attribute(by_corner, NORMALS)
    if by_corner:
        vertices, faces = reduced.vertices[found.wedge_vertices], found.corners
        if normal is not None and NORMALS not in found.scattered:
            normals = found.at_wedges(normal)
        elif len(vertices) > len(reduced.vertices):
            normals = reduced.vertex_normals[found.wedge_vertices]
    result = trimesh.Trimesh(
        np.asarray(vertices, np.float64),
        faces,
        vertex_normals=normals,
        process=False,
        metadata=copy.deepcopy(original.metadata),
    )
    attach(
        original,
        result,
        {a.name: found.at_wedges(a) for a in by_corner if a is not normal},
        {a.name: found.carry(a).values for a in attributes if a.domain == "face"},
    )
    return result


def arrays_of(mesh: Any) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Numbers per vertex and per face; the names' beginnings tell `attach` where they belong."""
    per_vertex: dict[str, np.ndarray] = {}
    per_face: dict[str, np.ndarray] = {}
    visual, vertex_count, face_count = mesh.visual, len(mesh.vertices), len(mesh.faces)
    if visual.kind == "vertex":
        per_vertex["color/"] = np.asarray(visual.vertex_colors)
    elif visual.kind == "face":
        per_face["color/"] = np.asarray(visual.face_colors)
    elif visual.kind == "texture":
        for name, values in visual.vertex_attributes.items():
            per_vertex[f"visual/{name}"] = np.asarray(values)
        if visual.face_materials is not None:
            per_face["materials/"] = np.asarray(visual.face_materials)
    for name, values in mesh.vertex_attributes.items():
        per_vertex[f"attribute/{name}"] = np.asarray(values)
    for name, values in mesh.face_attributes.items():
        per_face[f"attribute/{name}"] = np.asarray(values)
    return _fitting(per_vertex, vertex_count), _fitting(per_face, face_count)


def attach(original: Any, result: Any, per_vertex: dict, per_face: dict) -> None:
    """Give `result` arrays like those of `arrays_of(original)`, with its material."""
    from trimesh.visual import ColorVisuals, TextureVisuals

    visual = original.visual
    if visual.kind == "texture":
        fresh = TextureVisuals(
            uv=per_vertex.get("visual/uv"),
            material=copy.deepcopy(visual.material),
            face_materials=per_face.get("materials/"),
        )
        for name, values in per_vertex.items():
            if name.startswith("visual/"):
                fresh.vertex_attributes[name.removeprefix("visual/")] = values
        result.visual = fresh
    elif "color/" in per_vertex:
        result.visual = ColorVisuals(result, vertex_colors=per_vertex["color/"])
    elif "color/" in per_face:
        result.visual = ColorVisuals(result, face_colors=per_face["color/"])
    for found, kept in ((per_vertex, result.vertex_attributes), (per_face, result.face_attributes)):
        for name, values in found.items():
            if name.startswith("attribute/"):
                kept[name.removeprefix("attribute/")] = values


def vertex_keys(mesh: "trimesh.Trimesh") -> np.ndarray:
    """(V,) a number for each vertex, the same for those that agree in place and appearance."""
    per_vertex, _ = arrays_of(mesh)
    return keys_of(mesh, per_vertex)


def keys_of(mesh: Any, per_vertex: dict[str, np.ndarray]) -> np.ndarray:
    """The same, with what is carried by vertex given."""
    count = len(mesh.vertices)
    columns = [np.asarray(mesh.vertices, np.float64)]
    columns += [values.reshape(count, -1).astype(np.float64) for values in per_vertex.values()]
    return row_keys(np.concatenate(columns, axis=1))


def _fitting(attributes: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    return {
        name: values
        for name, values in attributes.items()
        if values.ndim and len(values) == count and values.dtype.kind in "fiub"
    }
