# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of pictures in, a folder of GLB files out, without a window.

    blender -b --python examples/folder_of_pictures.py -- PICTURES OUT [--faces N] [--seed S]

The extension must be enabled in this Blender and its preferences must name the generation Python.
Prints one line per picture. The exit status is 1 if any of them failed, 2 for wrong arguments.
The model is loaded once, for the first picture.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import bpy

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


def main(arguments: list[str]) -> int:
    """Convert every picture; returns the exit status."""
    parser = argparse.ArgumentParser(prog="folder_of_pictures.py")
    parser.add_argument("pictures", type=Path, help="folder with one picture per object")
    parser.add_argument("out", type=Path, help="folder for the GLB files; made if missing")
    parser.add_argument("--faces", type=int, default=0, help="triangles per mesh; 0 keeps all")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    if not hasattr(bpy.types, "HUNYUAN3D_OT_generate"):
        parser.error("the Hunyuan3D extension is not enabled in this Blender")
    if not options.pictures.is_dir():
        parser.error(f"{options.pictures} is not a folder")
    pictures = sorted(p for p in options.pictures.iterdir() if p.suffix.lower() in SUFFIXES)
    if not pictures:
        parser.error(f"no pictures ({', '.join(sorted(SUFFIXES))}) in {options.pictures}")
    options.out.mkdir(parents=True, exist_ok=True)

    stems = Counter(picture.stem for picture in pictures)
    failed = 0
    for picture in pictures:
        name = picture.stem if stems[picture.stem] == 1 else picture.name
        target = options.out / f"{name}.glb"
        started = time.monotonic()
        try:
            faces = convert(picture, target, options.faces, options.seed)
        except RuntimeError as error:  # what a failed operator raises; its text is one sentence
            failed += 1
            print(f"FAILED {picture.name}: {str(error).strip().removeprefix('Error: ')}")
        else:
            print(f"{target}: {faces:,} faces in {time.monotonic() - started:.1f} s", flush=True)
    return 1 if failed else 0


def convert(picture: Path, target: Path, faces: int, seed: int) -> int:
    """One picture to one GLB file; the scene is afterwards as it was. Returns the face count."""
    bpy.ops.hunyuan3d.generate(filepath=str(picture), face_count=faces, seed=seed)
    obj = bpy.context.object
    mesh = obj.data
    try:
        bpy.ops.export_scene.gltf(filepath=str(target), export_format="GLB", use_selection=True)
        return len(mesh.polygons)
    finally:
        bpy.data.objects.remove(obj)
        bpy.data.meshes.remove(mesh)


if __name__ == "__main__":
    # Blender passes its own arguments on as well; ours come after "--".
    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    sys.exit(main(given))
