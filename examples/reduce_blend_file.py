# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mesh of a blend file with too many faces is reduced; the result is a new blend file.

    blender -b SCENE.blend --python examples/reduce_blend_file.py -- OUT.blend [--ratio R]
        [--least N] [--method quality]

Objects keep their names, transforms, parents and animation. Meshes of fewer than N triangles, and
what cannot be reduced (linked from another file, for example), stay as they are and are named.
The exit status is 1 if any was left for such a reason, 2 for wrong arguments.
"""

import argparse
import importlib
import sys
from pathlib import Path

import bpy

EXTENSION = "bl_ext.user_default.hunyuan3d_blender"


def main(arguments: list[str]) -> int:
    """Reduce and save; returns the exit status."""
    parser = argparse.ArgumentParser(prog="reduce_blend_file.py")
    parser.add_argument("out", type=Path, help="blend file to write")
    parser.add_argument("--ratio", type=float, default=0.25, help="share of triangles to keep")
    parser.add_argument("--least", type=int, default=1000, help="triangles not worth reducing")
    parser.add_argument("--method", choices=("quality", "fast"), default="quality")
    options = parser.parse_args(arguments)
    if not 0 < options.ratio < 1:
        parser.error(f"--ratio is {options.ratio}; a number between 0 and 1 is wanted")
    if not hasattr(bpy.types, "HUNYUAN3D_OT_reduce_faces"):
        parser.error("the Hunyuan3D extension is not enabled in this Blender")
    api = importlib.import_module(f"{EXTENSION}.api")

    failed = 0
    for obj in one_object_a_mesh():
        before = triangles(obj.data)
        if before < options.least:
            continue
        try:
            api.reduce_faces([obj], ratio=options.ratio, method=options.method)
        except api.Hy3DError as error:
            failed += 1
            print(f"LEFT {obj.name}: {error}")
        else:
            print(f"{obj.name}: {before:,} -> {triangles(obj.data):,} triangles", flush=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(options.out.absolute()), copy=True)
    print(f"{options.out}: {'with what was left' if failed else 'done'}")
    return 1 if failed else 0


def one_object_a_mesh() -> list[bpy.types.Object]:
    """Of objects that share a mesh the first one stands for all."""
    found = {
        obj.data: obj for obj in reversed(bpy.context.view_layer.objects) if obj.type == "MESH"
    }
    return list(found.values())[::-1]


def triangles(mesh: bpy.types.Mesh) -> int:
    mesh.calc_loop_triangles()
    return len(mesh.loop_triangles)


if __name__ == "__main__":
    # Blender passes its own arguments on as well; ours come after "--".
    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    sys.exit(main(given))
