# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input gets one sentence; the scene stays as it was and nothing is left behind."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from scenes import add_sphere, fingerprint, save_picture, select  # noqa: E402

pytestmark = pytest.mark.usefixtures("nothing_left")


def refused(operator, words: str, **settings) -> None:
    """The operator fails with one sentence that has these words, and changes nothing."""
    before = fingerprint()
    with pytest.raises(RuntimeError, match=words) as caught:
        operator(**settings)
    assert fingerprint() == before
    message = str(caught.value).strip()
    assert "\n" not in message and "Traceback" not in message


def reduce_refused(words: str, **settings) -> None:
    refused(bpy.ops.hunyuan3d.reduce_faces, words, **settings)


def generate_refused(words: str, **settings) -> None:
    refused(bpy.ops.hunyuan3d.generate, words, **settings)


# --- reduce ---------------------------------------------------------------------------------------


def test_nothing_selected(scene):
    add_sphere()
    select()
    reduce_refused("Nothing is selected")


def test_curve_selected(scene):
    bpy.ops.curve.primitive_bezier_circle_add()
    reduce_refused("'BézierCircle' is not a mesh|'BezierCircle' is not a mesh")


def test_mesh_without_faces(scene):
    mesh = bpy.data.meshes.new("Empty")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0)], [(0, 1)], [])
    obj = bpy.data.objects.new("Wire", mesh)
    scene.collection.objects.link(obj)
    select(obj)
    reduce_refused("'Wire' has no faces")


def test_one_mesh_without_faces_refuses_the_whole_selection(scene):
    sphere = add_sphere()
    empty = bpy.data.objects.new("Void", bpy.data.meshes.new("Void"))
    scene.collection.objects.link(empty)
    select(sphere, empty)
    reduce_refused("'Void' has no faces", face_count=100)


@pytest.mark.parametrize("face_count", [0, 3])
def test_budget_too_small(scene, face_count):
    add_sphere()
    reduce_refused(f"[Cc]annot reduce to {face_count} faces", face_count=face_count)


@pytest.mark.parametrize("face_count", [1280, 2_000_000])
def test_budget_not_smaller_than_the_mesh(scene, face_count):
    add_sphere(subdivisions=4)
    reduce_refused("'Sphere' has 1,280 triangles, not more than", face_count=face_count)


def test_ratio_of_zero(scene):
    add_sphere()
    reduce_refused("[Cc]annot reduce to a ratio of 0", use_ratio=True, ratio=0.0)


def test_ratio_of_one(scene):
    add_sphere()
    reduce_refused("5,120 triangles, not more than the 5,120", use_ratio=True, ratio=1.0)


def test_absolute_shape_keys(scene):
    sphere = add_sphere()
    sphere.shape_key_add(name="Basis")
    sphere.shape_key_add(name="Smile")
    sphere.data.shape_keys.use_relative = False
    reduce_refused("shape keys of 'Sphere' are absolute", face_count=100)


def test_multiresolution(scene):
    sphere = add_sphere()
    sphere.modifiers.new("Multires", "MULTIRES")
    reduce_refused("'Sphere' has a Multiresolution modifier", face_count=100)


def test_mesh_linked_from_a_library(scene, tmp_path):
    add_sphere("Far")
    library = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=library, copy=True)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(library, link=True) as (_, wanted):
        wanted.objects = ["Far"]
    bpy.context.scene.collection.objects.link(bpy.data.objects["Far"])
    select(bpy.data.objects["Far"])
    reduce_refused("is linked from another file", face_count=100)


def test_vertex_that_is_not_a_number(scene):
    sphere = add_sphere()
    sphere.data.vertices[0].co.x = float("nan")
    reduce_refused("finite|not a number|NaN|nan", face_count=100)


# --- generate -------------------------------------------------------------------------------------


@pytest.fixture
def picture(tmp_path) -> Path:
    """A small picture: a red square on nothing."""
    pixels = np.zeros((64, 64, 4))
    pixels[16:48, 16:48] = 1, 0, 0, 1
    return save_picture(tmp_path / "red.png", pixels)


def test_no_picture(scene):
    generate_refused("[Nn]o picture is chosen")


def test_missing_picture(scene):
    generate_refused("gone.png' does not exist", filepath="/tmp/gone.png")


def test_no_generation_python_runs_the_bundled_model_only(scene, preferences, picture, tmp_path):
    preferences.python = ""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.yaml").write_text("model: {}")
    generate_refused(
        "lacks torch.*bundled model only; choose a Python with PyTorch",
        filepath=str(picture),
        model=str(tmp_path / "model"),
    )


def test_generation_python_missing(scene, preferences, picture):
    preferences.python = "/nowhere/python"
    generate_refused("/nowhere/python does not exist", filepath=str(picture))


@pytest.mark.skipif(os.name == "nt", reason="programs of POSIX")
@pytest.mark.parametrize("program", ["true", "cat"])
def test_generation_python_is_another_program(scene, preferences, picture, program):
    preferences.python = shutil.which(program)
    generate_refused("worker|Python", filepath=str(picture))


def test_generation_python_is_no_program(scene, preferences, picture):
    preferences.python = str(picture)
    generate_refused("red.png", filepath=str(picture))


def test_generation_python_without_torch(scene, preferences, picture):
    import sys

    preferences.python = sys.executable  # has bpy and pytest, no torch
    generate_refused("[Tt]orch", filepath=str(picture))


def test_model_folder_missing(scene, worker_python, picture):
    generate_refused("/nowhere/model does not exist", filepath=str(picture), model="/nowhere/model")


def test_model_folder_without_a_model(scene, worker_python, picture, tmp_path):
    generate_refused(str(tmp_path), filepath=str(picture), model=str(tmp_path))


@pytest.mark.parametrize(
    "content",
    [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40],
    ids=["empty", "text", "cut"],
)
@pytest.mark.parametrize("python", ["chosen", "Blender's own"])
def test_picture_that_is_none(scene, tiny_model, preferences, tmp_path, content, python):
    if python != "chosen":
        preferences.python = ""
    broken = tmp_path / "broken.png"
    broken.write_bytes(content)
    generate_refused("broken.png", filepath=str(broken))


def test_pictures_that_the_small_model_cannot_use(scene, preferences, tmp_path):
    preferences.python = ""
    rng = np.random.default_rng(0)
    save_picture(tmp_path / "small.png", rng.random((8, 8, 4)))
    generate_refused("at least 16 x 16", filepath=str(tmp_path / "small.png"))
    save_picture(tmp_path / "noise.png", np.dstack([rng.random((64, 64, 3)), np.ones((64, 64))]))
    generate_refused("background is not plain", filepath=str(tmp_path / "noise.png"))
    save_picture(tmp_path / "clear.png", np.zeros((64, 64, 4)))
    generate_refused("transparent", filepath=str(tmp_path / "clear.png"))


def test_folder_as_picture(scene, worker_python, tmp_path):
    generate_refused("does not exist|folder", filepath=str(tmp_path))
