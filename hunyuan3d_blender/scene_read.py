# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender mesh -> numpy arrays in hy3dgen's convention (y up), with everything it carries."""

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from hy3dgen.errors import InvalidMeshError
from hy3dgen.mesh import Attribute

from . import edits, mesh_layers
from .mesh_layers import ActiveLayers, Layer
from .shape_keys import ShapeKey, read_shape_keys
from .vertex_groups import Groups

# Modifiers that remember vertices by number, so that they have to be bound again.
_BOUND = frozenset({"SURFACE_DEFORM", "MESH_DEFORM", "LAPLACIANDEFORM"})


@dataclass(frozen=True)
class MeshSnapshot:
    """A mesh as it was when a job began, enough to find it again or to do without it."""

    name: str  # of the object it was read from
    mesh_name: str
    session_uid: int  # of the mesh; undo keeps it
    matrix_world: Matrix
    vertices: np.ndarray  # (V, 3) float32, y up
    faces: np.ndarray  # (F, 3) int32, triangles
    layers: list[Layer]
    active: ActiveLayers
    normals: Attribute | None
    groups: Groups
    keys: list[ShapeKey]
    watch: edits.Watch

    @property
    def attributes(self) -> list[Attribute]:
        """Everything with a value of its own somewhere; each has a name of its own."""
        return [
            *(layer.attribute for layer in self.layers if not layer.constant),
            *filter(None, (self.normals, self.groups.weights)),
            *(key.offsets for key in self.keys if not key.still),
        ]


def snapshot(obj: bpy.types.Object) -> MeshSnapshot:
    mesh = obj.data
    triangles = mesh_layers.read_triangles(mesh)
    vertices = read_vertices(mesh)
    return MeshSnapshot(
        name=obj.name,
        mesh_name=mesh.name,
        session_uid=mesh.session_uid,
        matrix_world=obj.matrix_world.copy(),
        vertices=vertices,
        faces=triangles.faces,
        layers=mesh_layers.read_layers(mesh, triangles),
        active=ActiveLayers.read(mesh),
        normals=mesh_layers.read_normals(mesh, triangles),
        groups=Groups.read(obj),
        keys=read_shape_keys(mesh, z_up(vertices)),
        watch=edits.Watch(mesh),
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


def z_up(vertices: np.ndarray) -> np.ndarray:
    """(V, 3) float32, turned from y up to Blender's z up."""
    blender = np.empty((len(vertices), 3), np.float32)
    blender[:, 0] = vertices[:, 0]
    blender[:, 1] = -vertices[:, 2]
    blender[:, 2] = vertices[:, 1]
    return blender


def unchanged(mesh: bpy.types.Mesh, before: MeshSnapshot) -> bool:
    """Whether shape, attributes and shape keys are still those of the snapshot."""
    if len(mesh.vertices) != len(before.vertices):
        return False
    vertices = read_vertices(mesh)
    if not np.array_equal(vertices, before.vertices):
        return False
    if not before.watch.maybe_edited():
        return True
    triangles = mesh_layers.read_triangles(mesh)
    if not np.array_equal(triangles.faces, before.faces):
        return False
    layers = mesh_layers.read_layers(mesh, triangles)
    keys = read_shape_keys(mesh, z_up(vertices))
    now = [layer.attribute for layer in layers] + [key.offsets for key in keys]
    then = [layer.attribute for layer in before.layers] + [key.offsets for key in before.keys]
    return [one.name for one in now] == [one.name for one in then] and all(
        np.array_equal(a.values, b.values) for a, b in zip(now, then, strict=True)
    )


def users_of(mesh: bpy.types.Mesh) -> list[bpy.types.Object]:
    """The objects of this file that show the mesh."""
    return [obj for obj in bpy.data.objects if obj.data == mesh]


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


def not_kept(obj: bpy.types.Object) -> list[str]:
    """Sentences on what a reduction of this object leaves behind or disturbs."""
    found = []
    lost = mesh_layers.not_carried(obj.data)
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
