# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture becomes a mesh, and the mesh a turntable: numbered PNGs, all around it.

    blender -b --factory-startup --addons bl_ext.user_default.hunyuan3d_blender \\
        --python examples/turntable.py -- PICTURE OUT [--frames N] [--size PIXELS]

The exit status is 1 if no mesh could be made, 2 for wrong arguments.
"""

import argparse
import importlib
import sys
from math import radians
from pathlib import Path

import bpy
from mathutils import Vector

EXTENSION = "bl_ext.user_default.hunyuan3d_blender"


def main(arguments: list[str]) -> int:
    """Generate and render; returns the exit status."""
    parser = argparse.ArgumentParser(prog="turntable.py")
    parser.add_argument("picture", type=Path)
    parser.add_argument("out", type=Path, help="folder for the frames; made if missing")
    parser.add_argument("--frames", type=int, default=36)
    parser.add_argument("--size", type=int, default=480, help="pixels a side")
    parser.add_argument("--samples", type=int, default=16, help="rays a pixel; more is smoother")
    options = parser.parse_args(arguments)
    if not hasattr(bpy.types, "HUNYUAN3D_OT_generate"):
        parser.error("the Hunyuan3D extension is not enabled in this Blender")
    api = importlib.import_module(f"{EXTENSION}.api")

    for obj in list(bpy.data.objects):  # what a new file begins with
        bpy.data.objects.remove(obj)
    try:
        made = api.generate(options.picture.absolute())
    except api.Hy3DError as error:
        print(f"FAILED {options.picture.name}: {error}")
        return 1
    put_on_stage(made, options.frames)
    set_up_render(options.size, options.samples)
    scene = bpy.context.scene
    for frame in range(options.frames):
        scene.frame_set(frame)
        scene.render.filepath = str(options.out.absolute() / f"{frame:03}.png")
        bpy.ops.render.render(write_still=True)
        print(f"{scene.render.filepath}", flush=True)
    return 0


def put_on_stage(obj: bpy.types.Object, frames: int) -> None:
    """The object turns once; a camera sees all of it, two lamps light it."""
    scene = bpy.context.scene
    obj.location = (0, 0, 0)
    for frame, turn in ((0, 0), (frames, 360)):
        obj.rotation_euler.z = radians(turn)
        obj.keyframe_insert("rotation_euler", index=2, frame=frame)
    for curve in _curves(obj.animation_data.action):
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"
    corners = [Vector(corner) for corner in obj.bound_box]
    middle = sum(corners, Vector()) / 8
    radius = max((corner - middle).length for corner in corners)

    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    away = Vector((0, -1, 0.45)).normalized()
    camera.location = middle + away * radius * 2.7
    camera.rotation_euler = away.to_track_quat("Z", "Y").to_euler()
    scene.collection.objects.link(camera)
    scene.camera = camera
    for direction, power in (((-1, -1, 1.5), 3.0), ((1.5, 0.5, 0.5), 1.0)):
        lamp = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
        lamp.data.energy = power
        lamp.rotation_euler = Vector(direction).to_track_quat("Z", "Y").to_euler()
        scene.collection.objects.link(lamp)


def _curves(action: bpy.types.Action) -> list[bpy.types.FCurve]:
    """All animation curves; Blender 5 keeps them in layers."""
    if hasattr(action, "fcurves"):
        return list(action.fcurves)
    strips = [strip for layer in action.layers for strip in layer.strips]
    return [curve for strip in strips for bag in strip.channelbags for curve in bag.fcurves]


def set_up_render(size: int, samples: int) -> None:
    render = bpy.context.scene.render
    render.engine = "CYCLES"  # the one engine that needs no window system
    bpy.context.scene.cycles.samples = samples
    bpy.context.scene.cycles.use_denoising = False
    render.resolution_x = render.resolution_y = size
    render.film_transparent = True
    render.image_settings.file_format = "PNG"
    world = bpy.context.scene.world or bpy.data.worlds.new("World")
    bpy.context.scene.world = world
    world.color = (0.6, 0.6, 0.6)


if __name__ == "__main__":
    # Blender passes its own arguments on as well; ours come after "--".
    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    sys.exit(main(given))
