# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a generated mesh goes: decided when it is asked for, used when it is there."""

from dataclasses import dataclass

import bpy
from mathutils import Matrix

SIDE_BY_SIDE = 2.2  # metres; a generated mesh is 2 m at most


@dataclass(frozen=True)
class Place:
    scene_uid: int
    matrix: Matrix  # of the object, in the world


def at_cursor(context: bpy.types.Context, number: int = 0) -> Place:
    """The 3D cursor of this scene; further meshes of a batch go in a row along x."""
    location = context.scene.cursor.location.copy()
    location.x += SIDE_BY_SIDE * number
    return Place(context.scene.session_uid, Matrix.Translation(location))


def link(
    context: bpy.types.Context, obj: bpy.types.Object, place: Place, select: bool = True
) -> None:
    """Put an object into its scene, or into the current one if that is gone."""
    obj.matrix_world = place.matrix
    scene = next((s for s in bpy.data.scenes if s.session_uid == place.scene_uid), context.scene)
    if scene != context.scene:
        scene.collection.objects.link(obj)
        return
    active = context.view_layer.active_layer_collection
    usable = active.is_visible and active.collection.is_editable
    collection = active.collection if usable else context.scene.collection
    collection.objects.link(obj)
    for space in _local_views(context):
        obj.local_view_set(space, True)
    if select:
        for other in context.view_layer.objects.selected:
            other.select_set(False)
        obj.select_set(True)
        context.view_layer.objects.active = obj


def put_beside(added: bpy.types.Object, obj: bpy.types.Object) -> None:
    """Let a new object stand for another: in its collections and place, and it is hidden."""
    added.parent, added.parent_type, added.parent_bone = (
        obj.parent,
        obj.parent_type,
        obj.parent_bone,
    )
    added.matrix_parent_inverse = obj.matrix_parent_inverse
    added.matrix_basis = obj.matrix_basis
    for collection in obj.users_collection:
        collection.objects.link(added)
    obj.hide_render = True
    for layer in (layer for scene in bpy.data.scenes for layer in scene.view_layers):
        if obj.name not in layer.objects:
            continue
        added.select_set(obj.select_get(view_layer=layer), view_layer=layer)
        if layer.objects.active == obj:
            layer.objects.active = added
        obj.select_set(False, view_layer=layer)
        obj.hide_set(True, view_layer=layer)


def find(session_uid: int | None) -> bpy.types.Object | None:
    """By the number that undo keeps, never by name: names are given again."""
    return next((obj for obj in bpy.data.objects if obj.session_uid == session_uid), None)


def _local_views(context: bpy.types.Context) -> list[bpy.types.SpaceView3D]:
    """3D views of the window that show some objects only, and would not show a new one."""
    if context.window is None:
        return []
    spaces = [area.spaces.active for area in context.window.screen.areas if area.type == "VIEW_3D"]
    return [space for space in spaces if space.local_view]
