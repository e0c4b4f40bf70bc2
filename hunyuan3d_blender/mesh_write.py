# SPDX-License-Identifier: GPL-3.0-or-later
"""New meshes, written in slices so that the interface never waits for more than one copy.

`build_mesh` is a generator for `Job.finish`: it yields between its steps, in which undo and file
load may happen. Then what was written is gone or of another state, and it begins again.
"""

import threading
from collections.abc import Callable, Generator
from functools import partial
from math import radians
from typing import Any

import bpy
import numpy as np

from . import file_changes
from .geometry import Geometry, base_of, prepare
from .jobs import WAITING

Steps = Generator[str | None, None, Any]
# A surface read from a grid turns by less than this between neighbours unless there is an edge.
SHARP_ANGLE = radians(40.0)
_SLICE = 8_192  # polygons
_AT_HAND = 256  # polygons as Python objects; more of them set off the garbage collector, 40 ms
_AT_ONCE = 500_000  # polygons whose `loop_start` are set in one call


def in_thread(function: Callable[[], Any]) -> Steps:
    """Run `function`, which must not touch bpy, in a thread; yields until it is done."""
    outcome: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="hy3d-prepare", daemon=True)
    thread.start()
    while thread.is_alive():
        yield WAITING
    if errors:
        raise errors[0]
    return outcome[0]


def fill_small(mesh: bpy.types.Mesh, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Give an empty mesh its geometry at once, standing on its base: some thousand triangles."""
    geometry = prepare(vertices, faces, base_of(vertices), SHARP_ANGLE)
    for step in _fill(geometry):
        step(mesh)


def build_mesh(name: str, geometry: Geometry) -> Steps:
    """Yields between steps; returns a new mesh without users, good until the next yield."""
    while True:
        mesh = bpy.data.meshes.new(name)
        known, uid = file_changes.number(), mesh.session_uid
        try:
            for step in _fill(geometry):
                mesh = _find(uid)
                if mesh is None or file_changes.number() != known:
                    break
                step(mesh)
                yield None
            else:
                mesh = _find(uid)
                if mesh is not None and file_changes.number() == known:
                    uid = None
                    return mesh
        finally:
            _discard(uid)


def _fill(geometry: Geometry) -> list[Callable[[bpy.types.Mesh], None]]:
    """What has to be done to an empty mesh, in steps of some 10 ms for 2 million triangles."""
    corners = len(geometry.corner_verts)

    def edges(mesh: bpy.types.Mesh) -> None:
        mesh.edges.add(len(geometry.sharp_edges))

    def sharp(mesh: bpy.types.Mesh) -> None:
        if geometry.sharp_edges.any():
            attribute = mesh.attributes.new("sharp_edge", "BOOLEAN", "EDGE")
            attribute.data.foreach_set("value", geometry.sharp_edges)

    def all_starts(mesh: bpy.types.Mesh) -> None:
        mesh.polygons.foreach_set("loop_start", np.arange(0, corners, 3, dtype=np.int32))

    # No attribute stands for `loop_start`, and `foreach_set` takes 0.1 s for 2 million.
    starts = [all_starts]
    if corners // 3 > _AT_ONCE:
        starts = [partial(_set_starts, first) for first in range(0, corners // 3, _SLICE)]
    return [
        lambda mesh: mesh.vertices.add(len(geometry.positions) // 3),
        lambda mesh: _set(mesh, "position", "vector", geometry.positions),
        edges,
        lambda mesh: _set(mesh, ".edge_verts", "value", geometry.edge_verts),
        lambda mesh: mesh.loops.add(corners),
        lambda mesh: _set(mesh, ".corner_vert", "value", geometry.corner_verts),
        lambda mesh: _set(mesh, ".corner_edge", "value", geometry.corner_edges),
        lambda mesh: mesh.polygons.add(corners // 3),
        *starts,
        sharp,
        lambda mesh: mesh.update(),
    ]


def _set(mesh: bpy.types.Mesh, attribute: str, field: str, values: np.ndarray) -> None:
    """By name and through attributes: ten times as fast as the older collections."""
    mesh.attributes[attribute].data.foreach_set(field, values)


def _set_starts(first: int, mesh: bpy.types.Mesh) -> None:
    end = min(first + _SLICE, len(mesh.polygons))
    start = 3 * first
    for begin in range(first, end, _AT_HAND):
        for polygon in mesh.polygons[begin : min(begin + _AT_HAND, end)]:
            polygon.loop_start = start
            start += 3


def _find(uid: int | None) -> bpy.types.Mesh | None:
    return next((mesh for mesh in bpy.data.meshes if mesh.session_uid == uid), None)


def _discard(uid: int | None) -> None:
    mesh = _find(uid)
    if mesh is not None and not mesh.users:
        bpy.data.meshes.remove(mesh)
