# SPDX-License-Identifier: GPL-3.0-or-later
"""Numpy arrays in hy3dgen's convention (y up) -> Blender meshes and objects (z up)."""

from collections.abc import Mapping

import bmesh
import bpy
import numpy as np

from . import mesh_layers, placing
from .mesh_layers import NORMALS
from .scene_read import MeshSnapshot, unchanged, users_of, z_up
from .shape_keys import write_shape_keys
from .vertex_groups import WEIGHTS, holder_of


def fill_mesh(mesh: bpy.types.Mesh, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Give an empty mesh its geometry. (V, 3) float32 y up and (F, 3) int32.

    The attribute API with exact dtypes is ten times as fast as the older `foreach_set` on
    vertices and loops. Blender 5.1 and later do not make edges without being asked.
    """
    corners = np.ascontiguousarray(faces, np.int32).ravel()
    mesh.vertices.add(len(vertices))
    mesh.loops.add(len(corners))
    mesh.polygons.add(len(faces))
    mesh.attributes["position"].data.foreach_set("vector", z_up(vertices).ravel())
    mesh.attributes[".corner_vert"].data.foreach_set("value", corners)
    mesh.polygons.foreach_set("loop_start", np.arange(0, len(corners), 3, dtype=np.int32))
    mesh.update(calc_edges=True)


def leave_edit_mode(context: bpy.types.Context) -> None:
    """Back to object mode, so that what an edit mode holds is written back and kept."""
    if context.mode != "OBJECT" and context.view_layer.objects.active is not None:
        bpy.ops.object.mode_set(mode="OBJECT")


def replace_geometry(
    context: bpy.types.Context,
    before: MeshSnapshot,
    vertices: np.ndarray,
    faces: np.ndarray,
    values: Mapping[str, np.ndarray],
) -> bool:
    """New geometry for the mesh that `before` was taken from, and thereby for all its objects.

    The datablock stays the same one, with its name, materials, animation and users. If no object
    shows it any more, or it was edited meanwhile, the geometry goes into a new object instead and
    the answer is False.

    Parameters
    ----------
    vertices, faces : (V', 3) float32 y up and (F', 3) int32
    values : rows of the attributes of `before`, by their names; one without rows is left out
    """
    mesh = find_mesh(before)
    if mesh is not None and users_of(mesh) and unchanged(mesh, before):
        _fill(mesh, before, vertices, faces, values)
        return True
    mesh = bpy.data.meshes.new(before.mesh_name) if mesh is None else mesh.copy()
    _fill(mesh, before, vertices, faces, values)
    added = bpy.data.objects.new(before.name, mesh)
    placing.link(context, added, placing.Place(context.scene.session_uid, before.matrix_world))
    return False


def find_mesh(before: MeshSnapshot) -> bpy.types.Mesh | None:
    """By the number that undo keeps, never by name only: names are given again."""
    for mesh in bpy.data.meshes:
        if mesh.session_uid == before.session_uid:
            return mesh
    return None


def keep_original(mesh: bpy.types.Mesh) -> bpy.types.Object | None:
    """A hidden copy of the mesh's first object, at the same place, with a mesh of its own."""
    obj = next(iter(users_of(mesh)), None)
    if obj is None:
        return None
    original = obj.copy()
    original.data = mesh.copy()
    original.name, original.data.name = f"{obj.name} (original)", f"{mesh.name} (original)"
    for collection in obj.users_collection:
        collection.objects.link(original)
    original.hide_render = True
    for layer in (layer for scene in bpy.data.scenes for layer in scene.view_layers):
        if obj.name in layer.objects:
            original.select_set(False, view_layer=layer)
            original.hide_set(True, view_layer=layer)
    return original


def _empty(mesh: bpy.types.Mesh) -> None:
    """What `clear_geometry` does, which would take the mesh's animation away as well."""
    nothing = bmesh.new()
    nothing.to_mesh(mesh)
    nothing.free()


def _fill(
    mesh: bpy.types.Mesh,
    before: MeshSnapshot,
    vertices: np.ndarray,
    faces: np.ndarray,
    values: Mapping[str, np.ndarray],
) -> None:
    """New geometry and everything that lies on it, in place of the old."""
    _empty(mesh)
    fill_mesh(mesh, vertices, faces)
    with holder_of(mesh) as holder:
        before.groups.write(holder, values.get(WEIGHTS))
        mesh_layers.write_layers(mesh, before.layers, values)
        if before.keys:
            write_shape_keys(holder, before.keys, z_up(vertices), values)
    if before.normals is not None:
        if NORMALS in values:
            mesh_layers.write_normals(mesh, values[NORMALS])
        else:
            mesh_layers.shade_flat(mesh)
    before.active.write(mesh)
    mesh.update()
