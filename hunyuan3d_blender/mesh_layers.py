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

from . import raw_arrays
from .geometry import Geometry
from .steps import Steps, Target, room_for, run_through


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
CUSTOM_NORMAL = "custom_normal"
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

    def rows(self, values: np.ndarray, geometry: Geometry) -> np.ndarray:
        """As they are written, of rows as the attribute has them, for a mesh of triangles."""
        kind = KINDS[self.data_type]
        if self.domain == "EDGE":
            values = _of_edges(geometry, values)
        if self.data_type == "BYTE_COLOR":
            return raw_arrays.to_bytes(values)
        return np.ascontiguousarray(values, kind.dtype).ravel()

    def write(self, target: Target, rows: np.ndarray) -> Steps:
        target().attributes.new(self.name, self.data_type, self.domain)
        yield None
        data = target().attributes[self.name].data
        if self.data_type == "BYTE_COLOR":
            raw_arrays.write_byte_colors(data, rows)
        else:
            data.foreach_set(KINDS[self.data_type].property, rows)
        yield None


@dataclass(frozen=True)
class _FreestyleMarks(Layer):
    """Marks on edges or faces that Blender before 5.0 keeps outside of the attributes."""

    def write(self, target: Target, rows: np.ndarray) -> Steps:
        owner = target().edges if self.domain == "EDGE" else target().polygons
        owner.foreach_set(_FREESTYLE, rows)
        yield None


@dataclass(frozen=True)
class RawLayer:
    """One attribute as it lies in Blender, without a row for each corner of the triangles."""

    name: str
    data_type: str
    domain: str
    what: str  # in an artist's words
    values: np.ndarray
    layer: type[Layer] = Layer

    def on(self, triangles: Triangles) -> Layer:
        """The layer, with its values on the triangles. Numpy only, so in any thread."""
        values, constant = self.values, _is_constant(self.values)
        rows = {"CORNER": triangles.loops, "FACE": triangles.polygons, "EDGE": triangles.edges}
        if self.domain in rows:
            on_triangles = values[rows[self.domain]]
            if self.domain == "EDGE" and not constant:
                on_triangles[triangles.edges < 0] = 0
            values = on_triangles
        if self.data_type == "BYTE_COLOR":
            values = raw_arrays.from_bytes(values)
        attribute = Attribute(
            self.what,
            _DOMAINS[self.domain],
            values,
            KINDS[self.data_type].blend,
            unit_length=self.what == NORMALS,
        )
        return self.layer(self.name, self.data_type, self.domain, attribute, constant)


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


@dataclass(frozen=True)
class Corners:
    """How the polygons of a mesh lie on its vertices and edges, in Blender's own arrays."""

    vertices: np.ndarray  # (corners,) int32
    edges: np.ndarray  # (corners,) int32
    edge_count: int
    starts: np.ndarray | None  # (polygons,) int32; None: all are triangles
    triangle_loops: np.ndarray | None  # (3F,) int32; None: all are triangles

    def triangles(self) -> Triangles:
        """Polygons larger than triangles are split the way Blender draws them."""
        count = len(self.vertices)
        if self.starts is None:
            return Triangles(
                self.vertices.reshape(-1, 3),
                np.arange(count, dtype=np.int32),
                np.arange(count // 3, dtype=np.int32),
                self.edges,
            )
        loops = self.triangle_loops
        sizes = np.diff(self.starts, append=np.int32(count))
        polygons = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes - 2)
        following = np.arange(1, count + 1, dtype=np.int32)
        following[self.starts + sizes - 1] = self.starts
        ends = np.roll(loops.reshape(-1, 3), -1, axis=1).ravel()
        edges = np.where(following[loops] == ends, self.edges[loops], np.int32(-1))
        return Triangles(self.vertices[loops].reshape(-1, 3), loops, polygons, edges)

    def loose_edges(self) -> int:
        """Edges without a face."""
        used = np.zeros(self.edge_count, np.bool_)
        used[self.edges] = True
        return self.edge_count - np.count_nonzero(used)


def read_corners(target: Target) -> Steps:
    """`Corners` of a mesh."""
    vertices = yield from read_values(target, ".corner_vert", KINDS["INT"])
    edges = yield from read_values(target, ".corner_edge", KINDS["INT"])
    mesh = target()
    starts = loops = None
    if len(mesh.loops) != 3 * len(mesh.polygons):
        starts = yield from room_for((len(mesh.polygons),), np.int32)
        raw_arrays.read_starts(target(), starts)
        yield None
        target().calc_loop_triangles()
        loops = yield from room_for((3 * len(target().loop_triangles),), np.int32)
        raw_arrays.read_triangle_loops(target(), loops)
        yield None
    return Corners(vertices, edges, len(target().edges), starts, loops)


def read_triangles(mesh: bpy.types.Mesh) -> Triangles:
    """Polygons larger than triangles are split the way Blender draws them."""
    return run_through(read_corners(lambda: mesh)).triangles()


def read_layers(target: Target) -> Steps:
    """`RawLayer` for every attribute that can be carried, UV maps and colours in their order."""
    layers = []
    for name in _carried(target()):
        attribute = target().attributes[name]
        given = (name, attribute.data_type, attribute.domain, _described(target(), attribute))
        values = yield from read_values(target, name, KINDS[attribute.data_type])
        layers.append(RawLayer(*given, values))
    for domain in ("EDGE", "FACE"):
        owner = target().edges if domain == "EDGE" else target().polygons
        if owner and hasattr(owner[0], _FREESTYLE):
            values = np.empty(len(owner), np.bool_)
            owner.foreach_get(_FREESTYLE, values)
            yield None
            if values.any():
                what = f"Freestyle marks of {domain.lower()}s"
                layers.append(RawLayer(what, "BOOLEAN", domain, what, values, _FreestyleMarks))
    return layers


def read_values(target: Target, name: str, kind: Kind) -> Steps:
    """(rows,) or (rows, width) of the attribute `name`."""
    items = target().attributes[name].data
    if len(items):
        items[0].as_pointer()  # one array for several meshes is copied before anyone looks at it
        yield None
    is_bytes = kind is KINDS["BYTE_COLOR"]
    shape = (len(items),) if kind.width == 1 else (len(items), kind.width)
    values = yield from room_for(shape, np.uint8 if is_bytes else kind.dtype)
    items = target().attributes[name].data
    if is_bytes:
        values = raw_arrays.read_byte_colors(items, values)
    else:
        items.foreach_get(kind.property, values.reshape(-1))
    yield None
    return values


def rows_of(
    layers: Iterable[Layer], values: Mapping[str, np.ndarray], geometry: Geometry
) -> list[tuple[Layer, np.ndarray]]:
    """What is to be written of each; `values` by the names of their attributes. Numpy only."""
    found = []
    faces = len(geometry.starts)
    counts = {"POINT": len(geometry.positions) // 3, "FACE": faces}
    for layer in layers:
        rows = values.get(layer.attribute.name)
        if layer.constant:
            count = counts.get(layer.domain, 3 * faces)
            rows = np.repeat(layer.attribute.values[:1], count, axis=0)
        if rows is not None:
            found.append((layer, layer.rows(rows, geometry)))
    return found


def not_carried(mesh: bpy.types.Mesh, loose_edges: int) -> list[str]:
    """What a reduction leaves behind, in an artist's words."""
    lost = [
        f"attribute '{attribute.name}' ({attribute.data_type.replace('_', ' ').lower()})"
        for attribute in mesh.attributes
        if not attribute.name.startswith(".") and attribute.data_type not in KINDS
    ]
    if len(getattr(mesh, "skin_vertices", ())):
        lost.append("radii of the Skin modifier")
    if loose_edges:
        lost.append(f"{loose_edges:,} edges without a face")
    return lost


def _is_constant(values: np.ndarray) -> bool:
    """Whether all rows are the same, of which there must be one; a few tell it mostly."""
    few = values[:: max(len(values) // 64, 1)]
    same = bool(len(values)) and bool((few == values[:1]).all())
    return same and bool((values == values[:1]).all())


def _carried(mesh: bpy.types.Mesh) -> list[str]:
    """UV maps and colours come first: iterating over the attributes mixes up their order."""
    attributes = mesh.attributes
    first = [layer.name for layer in (*mesh.uv_layers, *mesh.color_attributes)]
    names = dict.fromkeys([*first, *(attribute.name for attribute in attributes)])
    return [name for name in names if _is_carried(attributes[name])]


def _is_carried(attribute: bpy.types.Attribute) -> bool:
    if attribute.data_type not in KINDS or attribute.domain not in _DOMAINS:
        return False
    if attribute.name == CUSTOM_NORMAL:
        return attribute.data_type == "FLOAT_VECTOR"
    if attribute.name.startswith("."):
        return attribute.name.startswith(_OWN)
    return attribute.name != "position"


def _described(mesh: bpy.types.Mesh, attribute: bpy.types.Attribute) -> str:
    if attribute.name == CUSTOM_NORMAL:
        return NORMALS
    if attribute.name in mesh.uv_layers:
        return f"UV map '{attribute.name}'"
    if attribute.name in mesh.color_attributes:
        return f"colour attribute '{attribute.name}'"
    return f"attribute '{attribute.name}'"


def _of_edges(geometry: Geometry, by_corner: np.ndarray) -> np.ndarray:
    """Rows for the edges; either face of an edge may tell its value."""
    edges = len(geometry.edge_verts) // 2
    values = np.zeros((edges, *by_corner.shape[1:]), by_corner.dtype)
    told = by_corner.reshape(len(by_corner), -1).any(axis=1)
    values[geometry.corner_edges[told]] = by_corner[told]
    return values
