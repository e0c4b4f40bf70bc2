# SPDX-License-Identifier: GPL-3.0-or-later
"""Numpy arrays in hy3dgen's convention (y up) -> Blender meshes and objects (z up)."""

from math import radians

import bpy
import numpy as np

from .scene_read import MeshSnapshot, unchanged

# A surface read from a grid turns by less than this between neighbours unless there is an edge.
SHARP_ANGLE = radians(40.0)


def fill_mesh(mesh: bpy.types.Mesh, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Give an empty mesh its geometry. (V, 3) float32 y up and (F, 3) int32.

    The attribute API with exact dtypes is ten times as fast as the older `foreach_set` on
    vertices and loops. Blender 5.1 and later do not make edges without being asked.
    """
    blender = np.empty((len(vertices), 3), np.float32)
    blender[:, 0] = vertices[:, 0]
    blender[:, 1] = -vertices[:, 2]
    blender[:, 2] = vertices[:, 1]
    corners = np.ascontiguousarray(faces, np.int32).ravel()
    mesh.vertices.add(len(vertices))
    mesh.loops.add(len(corners))
    mesh.polygons.add(len(faces))
    mesh.attributes["position"].data.foreach_set("vector", blender.ravel())
    mesh.attributes[".corner_vert"].data.foreach_set("value", corners)
    mesh.polygons.foreach_set("loop_start", np.arange(0, len(corners), 3, dtype=np.int32))
    mesh.update(calc_edges=True)


def leave_edit_mode(context: bpy.types.Context) -> None:
    """Back to object mode, so that what an edit mode holds is written back and kept."""
    if context.mode != "OBJECT" and context.view_layer.objects.active is not None:
        bpy.ops.object.mode_set(mode="OBJECT")


def link_and_select(context: bpy.types.Context, obj: bpy.types.Object) -> None:
    active = context.view_layer.active_layer_collection
    usable = active.is_visible and active.collection.is_editable
    collection = active.collection if usable else context.scene.collection
    collection.objects.link(obj)
    space = context.space_data
    if space is not None and space.type == "VIEW_3D" and space.local_view:
        obj.local_view_set(space, True)
    for other in context.view_layer.objects.selected:
        other.select_set(False)
    obj.select_set(True)
    context.view_layer.objects.active = obj


def replace_geometry(
    context: bpy.types.Context, before: MeshSnapshot, vertices: np.ndarray, faces: np.ndarray
) -> bool:
    """New geometry for the object that `before` was taken from.

    Keeps the object, its name, transform, modifiers and material slots, and the mesh's name and
    custom properties. If the object is gone or was edited meanwhile, the geometry goes into a new
    object instead and the answer is False.
    """
    obj = _find(before)
    if obj is None or obj.type != "MESH" or not unchanged(obj.data, before):
        mesh = bpy.data.meshes.new(before.name)
        _fill_and_shade(mesh, before, vertices, faces)
        added = bpy.data.objects.new(before.name, mesh)
        added.matrix_world = before.matrix_world
        link_and_select(context, added)
        return False
    old = obj.data
    mesh = old.copy()  # keeps materials, custom properties and settings
    mesh.clear_geometry()
    _fill_and_shade(mesh, before, vertices, faces)
    name, keep = old.name, old.use_fake_user
    obj.data = mesh
    bpy.data.meshes.remove(old)
    mesh.name, mesh.use_fake_user = name, keep
    return True


def _fill_and_shade(
    mesh: bpy.types.Mesh, before: MeshSnapshot, vertices: np.ndarray, faces: np.ndarray
) -> None:
    fill_mesh(mesh, vertices, faces)
    if before.flat:
        mesh.shade_flat()
    else:
        mesh.set_sharp_from_angle(angle=SHARP_ANGLE)


def _find(before: MeshSnapshot) -> bpy.types.Object | None:
    """By the number that undo keeps, never by name only: names are given again."""
    for obj in bpy.data.objects:
        if obj.session_uid == before.session_uid:
            return obj
    return None
