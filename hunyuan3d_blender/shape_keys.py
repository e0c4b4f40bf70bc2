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


def read_shape_keys(mesh: bpy.types.Mesh, positions: np.ndarray) -> list[ShapeKey]:
    """`positions`, (V, 3) float32, are the mesh's own."""
    keys = []
    for block in mesh.shape_keys.key_blocks if mesh.shape_keys else ():
        offsets = np.empty(positions.size, np.float32)
        block.data.foreach_get("co", offsets)
        offsets = offsets.reshape(-1, 3) - positions
        names = [*_PROPERTIES, *(name for name in _NEWER_PROPERTIES if hasattr(block, name))]
        keys.append(
            ShapeKey(
                block.name,
                block.relative_key.name,
                {name: getattr(block, name) for name in names},
                Attribute(f"shape key '{block.name}'", "vertex", offsets),
                not offsets.any(),
            )
        )
    return keys


def write_shape_keys(
    holder: bpy.types.Object,
    keys: list[ShapeKey],
    positions: np.ndarray,
    offsets: Mapping[str, np.ndarray],
) -> None:
    """New blocks for old ones on the mesh of `holder`, whose vertices are new.

    Parameters
    ----------
    positions : (V', 3) float32, those of the mesh
    offsets : by the names of the keys' attributes; none for keys that move nothing
    """
    mesh = holder.data
    old = list(mesh.shape_keys.key_blocks.keys()) if mesh.shape_keys else []
    new = {}
    for key in keys:
        block = holder.shape_key_add(name=_TEMPORARY + key.name, from_mix=False)
        moved = positions + offsets[key.offsets.name] if not key.still else positions
        block.data.foreach_set("co", np.ascontiguousarray(moved, np.float32).ravel())
        new[key.name] = block.name
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


def _drivers(keys: bpy.types.Key) -> Iterator[bpy.types.FCurve]:
    if keys.animation_data:
        yield from keys.animation_data.drivers


def _path(name: str) -> str:
    return f'key_blocks["{bpy.utils.escape_identifier(name)}"]'
