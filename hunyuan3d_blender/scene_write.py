# SPDX-License-Identifier: GPL-3.0-or-later
"""Numpy arrays in hy3dgen's convention (y up) -> Blender meshes and objects (z up)."""

from collections.abc import Mapping

import bpy
import numpy as np

from . import placing
from .mesh_fill import Filling
from .replaceable import users_of
from .scene_read import MeshSnapshot, unchanged, z_up
from .steps import run_through


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

    At once, and the datablock stays the same one. If no object shows it any more, or it was edited
    meanwhile, the geometry goes into a new object instead and the answer is False. `vertices`,
    `faces` and `values` are those of `Filling.of`.
    """
    filling = Filling.of(before, vertices, faces, values)
    mesh = find_mesh(before)
    users = users_of(mesh) if mesh is not None else []
    if users and run_through(unchanged(users[0], before))[0]:
        run_through(filling.write(lambda: mesh))
        return True
    mesh = copy_for(before)
    run_through(filling.write(lambda: mesh))
    add_beside(context, before, mesh)
    return False


def copy_for(before: MeshSnapshot) -> bpy.types.Mesh:
    """A mesh to be filled, with the settings, materials and animation of the one of `before`."""
    mesh = find_mesh(before)
    return bpy.data.meshes.new(before.mesh_name) if mesh is None else mesh.copy()


def add_beside(context: bpy.types.Context, before: MeshSnapshot, mesh: bpy.types.Mesh) -> None:
    """An object of its own for a result that must not take the place of what is there now."""
    added = bpy.data.objects.new(before.name, mesh)
    placing.link(context, added, placing.Place(context.scene.session_uid, before.matrix_world))


def put(
    context: bpy.types.Context,
    before: MeshSnapshot,
    mesh: bpy.types.Mesh,
    in_place: bool,
    with_original: bool,
) -> None:
    """A filled copy where the mesh of `before` is, or into an object of its own."""
    old = find_mesh(before)
    if not in_place or old is None:
        add_beside(context, before, mesh)
        return
    if with_original:
        keep_original(old)
    exchange(old, mesh)


def exchange(old: bpy.types.Mesh, new: bpy.types.Mesh) -> None:
    """`new`, a filled copy of `old`, for `old` wherever that is used. Takes no time at any size."""
    name, fake = old.name, old.use_fake_user
    key_name = old.shape_keys.name if old.shape_keys else ""
    if list(old.materials) != list(new.materials):  # chosen since the copy was made
        new.materials.clear()
        for material in old.materials:
            new.materials.append(material)
    if key_name:
        _retarget_drivers(old.shape_keys, new.shape_keys)
    old.user_remap(new)
    bpy.data.meshes.remove(old)
    new.name, new.use_fake_user = name, fake
    if key_name:
        new.shape_keys.name = key_name


def _retarget_drivers(old: bpy.types.Key, new: bpy.types.Key) -> None:
    """Drivers that read shape keys of the old mesh; its own have been copied with it."""
    for user in bpy.data.user_map(subset={old})[old]:
        animation = getattr(user, "animation_data", None)
        for curve in animation.drivers if animation else ():
            for variable in curve.driver.variables:
                for target in variable.targets:
                    if target.id == old:
                        target.id = new


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
