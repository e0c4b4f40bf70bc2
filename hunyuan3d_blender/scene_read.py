# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender mesh -> numpy arrays in hy3dgen's convention (y up), and what a mesh carries besides."""

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from hy3dgen.errors import InvalidMeshError

# Attributes that new geometry brings itself; names with a leading dot are Blender's own.
_GEOMETRY = frozenset({"position", "material_index", "sharp_face", "sharp_edge"})


@dataclass(frozen=True)
class MeshSnapshot:
    """A mesh object as it was when a job began, enough to find it again or to do without it."""

    name: str
    session_uid: int
    matrix_world: Matrix
    vertices: np.ndarray  # (V, 3) float32, y up
    faces: np.ndarray  # (F, 3) int32, triangles
    flat: bool  # most faces are shaded flat


def snapshot(obj: bpy.types.Object) -> MeshSnapshot:
    mesh = obj.data
    return MeshSnapshot(
        name=obj.name,
        session_uid=obj.session_uid,
        matrix_world=obj.matrix_world.copy(),
        vertices=read_vertices(mesh),
        faces=read_triangles(mesh),
        flat=2 * int(np.count_nonzero(_sharp_faces(mesh))) > len(mesh.polygons),
    )


def read_vertices(mesh: bpy.types.Mesh) -> np.ndarray:
    """(V, 3) float32, turned from Blender's z up to y up."""
    blender = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.attributes["position"].data.foreach_get("vector", blender)
    blender = blender.reshape(-1, 3)
    vertices = np.empty_like(blender)
    vertices[:, 0] = blender[:, 0]
    vertices[:, 1] = blender[:, 2]
    vertices[:, 2] = -blender[:, 1]
    return vertices


def read_triangles(mesh: bpy.types.Mesh) -> np.ndarray:
    """(F, 3) int32; larger polygons are split the way Blender draws them."""
    if len(mesh.loops) == 3 * len(mesh.polygons):
        corners = np.empty(len(mesh.loops), np.int32)
        mesh.attributes[".corner_vert"].data.foreach_get("value", corners)
    else:
        mesh.calc_loop_triangles()
        corners = np.empty(3 * len(mesh.loop_triangles), np.int32)
        mesh.loop_triangles.foreach_get("vertices", corners)
    return corners.reshape(-1, 3)


def unchanged(mesh: bpy.types.Mesh, before: MeshSnapshot) -> bool:
    return (
        len(mesh.vertices) == len(before.vertices)
        and np.array_equal(read_vertices(mesh), before.vertices)
        and np.array_equal(read_triangles(mesh), before.faces)
    )


def check_replaceable(obj: bpy.types.Object) -> None:
    """InvalidMeshError if new geometry in this object would destroy or change something else."""
    mesh = obj.data
    if not mesh.polygons:
        raise InvalidMeshError(f"'{obj.name}' has no faces; select a mesh with faces")
    if obj.library or mesh.library:
        raise InvalidMeshError(
            f"'{obj.name}' is linked from another file; make it local first (Object > Relations)"
        )
    if mesh.override_library:
        raise InvalidMeshError(
            f"the mesh of '{obj.name}' is a library override; make it local first"
        )
    if mesh.shape_keys:
        raise InvalidMeshError(
            f"'{obj.name}' has {len(mesh.shape_keys.key_blocks)} shape keys, which would be lost; "
            "apply or remove them first"
        )
    users = mesh.users - int(mesh.use_fake_user)
    if users > 1:
        raise InvalidMeshError(
            f"the mesh of '{obj.name}' is used {users} times and all would change; make it "
            "single-user first (Object > Relations > Make Single User > Object & Data)"
        )


def lost_by_replacing(obj: bpy.types.Object) -> list[str]:
    """What new geometry would not carry over, in an artist's words."""
    mesh = obj.data
    lost = []
    if mesh.uv_layers:
        lost.append(_named("UV map", [layer.name for layer in mesh.uv_layers]))
    if obj.vertex_groups and any(vertex.groups for vertex in mesh.vertices):
        lost.append(_named("weights of vertex group", [group.name for group in obj.vertex_groups]))
    if mesh.color_attributes:
        lost.append(_named("colour attribute", [color.name for color in mesh.color_attributes]))
    named = {layer.name for layer in (*mesh.uv_layers, *mesh.color_attributes)}
    others = [
        attribute.name
        for attribute in mesh.attributes
        if attribute.name not in named | _GEOMETRY and not attribute.name.startswith(".")
    ]
    if others:
        lost.append(_named("attribute", others))
    if len(np.unique(_material_indices(mesh))) > 1:
        lost.append("which face has which material")
    return lost


def _named(what: str, names: list[str]) -> str:
    return f"{what}{'s' if len(names) > 1 else ''} {', '.join(repr(name) for name in names)}"


def _material_indices(mesh: bpy.types.Mesh) -> np.ndarray:
    return _face_attribute(mesh, "material_index", "INT", np.int32)


def _sharp_faces(mesh: bpy.types.Mesh) -> np.ndarray:
    return _face_attribute(mesh, "sharp_face", "BOOLEAN", np.bool_)


def _face_attribute(mesh: bpy.types.Mesh, name: str, kind: str, dtype: type) -> np.ndarray:
    """Values per polygon; zeros where the attribute is missing, which is what Blender means."""
    values = np.zeros(len(mesh.polygons), dtype)
    attribute = mesh.attributes.get(name)
    if attribute is not None and attribute.data_type == kind and attribute.domain == "FACE":
        attribute.data.foreach_get("value", values)
    return values
