# SPDX-License-Identifier: GPL-3.0-or-later
"""Custom normals of a mesh, read, and written a few thousand triangles at a time.

Blender stores them as two numbers by corner, in the frame that the corner's own normals make, and
only it can work them out: 6 s for a million triangles. How a corner is stored depends on nothing
but the faces around its vertex, so small meshes of our own, with all faces around some of the
vertices, give the same numbers.
"""

from dataclasses import dataclass

import bpy
import numpy as np

from .geometry import Geometry
from .mesh_layers import CUSTOM_NORMAL
from .mesh_write import geometry_steps
from .steps import Steps, Target, in_thread, room_for

_AT_ONCE = 4_500  # corners of a small mesh's own vertices
_ROUNDS = 4
# Before, what is stored is no attribute that could be read and written.
_IN_PARTS = bpy.app.version >= (4, 5)


@dataclass(frozen=True)
class _Patch:
    """The faces around some vertices."""

    faces: np.ndarray  # (f,) numbers of the triangles
    own: np.ndarray  # (3f,) bool: corners at those vertices, around which no face is missing
    edges: np.ndarray  # (e,) numbers of the edges
    geometry: Geometry


def read_normals(target: Target) -> Steps:
    """(corners, 3) float32; None if there are none, or they are an attribute like any other."""
    mesh = target()
    stored = mesh.attributes.get(CUSTOM_NORMAL)
    if not mesh.has_custom_normals or (stored and stored.data_type == "FLOAT_VECTOR"):
        return None
    normals = yield from room_for((len(mesh.loops), 3), np.float32)
    target().corner_normals[0].as_pointer()  # Blender works them out
    yield None
    target().corner_normals.foreach_get("vector", normals.reshape(-1))
    yield None
    return normals


def write_normals(
    target: Target,
    geometry: Geometry,
    normals: np.ndarray,
    sharp_edges: np.ndarray | None,
    sharp_faces: np.ndarray | None,
) -> Steps:
    """Custom normals (3F, 3) for a mesh of this geometry; where they split, edges become sharp.

    `sharp_edges` (E,) and `sharp_faces` (F,): bools that the mesh already has.
    """
    if not _IN_PARTS or len(normals) <= _AT_ONCE:
        target().normals_split_custom_set(normals)
        yield None
        return
    patches = yield from in_thread(lambda: _patches(geometry))
    sharp = geometry.sharp_edges.copy() if sharp_edges is None else sharp_edges.copy()
    codes = np.zeros((len(normals), 2), np.int16)
    to_do = patches
    for _ in range(_ROUNDS):
        known = sharp.copy()
        for patch in to_do:
            _encode(patch, normals, known, sharp_faces, codes, sharp)
            yield None
        new = sharp & ~known
        # An edge that became sharp on one patch matters to those that lie beside it.
        to_do = [patch for patch in patches if new[patch.edges].any()]
        if not to_do:
            break
    yield from _write_bools(target, "sharp_edge", "EDGE", sharp)
    target().attributes.new(CUSTOM_NORMAL, "INT16_2D", "CORNER")
    target().attributes[CUSTOM_NORMAL].data.foreach_set("value", codes.ravel())
    yield None


def shade_flat(mesh: bpy.types.Mesh) -> None:
    mesh.polygons.foreach_set("use_smooth", np.zeros(len(mesh.polygons), np.bool_))


def _patches(geometry: Geometry) -> list[_Patch]:
    corners = geometry.corner_verts
    order = np.argsort(corners, kind="stable")
    vertices = corners[order]
    patches, begin = [], 0
    while begin < len(order):
        end = min(begin + _AT_ONCE, len(order))
        if end < len(order):  # not in the middle of a vertex, unless it has more than fit
            first = int(np.searchsorted(vertices, vertices[end]))
            end = first if first > begin else int(np.searchsorted(vertices, vertices[end], "right"))
        patches.append(_patch(geometry, order[begin:end], vertices[begin], vertices[end - 1]))
        begin = end
    return patches


def _patch(geometry: Geometry, corners: np.ndarray, low: int, high: int) -> _Patch:
    """The faces of these corners, which are all those of the vertices from `low` to `high`."""
    faces = np.unique(corners // 3)
    rows = (3 * faces[:, None] + np.arange(3)).ravel()
    vertices, corner_verts = np.unique(geometry.corner_verts[rows], return_inverse=True)
    edges, corner_edges = np.unique(geometry.corner_edges[rows], return_inverse=True)
    ends = geometry.edge_verts.reshape(-1, 2)[edges]
    at = geometry.corner_verts[rows]
    return _Patch(
        faces,
        (at >= low) & (at <= high),
        edges,
        Geometry(
            geometry.positions.reshape(-1, 3)[vertices].ravel(),
            corner_verts.astype(np.int32).ravel(),
            corner_edges.astype(np.int32).ravel(),
            np.searchsorted(vertices, ends).astype(np.int32).ravel(),
            np.arange(0, len(rows), 3, dtype=np.int32),
            np.zeros(len(edges), np.bool_),
        ),
    )


def _encode(
    patch: _Patch,
    normals: np.ndarray,
    known: np.ndarray,
    sharp_faces: np.ndarray | None,
    codes: np.ndarray,
    sharp: np.ndarray,
) -> None:
    """Fill in what Blender stores for the patch's own corners, and edges it has made sharp."""
    rows = (3 * patch.faces[:, None] + np.arange(3)).ravel()
    mesh = bpy.data.meshes.new("hy3d_normals")
    try:
        for step in geometry_steps(patch.geometry):
            step(mesh)
        for name, domain, values in (
            ("sharp_edge", "EDGE", known[patch.edges]),
            ("sharp_face", "FACE", None if sharp_faces is None else sharp_faces[patch.faces]),
        ):
            if values is not None and values.any():
                mesh.attributes.new(name, "BOOLEAN", domain).data.foreach_set("value", values)
        # A normal of zero stands for the one that is there anyway.
        mesh.normals_split_custom_set(np.where(patch.own[:, None], normals[rows], np.float32(0)))
        stored = np.empty((len(rows), 2), np.int16)
        mesh.attributes[CUSTOM_NORMAL].data.foreach_get("value", stored.ravel())
        codes[rows[patch.own]] = stored[patch.own]
        marked = mesh.attributes.get("sharp_edge")
        if marked is not None:
            found = np.empty(len(patch.edges), np.bool_)
            marked.data.foreach_get("value", found)
            sharp[patch.edges] |= found
    finally:
        bpy.data.meshes.remove(mesh)


def _write_bools(target: Target, name: str, domain: str, values: np.ndarray) -> Steps:
    if not values.any():
        return
    if name not in target().attributes:
        target().attributes.new(name, "BOOLEAN", domain)
    yield None
    target().attributes[name].data.foreach_set("value", values)
    yield None
