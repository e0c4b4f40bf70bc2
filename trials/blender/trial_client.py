# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Blender without a window, the extension's zip installed, in folders of this trial's own.

What the trials beside it share: the start, a small scene, what a job leaves, the processes.
"""

import contextlib
import os
import re
import sys
import tempfile
import threading
from pathlib import Path

EXTENSION = "bl_ext.user_default.hunyuan3d_blender"
QUICK = {"num_inference_steps": 2, "octree_resolution": 32, "face_count": 400}


class Places:
    """Folders of one trial: Blender's user files, temporary files, memory for shared arrays."""

    def __init__(self, home: Path, memory: Path) -> None:
        self.home, self.memory = home, memory
        self.temp = home / "temp"

    def leftovers(self) -> set[str]:
        """What the extension has put into the folders for temporary things and not removed."""
        return {str(path) for root in (self.temp, self.memory) for path in root.glob("*hy3d*")}


def start(places: Places, extension_zip: str) -> None:
    """Import Blender and enable the extension, installing it the first time."""
    # The repository's own hy3dgen would hide the wheel's, which is the one under test.
    sys.path[:] = [folder for folder in sys.path if not Path(folder or ".", "hy3dgen").is_dir()]
    places.temp.mkdir(parents=True, exist_ok=True)
    os.environ["BLENDER_USER_RESOURCES"] = str(places.home)
    os.environ["TMPDIR"] = tempfile.tempdir = str(places.temp)
    os.environ["HY3DGEN_DATA"] = str(places.home / "data")
    os.environ["HY3DGEN_MODELS"] = str(places.home / "models")
    os.environ["HF_HOME"] = str(places.home / "hub")
    import bpy

    installed = (places.home / "extensions" / "user_default" / "hunyuan3d_blender").is_dir()
    if installed and EXTENSION not in bpy.context.preferences.addons:
        bpy.ops.preferences.addon_enable(module=EXTENSION)
    elif not installed:
        bpy.ops.extensions.package_install_files(
            filepath=extension_zip, repo="user_default", enable_on_install=True
        )
        if bpy.app.binary_path:  # a program begins with its saved preferences, a module does not
            bpy.ops.wm.save_userpref()
    from hy3dgen.worker import shared_arrays

    shared_arrays.default_roots = lambda: [places.memory, places.temp]


def new_scene(subdivisions: int) -> None:
    """Two spheres, the first with 20 * 4 ** (subdivisions - 1) triangles and selected."""
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=2, location=(3, 0, 0))
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=subdivisions, calc_uvs=False)


def fingerprint() -> dict:
    """Everything that a failed job must leave alone."""
    import bpy
    import numpy as np

    objects = {}
    for obj in bpy.data.objects:
        points = np.empty(3 * len(obj.data.vertices), np.float32)
        obj.data.vertices.foreach_get("co", points)
        place = tuple(tuple(row) for row in obj.matrix_world)
        faces = len(obj.data.polygons)
        objects[obj.name] = (obj.data.name, place, obj.select_get(), faces, points.tobytes())
    counts = {name: len(getattr(bpy.data, name)) for name in ("meshes", "images", "materials")}
    active = bpy.context.view_layer.objects.active
    return {"objects": objects, "counts": counts, "active": active.name if active else ""}


def run_job(kind: str, picture: Path) -> str:
    """One blocking job on the scene as it is: "" if it was done, else the operator's words."""
    import bpy

    try:
        if kind == "generate":
            done = bpy.ops.hunyuan3d.generate(filepath=str(picture), **QUICK)
        else:
            done = bpy.ops.hunyuan3d.reduce_faces(face_count=60)
    except RuntimeError as error:
        return str(error).strip() or "an error without words"
    return "" if done == {"FINISHED"} else f"the operator answered {done}"


def close_workers() -> None:
    sys.modules[f"{EXTENSION}.job_timer"].queue.close()


def wrong_words(words: str) -> str:
    """What is wrong with an error message; "" if it is one plain sentence."""
    if "\n" in words or "Traceback" in words or not 20 < len(words) < 500:
        return f"no sentence: {words!r}"
    return ""


# --- this process and its children (Linux) --------------------------------------------------------


def descriptors() -> dict[str, str]:
    """Open descriptors of this process and what they are."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found[entry.name] = re.sub(r"\[\d+\]", "", os.readlink(entry))
    return found


def own_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith(("hy3d", "hy3dgen"))]


def children(of: int | None = None) -> set[int]:
    """Processes that this one, or `of`, started and that still run (zombies do not)."""
    of, found = of or os.getpid(), set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == of and fields[0] != "Z":
                found.add(int(folder.name))
    return found
