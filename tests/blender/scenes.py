# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects for the tests, and a fingerprint that tells whether anything in the file changed."""

from pathlib import Path

import bpy
import numpy as np

_COUNTED = ("objects", "meshes", "curves", "materials", "images", "collections", "texts")


def add_sphere(name: str = "Sphere", subdivisions: int = 5) -> bpy.types.Object:
    """An icosphere: 20 * 4**(subdivisions - 1) triangles, no UV map."""
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=subdivisions, calc_uvs=False)
    bpy.context.object.name = bpy.context.object.data.name = name
    return bpy.context.object


def select(*objects: bpy.types.Object) -> None:
    bpy.ops.object.select_all(action="DESELECT")
    for obj in objects:
        obj.select_set(True)
    bpy.context.view_layer.objects.active = objects[0] if objects else None


def positions(obj: bpy.types.Object) -> np.ndarray:
    """(V, 3) float32 in the object's own space, z up."""
    flat = np.empty(3 * len(obj.data.vertices), np.float32)
    obj.data.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3)


def save_picture(path: Path, pixels: np.ndarray) -> Path:
    """A PNG of `(H, W, 4)` values from 0 to 1, row 0 at the top, written by Blender itself."""
    height, width, _ = pixels.shape
    image = bpy.data.images.new("saved", width, height, alpha=True)
    image.pixels.foreach_set(np.ascontiguousarray(pixels[::-1], np.float32).ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path


def fingerprint() -> dict:
    """Everything that bad input must leave alone."""
    counts = {kind: len(getattr(bpy.data, kind)) for kind in _COUNTED}
    objects = {}
    for obj in bpy.data.objects:
        mesh = obj.data if obj.type == "MESH" else None
        objects[obj.name] = (
            obj.type,
            obj.data.name if obj.data else None,
            tuple(tuple(row) for row in obj.matrix_world),
            obj.select_get(),
            positions(obj).tobytes() if mesh else None,
            len(mesh.polygons) if mesh else None,
            tuple(slot.name for slot in obj.material_slots),
            len(mesh.shape_keys.key_blocks) if mesh and mesh.shape_keys else 0,
        )
    active = bpy.context.view_layer.objects.active
    return {"counts": counts, "objects": objects, "active": active.name if active else None}
