# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Blender mesh carries besides its shape, as `hy3dgen.mesh.Attribute`s and back.

UV maps, colours, materials, marks on edges and custom attributes are all attributes of the mesh;
custom normals have functions of their own. Weights and shape keys have files of their own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import bpy
import numpy as np

from hy3dgen.mesh import Attribute


class Kind(NamedTuple):
    """How values of one of Blender's types are read, and whether means of them make sense."""

    property: str
    dtype: type
    width: int
    blend: bool


# Blender's `data_type` -> how it is read. A text has no numbers, so STRING is not here.
KINDS = {
    "FLOAT": Kind("value", np.float32, 1, True),
    "FLOAT2": Kind("vector", np.float32, 2, True),
    "FLOAT_VECTOR": Kind("vector", np.float32, 3, True),
    "FLOAT_COLOR": Kind("color", np.float32, 4, True),
    "BYTE_COLOR": Kind("color_srgb", np.float32, 4, True),
    "BOOLEAN": Kind("value", np.bool_, 1, False),
    "INT": Kind("value", np.int32, 1, False),
    "INT8": Kind("value", np.int8, 1, False),
    "INT16_2D": Kind("value", np.int16, 2, False),
    "INT32_2D": Kind("value", np.int32, 2, False),
    "QUATERNION": Kind("value", np.float32, 4, False),
    "FLOAT4X4": Kind("value", np.float32, 16, False),
}
_DOMAINS = {"POINT": "vertex", "EDGE": "edge", "FACE": "face", "CORNER": "corner"}
# Names with a leading dot are Blender's own: geometry, selection, what is hidden. These stay.
_OWN = (".uv_seam", ".sculpt_mask", ".sculpt_face_set", ".pn.")
_CUSTOM_NORMAL = "custom_normal"
_FREESTYLE = "use_freestyle_mark"  # not an attribute before Blender 5.0
NORMALS = "custom normals"


@dataclass(frozen=True)
class Triangles:
    """The triangles that a mesh is drawn as, and what they were cut from."""

    faces: np.ndarray  # (F, 3) int32, vertices
    loops: np.ndarray  # (3F,) int32, the mesh's corner of each corner
    polygons: np.ndarray  # (F,) int32
    edges: np.ndarray  # (3F,) int32, from a corner to the next; -1: a diagonal of a polygon


@dataclass(frozen=True)
class Layer:
    """One attribute of a Blender mesh: how to make it again, and its values on the triangles."""

    name: str
    data_type: str
    domain: str
    attribute: Attribute
    constant: bool  # the same everywhere, so there is no need to carry it

    def write(self, mesh: bpy.types.Mesh, values: np.ndarray) -> None:
        """Make it on `mesh`, whose faces are triangles, from rows as the attribute has them."""
        kind = KINDS[self.data_type]
        if self.domain == "EDGE":
            values = _of_edges(mesh, values)
        mesh.attributes.new(self.name, self.data_type, self.domain)
        data = mesh.attributes[self.name].data
        data.foreach_set(kind.property, np.ascontiguousarray(values, kind.dtype).ravel())


@dataclass(frozen=True)
class _FreestyleMarks(Layer):
    """Marks on edges or faces that Blender before 5.0 keeps outside of the attributes."""

    def write(self, mesh: bpy.types.Mesh, values: np.ndarray) -> None:
        owner = mesh.edges if self.domain == "EDGE" else mesh.polygons
        values = _of_edges(mesh, values) if self.domain == "EDGE" else values
        owner.foreach_set(_FREESTYLE, np.ascontiguousarray(values, np.bool_).ravel())


@dataclass(frozen=True)
class ActiveLayers:
    """Names of the layers that Blender shows, paints on and renders."""

    uv: str
    uv_render: str
    color: str
    color_render: str
    attribute: str

    @classmethod
    def read(cls, mesh: bpy.types.Mesh) -> "ActiveLayers":
        uvs, active = mesh.uv_layers, mesh.attributes.active
        return cls(
            uv=uvs.active.name if uvs.active else "",
            uv_render=next((layer.name for layer in uvs if layer.active_render), ""),
            color=mesh.color_attributes.active_color_name,
            color_render=mesh.color_attributes.default_color_name,
            attribute=active.name if active else "",
        )

    def write(self, mesh: bpy.types.Mesh) -> None:
        for name, flag in ((self.uv, "active"), (self.uv_render, "active_render")):
            if name in mesh.uv_layers:
                setattr(mesh.uv_layers[name], flag, True)
        if self.attribute in mesh.attributes:
            mesh.attributes.active = mesh.attributes[self.attribute]
        mesh.color_attributes.active_color_name = self.color
        mesh.color_attributes.default_color_name = self.color_render


def read_triangles(mesh: bpy.types.Mesh) -> Triangles:
    """Polygons larger than triangles are split the way Blender draws them."""
    corner_vertices = _values(mesh.attributes[".corner_vert"], KINDS["INT"])
    corner_edges = _values(mesh.attributes[".corner_edge"], KINDS["INT"])
    if len(mesh.loops) == 3 * len(mesh.polygons):
        count = len(mesh.polygons)
        return Triangles(
            corner_vertices.reshape(-1, 3),
            np.arange(3 * count, dtype=np.int32),
            np.arange(count, dtype=np.int32),
            corner_edges,
        )
    mesh.calc_loop_triangles()
    loops = np.empty(3 * len(mesh.loop_triangles), np.int32)
    polygons = np.empty(len(mesh.loop_triangles), np.int32)
    starts = np.empty(len(mesh.polygons), np.int32)
    mesh.loop_triangles.foreach_get("loops", loops)
    mesh.loop_triangles.foreach_get("polygon_index", polygons)
    mesh.polygons.foreach_get("loop_start", starts)
    following = np.arange(1, len(mesh.loops) + 1, dtype=np.int32)
    following[np.append(starts[1:], len(mesh.loops)) - 1] = starts
    ends = np.roll(loops.reshape(-1, 3), -1, axis=1).ravel()
    edges = np.where(following[loops] == ends, corner_edges[loops], np.int32(-1))
    return Triangles(corner_vertices[loops].reshape(-1, 3), loops, polygons, edges)


def read_layers(mesh: bpy.types.Mesh, triangles: Triangles) -> list[Layer]:
    """Every attribute that can be carried, UV maps and colours in their order."""
    layers = []
    for attribute in _carried(mesh):
        kind = KINDS[attribute.data_type]
        values = _values(attribute, kind)
        if attribute.data_type == "FLOAT_VECTOR" and attribute.name == _CUSTOM_NORMAL:
            what, unit = NORMALS, True
        else:
            what, unit = _described(mesh, attribute), False
        layers.append(
            _layer(
                *(Layer, attribute.name, attribute.data_type, attribute.domain, values, triangles),
                *(what, kind.blend, unit),
            )
        )
    for owner, domain in ((mesh.edges, "EDGE"), (mesh.polygons, "FACE")):
        if owner and hasattr(owner[0], _FREESTYLE):
            values = np.empty(len(owner), np.bool_)
            owner.foreach_get(_FREESTYLE, values)
            if values.any():
                what = f"Freestyle marks of {domain.lower()}s"
                layers.append(
                    _layer(_FreestyleMarks, what, "BOOLEAN", domain, values, triangles, what, False)
                )
    return layers


def read_normals(mesh: bpy.types.Mesh, triangles: Triangles) -> Attribute | None:
    """Custom normals by corner, if the mesh has any that are no attribute to be carried as it is.

    Blender stores them in the frame of the corners' own normals, which a reduction changes.
    """
    stored = mesh.attributes.get(_CUSTOM_NORMAL)
    if not mesh.has_custom_normals or (stored and stored.data_type == "FLOAT_VECTOR"):
        return None
    values = np.empty(3 * len(mesh.loops), np.float32)
    mesh.corner_normals.foreach_get("vector", values)
    return Attribute(
        NORMALS, "corner", values.reshape(-1, 3)[triangles.loops], blend=True, unit_length=True
    )


def write_layers(
    mesh: bpy.types.Mesh, layers: Iterable[Layer], values: Mapping[str, np.ndarray]
) -> None:
    """Make the layers on a mesh of triangles; `values` by the names of the layers' attributes."""
    for layer in layers:
        rows = values.get(layer.attribute.name)
        if layer.constant:
            count = {"POINT": len(mesh.vertices), "FACE": len(mesh.polygons)}
            rows = np.repeat(
                layer.attribute.values[:1], count.get(layer.domain, len(mesh.loops)), axis=0
            )
        if rows is not None:
            layer.write(mesh, rows)


def write_normals(mesh: bpy.types.Mesh, values: np.ndarray) -> None:
    """Custom normals for the corners of a mesh; Blender marks edges sharp where they split."""
    mesh.normals_split_custom_set(values)


def shade_flat(mesh: bpy.types.Mesh) -> None:
    mesh.polygons.foreach_set("use_smooth", np.zeros(len(mesh.polygons), np.bool_))


def not_carried(mesh: bpy.types.Mesh) -> list[str]:
    """What a reduction leaves behind, in an artist's words."""
    lost = [
        f"attribute '{attribute.name}' ({attribute.data_type.replace('_', ' ').lower()})"
        for attribute in mesh.attributes
        if not attribute.name.startswith(".") and attribute.data_type not in KINDS
    ]
    if len(getattr(mesh, "skin_vertices", ())):
        lost.append("radii of the Skin modifier")
    corner_edges = _values(mesh.attributes[".corner_edge"], KINDS["INT"])
    loose = len(mesh.edges) - np.count_nonzero(np.bincount(corner_edges))
    if loose:
        lost.append(f"{loose:,} edges without a face")
    return lost


def _layer(
    cls: type[Layer],
    name: str,
    data_type: str,
    domain: str,
    values: np.ndarray,
    triangles: Triangles,
    what: str,
    blend: bool,
    unit_length: bool = False,
) -> Layer:
    rows = {"CORNER": triangles.loops, "FACE": triangles.polygons, "EDGE": triangles.edges}
    constant = _is_constant(values)
    if domain in rows:
        on_triangles = values[rows[domain]]
        if domain == "EDGE" and not constant:
            on_triangles[triangles.edges < 0] = 0
        values = on_triangles
    attribute = Attribute(what, _DOMAINS[domain], values, blend, unit_length)
    return cls(name, data_type, domain, attribute, constant)


def _is_constant(values: np.ndarray) -> bool:
    """Whether all rows are the same, of which there must be one; a few tell it mostly."""
    few = values[:: max(len(values) // 64, 1)]
    same = bool(len(values)) and bool((few == values[:1]).all())
    return same and bool((values == values[:1]).all())


def _carried(mesh: bpy.types.Mesh) -> list[bpy.types.Attribute]:
    """UV maps and colours come first: iterating over the attributes mixes up their order."""
    attributes = mesh.attributes
    first = [layer.name for layer in (*mesh.uv_layers, *mesh.color_attributes)]
    names = dict.fromkeys([*first, *(attribute.name for attribute in attributes)])
    return [attributes[name] for name in names if _is_carried(attributes[name])]


def _is_carried(attribute: bpy.types.Attribute) -> bool:
    if attribute.data_type not in KINDS or attribute.domain not in _DOMAINS:
        return False
    if attribute.name == _CUSTOM_NORMAL:
        return attribute.data_type == "FLOAT_VECTOR"
    if attribute.name.startswith("."):
        return attribute.name.startswith(_OWN)
    return attribute.name != "position"


def _described(mesh: bpy.types.Mesh, attribute: bpy.types.Attribute) -> str:
    if attribute.name in mesh.uv_layers:
        return f"UV map '{attribute.name}'"
    if attribute.name in mesh.color_attributes:
        return f"colour attribute '{attribute.name}'"
    return f"attribute '{attribute.name}'"


def _values(attribute: bpy.types.Attribute, kind: Kind) -> np.ndarray:
    """(rows,) or (rows, width)."""
    values = np.empty(len(attribute.data) * kind.width, kind.dtype)
    attribute.data.foreach_get(kind.property, values)
    return values if kind.width == 1 else values.reshape(-1, kind.width)


def _of_edges(mesh: bpy.types.Mesh, by_corner: np.ndarray) -> np.ndarray:
    """Rows for the mesh's edges; either face of an edge may tell its value."""
    edges = _values(mesh.attributes[".corner_edge"], KINDS["INT"])
    values = np.zeros((len(mesh.edges), *by_corner.shape[1:]), by_corner.dtype)
    told = by_corner.reshape(len(by_corner), -1).any(axis=1)
    values[edges[told]] = by_corner[told]
    return values
