# SPDX-License-Identifier: GPL-3.0-or-later
"""Shape keys as one vector for each vertex, and back onto the same datablock.

The datablock with its animation and drivers stays; only its blocks are made anew, because Blender
cannot change the number of points of one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from hy3dgen.mesh import Attribute

from .steps import Steps, Target, room_for
from .vertex_groups import holder_of

_PROPERTIES = ("slider_min", "slider_max", "value", "mute", "vertex_group", "interpolation")
_NEWER_PROPERTIES = ("lock_shape",)
_TEMPORARY = "hy3d_key "


@dataclass(frozen=True)
class ShapeKey:
    """One key: how far it moves each vertex, in Blender's axes."""

    name: str
    relative_to: str
    settings: Mapping[str, Any]
    offsets: Attribute  # (V, 3) float32, from the mesh's own positions
    still: bool  # moves nothing, as the basis does


@dataclass(frozen=True)
class RawKey:
    """A key as it lies in Blender: positions, z up."""

    name: str
    relative_to: str
    settings: Mapping[str, Any]
    positions: np.ndarray  # (3V,) float32

    def on(self, positions: np.ndarray) -> ShapeKey:
        """`positions`, (3V,) float32, are the mesh's own."""
        offsets = (self.positions - positions).reshape(-1, 3)
        attribute = Attribute(f"shape key '{self.name}'", "vertex", offsets)
        return ShapeKey(
            self.name, self.relative_to, self.settings, attribute, not bool(offsets.any())
        )


def read_shape_keys(target: Target) -> Steps:
    """`RawKey`s of a mesh, one at a time."""
    keys = []
    for name in _names(target()):
        positions = yield from room_for((3 * len(target().vertices),), np.float32)
        block = target().shape_keys.key_blocks[name]
        block.points.foreach_get("co", positions)
        names = [*_PROPERTIES, *(name for name in _NEWER_PROPERTIES if hasattr(block, name))]
        settings = {name: getattr(block, name) for name in names}
        keys.append(RawKey(block.name, block.relative_key.name, settings, positions))
        yield None
    return keys


def write_shape_keys(
    target: Target,
    keys: list[ShapeKey],
    positions: np.ndarray,
    offsets: Mapping[str, np.ndarray],
) -> Steps:
    """New blocks for old ones on a mesh whose vertices are new.

    Parameters
    ----------
    positions : (3V',) float32, those of the mesh
    offsets : by the names of the keys' attributes; none for keys that move nothing
    """
    old = _names(target())
    new = {}
    for key in keys:
        moved = positions if key.still else positions + offsets[key.offsets.name].ravel()
        with holder_of(target()) as holder:
            block = holder.shape_key_add(name=_TEMPORARY + key.name, from_mix=False)
            block.points.foreach_set("co", np.ascontiguousarray(moved, np.float32))
            new[key.name] = block.name
        yield None
    with holder_of(target()) as holder:
        _take_over(holder, keys, old, new)
    yield None


def _take_over(
    holder: bpy.types.Object, keys: list[ShapeKey], old: list[str], new: Mapping[str, str]
) -> None:
    mesh = holder.data
    blocks = mesh.shape_keys.key_blocks
    # Blender removes drivers with their block, so they belong to the new one by then.
    for curve in _drivers(mesh.shape_keys):
        for name in old:
            curve.data_path = curve.data_path.replace(_path(name), _path(new[name]))
    for name in reversed(old):  # the basis last: the next in line would move the mesh
        holder.shape_key_remove(blocks[name])
    for key in keys:
        blocks[new[key.name]].name = key.name  # drivers follow
    for key in keys:
        block = blocks[key.name]
        block.relative_key = blocks[key.relative_to]
        for _ in range(2):  # each end of the slider's range is clamped by the other one
            for name, value in key.settings.items():
                setattr(block, name, value)


def _names(mesh: bpy.types.Mesh) -> list[str]:
    return list(mesh.shape_keys.key_blocks.keys()) if mesh.shape_keys else []


def _drivers(keys: bpy.types.Key) -> Iterator[bpy.types.FCurve]:
    if keys.animation_data:
        yield from keys.animation_data.drivers


def _path(name: str) -> str:
    return f'key_blocks["{bpy.utils.escape_identifier(name)}"]'
