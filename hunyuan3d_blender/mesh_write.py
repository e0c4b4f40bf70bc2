# SPDX-License-Identifier: GPL-3.0-or-later
"""New meshes, written in slices so that the interface never waits for more than one copy.

`build_mesh` is a generator for `Job.finish`: it yields between its steps, in which undo and file
load may happen. Then what was written is gone or of another state, and it begins again.
"""

from collections.abc import Callable
from math import radians

import bpy
import numpy as np

from . import raw_arrays
from .geometry import Geometry, base_of, prepare
from .scratch import Lost, Scratch
from .steps import Steps

# A surface read from a grid turns by less than this between neighbours unless there is an edge.
SHARP_ANGLE = radians(40.0)


def fill_small(mesh: bpy.types.Mesh, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Give an empty mesh its geometry at once, standing on its base: some thousand triangles."""
    geometry = prepare(vertices, faces, base_of(vertices), SHARP_ANGLE)
    for step in geometry_steps(geometry):
        step(mesh)


def build_mesh(name: str, geometry: Geometry) -> Steps:
    """Yields between steps; returns a new mesh without users, good until the next yield."""
    while True:
        mesh = Scratch(bpy.data.meshes.new(name))
        try:
            for step in geometry_steps(geometry):
                step(mesh.get())
                yield None
            return mesh.keep()
        except Lost:
            continue
        finally:
            mesh.discard()


def geometry_steps(geometry: Geometry) -> list[Callable[[bpy.types.Mesh], None]]:
    """What has to be done to an empty mesh, in steps of some 10 ms for 2 million triangles."""
    corners = len(geometry.corner_verts)

    def edges(mesh: bpy.types.Mesh) -> None:
        mesh.edges.add(len(geometry.sharp_edges))

    def sharp(mesh: bpy.types.Mesh) -> None:
        if geometry.sharp_edges.any():
            attribute = mesh.attributes.new("sharp_edge", "BOOLEAN", "EDGE")
            attribute.data.foreach_set("value", geometry.sharp_edges)

    return [
        lambda mesh: mesh.vertices.add(len(geometry.positions) // 3),
        lambda mesh: _set(mesh, "position", "vector", geometry.positions),
        edges,
        lambda mesh: _set(mesh, ".edge_verts", "value", geometry.edge_verts),
        lambda mesh: mesh.loops.add(corners),
        lambda mesh: _set(mesh, ".corner_vert", "value", geometry.corner_verts),
        lambda mesh: _set(mesh, ".corner_edge", "value", geometry.corner_edges),
        lambda mesh: mesh.polygons.add(corners // 3),
        lambda mesh: raw_arrays.write_starts(mesh, geometry.starts),
        sharp,
        lambda mesh: mesh.update(),
    ]


def _set(mesh: bpy.types.Mesh, attribute: str, field: str, values: np.ndarray) -> None:
    """By name and through attributes: ten times as fast as the older collections."""
    mesh.attributes[attribute].data.foreach_set(field, values)
