# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that cannot be written, and paths that are long and full of odd letters."""

import contextlib
import os
import shutil
import sys
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from conftest import EXTENSION, mount_memory, remount, unmount  # noqa: E402
from scenes import add_sphere, fingerprint, select  # noqa: E402

pytestmark = [
    pytest.mark.usefixtures("nothing_left"),
    pytest.mark.skipif(sys.platform == "win32", reason="permissions and mounts of POSIX"),
]
AWKWARD = """it's "a" folder; $HOME & %TEMP% ümläut 日本語"""
LONG = "x" * 150 + "/" + "ü" * 75


@contextlib.contextmanager
def read_only(folder: Path):
    """Nobody can write to `folder`; root only not with a mount of its own over it."""
    if os.geteuid():
        folder.chmod(0o500)
        yield
        folder.chmod(0o700)
        return
    if not mount_memory(folder, "ro"):
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        unmount(folder)


def test_a_home_that_cannot_be_written_costs_the_log_only(scene, module):
    sphere = add_sphere()
    user = Path(bpy.utils.extension_path_user(EXTENSION, path="", create=True))
    with read_only(user):
        assert bpy.ops.hunyuan3d.reduce_faces(face_count=100) == {"FINISHED"}
        assert module("environment").mesh_worker().log_path is None
        module("job_timer").queue.close()
    assert len(sphere.data.polygons) == 100


@pytest.mark.parametrize("name", [AWKWARD, LONG])
def test_a_picture_under_any_path(scene, preferences, tmp_path, name):
    preferences.python = ""
    folder = tmp_path / name
    folder.mkdir(parents=True)
    picture = shutil.copy(Path(__file__).with_name("mug.png"), folder / 'it\'s 100% "me".png')
    assert name == AWKWARD or len(str(picture).encode()) > 300
    quick = {"num_inference_steps": 2, "octree_resolution": 32, "face_count": 400}
    assert bpy.ops.hunyuan3d.generate(filepath=str(picture), **quick) == {"FINISHED"}
    assert bpy.context.object.name.startswith("it's 100%")


def test_a_blend_file_in_a_folder_that_cannot_be_written(scene, preferences, tmp_path):
    """Work goes on as anywhere; only a texture beside the file has no place, which is said."""
    preferences.python = ""
    folder = tmp_path / "archive"
    folder.mkdir()
    add_sphere()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "old.blend"))
    picture = str(Path(__file__).with_name("mug.png"))
    kept = shutil.copy(folder / "old.blend", tmp_path)
    with read_only(folder):
        if not (folder / "old.blend").exists():  # below the mount of `read_only`
            remount(folder, writable=True)
            shutil.copy(kept, folder)
            remount(folder, writable=False)
        bpy.ops.wm.open_mainfile(filepath=str(folder / "old.blend"))
        sphere = bpy.data.objects["Sphere"]
        select(sphere)
        before = fingerprint()
        with pytest.raises(RuntimeError, match=r"cannot be saved in .*archive; choose to pack it"):
            bpy.ops.hunyuan3d.texture(filepath=picture, storage="FILE", texture_size="512")
        assert fingerprint() == before
        assert bpy.ops.hunyuan3d.reduce_faces(face_count=100) == {"FINISHED"}
        assert len(sphere.data.polygons) == 100
        quick = {"num_inference_steps": 2, "octree_resolution": 32, "face_count": 400}
        assert bpy.ops.hunyuan3d.generate(filepath=picture, **quick) == {"FINISHED"}
        assert bpy.ops.hunyuan3d.texture(filepath=picture, texture_size="512") == {"FINISHED"}
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
