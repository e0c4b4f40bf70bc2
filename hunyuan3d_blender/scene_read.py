# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender mesh -> numpy arrays in hy3dgen's convention (y up), with everything it carries.

A `Reading` takes a mesh as it was when it began, in steps between which the artist goes on: of a
mesh Blender makes a copy at no cost, for both share their arrays until one of them is changed.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from hy3dgen.errors import InvalidMeshError
from hy3dgen.mesh import Attribute

from . import custom_normals, edits, mesh_layers, placing, vertex_groups
from .job import WAITING
from .mesh_layers import NORMALS, ActiveLayers, Corners, Layer, RawLayer
from .replaceable import check_replaceable
from .scratch import Held, Lost, Scratch
from .shape_keys import RawKey, ShapeKey, read_shape_keys
from .steps import Steps, in_thread, run_through
from .vertex_groups import WEIGHTS, Groups

_WEIGHTS_AT_ONCE = 1_000_000


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
    loose_edges: int
    watch: edits.Watch
    digests: Mapping[str, bytes]  # of everything that was read, to see later whether it changed

    @property
    def attributes(self) -> list[Attribute]:
        """Everything with a value of its own somewhere; each has a name of its own."""
        return [
            *(layer.attribute for layer in self.layers if not layer.constant),
            *filter(None, (self.normals, self.groups.weights)),
            *(key.offsets for key in self.keys if not key.still),
        ]


@dataclass(frozen=True)
class _Raw:
    """What lies in Blender's arrays."""

    positions: np.ndarray  # (3V,) float32, z up
    corners: Corners
    layers: list[RawLayer]
    stored_normals: np.ndarray | None  # as Blender stores them
    normals: np.ndarray | None  # (corners, 3)
    keys: list[RawKey]
    weights: np.ndarray  # (V, groups)

    def digests(self) -> dict[str, bytes]:
        arrays = {
            "positions": self.positions,
            "corners": self.corners.vertices,
            "starts": self.corners.starts,
            "normals": self.stored_normals,
            "weights": self.weights,
            **{f"layer {layer.domain} {layer.name}": layer.values for layer in self.layers},
            **{f"key {key.name}": key.positions for key in self.keys},
        }
        return {name: digest(array) for name, array in arrays.items() if array is not None}


class Reading:
    """One mesh that is being read.

    Parameters
    ----------
    at_once : nothing can come in between, so that there is no need for a copy
    """

    def __init__(self, obj: bpy.types.Object, at_once: bool) -> None:
        self._uid, self._name, self._at_once = obj.session_uid, obj.name, at_once
        self._holder: Scratch | None = None
        self._begin(obj)

    def _begin(self, obj: bpy.types.Object) -> None:
        self.close()
        self.watch = edits.Watch(obj.data)
        self._mesh_uid = obj.data.session_uid
        self._object = Held(obj)
        if not self._at_once:
            self._holder = Scratch(bpy.data.objects.new("hy3d_reading", obj.data))
            self._copy = self._holder.get().to_mesh()

    def close(self) -> None:
        if self._holder is not None:
            self._holder.discard()
            self._holder = None

    def find(self) -> bpy.types.Object | None:
        """The object that shows the mesh, if it still is there."""
        obj = placing.find(self._uid)
        return obj if obj is not None and obj.type == "MESH" else None

    def snapshot(self) -> Steps:
        """A `MeshSnapshot`. Begins again if the mesh is edited in the middle; InvalidMeshError if
        it is taken away.
        """
        while True:
            try:
                obj = self._object.get()
                groups = obj.vertex_groups
                named = {
                    "name": obj.name,
                    "mesh_name": obj.data.name,
                    "session_uid": obj.data.session_uid,
                    "matrix_world": obj.matrix_world.copy(),
                    "active": ActiveLayers.read(obj.data),
                }
                names = tuple(group.name for group in groups)
                locked = tuple(group.lock_weight for group in groups)
                active = groups.active_index
                raw = yield from self.raw()
                derived = yield from in_thread(partial(_derive, raw))
                weights = derived.pop("weights")
                return MeshSnapshot(
                    **named, **derived,
                    groups=Groups(names, locked, active, weights),
                    watch=self.watch,
                )  # fmt: skip
            except Lost:
                yield from self._begin_again()

    def raw(self) -> Steps:
        """`_Raw`; Lost where something came in between."""
        keys = yield from read_shape_keys(self._live)
        weights = yield from self._weights()
        if not self._at_once and self.watch.noticed():
            raise Lost  # neither of the two is part of the copy
        normals = yield from custom_normals.read_normals(self._frozen)
        stored = None
        if normals is not None and custom_normals.CUSTOM_NORMAL in self._frozen().attributes:
            stored = yield from mesh_layers.read_values(
                self._frozen, custom_normals.CUSTOM_NORMAL, mesh_layers.KINDS["INT16_2D"]
            )
        positions = yield from read_positions(self._frozen)
        corners = yield from mesh_layers.read_corners(self._frozen)
        layers = yield from mesh_layers.read_layers(self._frozen)
        return _Raw(positions, corners, layers, stored, normals, keys, weights)

    def positions(self) -> Steps:
        """(3V,) float32, z up; Lost where something came in between."""
        return (yield from read_positions(self._frozen))

    def _begin_again(self) -> Steps:
        yield None
        obj = self.find()
        if obj is None:
            raise InvalidMeshError(
                f"'{self._name}' was removed while it was read; select a mesh and start again"
            )
        check_replaceable(obj)
        self._begin(obj)

    def _frozen(self) -> bpy.types.Mesh:
        if self._at_once:
            return self._live()
        assert self._holder is not None
        self._holder.get()
        return self._copy

    def _live(self) -> bpy.types.Mesh:
        mesh = self._object.get().data
        if mesh.session_uid != self._mesh_uid:
            raise Lost
        return mesh

    def _weights(self) -> Steps:
        """(V, groups) float32, some groups at a time."""
        obj = self._object.get()
        vertices, groups = len(self._live().vertices), len(obj.vertex_groups)
        weights = np.zeros((vertices, groups), np.float32)
        step = max(_WEIGHTS_AT_ONCE // max(vertices, 1), 1)
        for begin in range(0, groups, step):
            while self._live().is_editmode:  # what Blender evaluates is not what is stored then
                yield WAITING
            obj, columns = self._object.get(), slice(begin, min(begin + step, groups))
            if len(self._live().vertices) != vertices or len(obj.vertex_groups) != groups:
                raise Lost
            weights[:, columns] = vertex_groups.read_weights(obj, columns)
            yield None
        return weights


def _derive(raw: _Raw) -> dict[str, Any]:
    """What a `MeshSnapshot` holds of it; in a thread."""
    triangles = raw.corners.triangles()
    normals = None
    if raw.normals is not None:
        values = raw.normals[triangles.loops]
        normals = Attribute(NORMALS, "corner", values, blend=True, unit_length=True)
    return {
        "vertices": y_up(raw.positions.reshape(-1, 3)),
        "faces": triangles.faces,
        "layers": [layer.on(triangles) for layer in raw.layers],
        "normals": normals,
        "keys": [key.on(raw.positions) for key in raw.keys],
        "weights": Attribute(WEIGHTS, "vertex", raw.weights) if raw.weights.any() else None,
        "loose_edges": raw.corners.loose_edges(),
        "digests": raw.digests(),
    }


def snapshot(obj: bpy.types.Object) -> MeshSnapshot:
    """At once."""
    reading = Reading(obj, at_once=True)
    return run_through(reading.snapshot())


def unchanged(obj: bpy.types.Object, before: MeshSnapshot, at_once: bool = True) -> Steps:
    """Whether the mesh of `obj` is the one of the snapshot, and a watch since this was looked at.

    Lost where something came in between.
    """
    reading = Reading(obj, at_once)
    try:
        positions = yield from reading.positions()
        same = yield from in_thread(lambda: digest(positions) == before.digests["positions"])
        if same and before.watch.maybe_edited():
            raw = yield from reading.raw()
            same = yield from in_thread(lambda: raw.digests() == before.digests)
        return same, reading.watch
    finally:
        reading.close()


def digest(array: np.ndarray) -> bytes:
    shape = repr((array.shape, array.dtype.str)).encode()
    values = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return hashlib.blake2b(values.data, digest_size=16, key=shape).digest()


def read_positions(target: Any) -> Steps:
    """(3V,) float32, z up."""
    found = yield from mesh_layers.read_values(
        target, "position", mesh_layers.KINDS["FLOAT_VECTOR"]
    )
    return found.ravel()


def read_vertices(mesh: bpy.types.Mesh) -> np.ndarray:
    """(V, 3) float32, turned from Blender's z up to y up."""
    return y_up(run_through(read_positions(lambda: mesh)).reshape(-1, 3))


def y_up(blender: np.ndarray) -> np.ndarray:
    """(V, 3) float32, turned from Blender's z up to y up."""
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
