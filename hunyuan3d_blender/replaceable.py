# SPDX-License-Identifier: GPL-3.0-or-later
"""Who shows a mesh, whether it can get new geometry, and what would be lost with the old."""

import bpy

from hy3dgen.errors import InvalidMeshError

from . import mesh_layers
from .scratch import is_scratch

# Modifiers that remember vertices by number, so that they have to be bound again.
_BOUND = frozenset({"SURFACE_DEFORM", "MESH_DEFORM", "LAPLACIANDEFORM"})


def users_of(mesh: bpy.types.Mesh) -> list[bpy.types.Object]:
    """The objects of this file that show the mesh."""
    return [obj for obj in bpy.data.objects if obj.data == mesh and not is_scratch(obj)]


def check_own_faces(obj: bpy.types.Object) -> None:
    """InvalidMeshError if there are no faces, or they belong to another file."""
    if not obj.data.polygons:
        raise InvalidMeshError(f"'{obj.name}' has no faces; select a mesh with faces")
    if obj.library or obj.data.library:
        raise InvalidMeshError(
            f"'{obj.name}' is linked from another file; make it local first (Object > Relations)"
        )


def check_replaceable(obj: bpy.types.Object) -> None:
    """InvalidMeshError if new geometry in this object would destroy or change something else."""
    check_own_faces(obj)
    mesh = obj.data
    if mesh.override_library:
        raise InvalidMeshError(
            f"the mesh of '{obj.name}' is a library override; make it local first"
        )
    if mesh.shape_keys and not mesh.shape_keys.use_relative:
        raise InvalidMeshError(
            f"the shape keys of '{obj.name}' are absolute, and their times would be lost; turn on "
            "Relative beside them, or remove them first"
        )
    if any(modifier.type == "MULTIRES" for modifier in obj.modifiers):
        raise InvalidMeshError(
            f"'{obj.name}' has a Multiresolution modifier, whose sculpted detail would be lost; "
            "apply it first"
        )


def triangles_of(mesh: bpy.types.Mesh) -> int:
    """A polygon with n corners is drawn as n - 2 triangles."""
    return len(mesh.loops) - 2 * len(mesh.polygons)


def not_kept(obj: bpy.types.Object, loose_edges: int) -> list[str]:
    """Sentences on what a reduction of this object leaves behind or disturbs."""
    found = []
    lost = mesh_layers.not_carried(obj.data, loose_edges)
    if lost:
        found.append(f"'{obj.name}' does not keep {', '.join(lost)}")
    for modifier in obj.modifiers:
        bound = modifier.type in _BOUND and modifier.is_bound
        bound |= modifier.type == "CORRECTIVE_SMOOTH" and modifier.rest_source == "BIND"
        bound |= modifier.type == "HOOK" and len(modifier.vertex_indices) > 0
        if bound:
            found.append(
                f"'{obj.name}': the modifier '{modifier.name}' knows vertices by their numbers; "
                "bind it again"
            )
    return found
