# SPDX-License-Identifier: GPL-3.0-or-later
"""`hunyuan3d.generate` with the bundled model, picture to mesh, and the headless recipe."""

import runpy
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from scenes import add_sphere, fingerprint, positions  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_left")]

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"num_inference_steps": 4, "octree_resolution": 48}


@pytest.fixture
def mug(tiny_model, tmp_path) -> Path:
    """A mug from the generator of training pictures, under a name with a space."""
    picture = Path(__file__).parent / "mug.png"
    return Path(shutil.copy(picture, tmp_path / "My mug.png"))


def test_picture_becomes_a_mesh_at_the_cursor(scene, mug):
    bpy.context.scene.cursor.location = (1, 2, 3)
    other = add_sphere()
    bpy.ops.object.mode_set(mode="EDIT")
    assert bpy.ops.hunyuan3d.generate(filepath=str(mug), **QUICK) == {"FINISHED"}
    made = bpy.context.object
    assert made.name == "My mug" and tuple(made.location) == (1, 2, 3)
    assert bpy.context.selected_objects == [made] and other.mode == "OBJECT"
    points = positions(made)
    assert points[:, 2].min() == pytest.approx(0, abs=1e-5), "stands on its base"
    assert 0.3 < np.ptp(points, axis=0).max() <= 2.1
    assert len(made.data.polygons) > 100
    assert not made.data.validate()
    assert all(polygon.use_smooth for polygon in made.data.polygons)
    how = made["hunyuan3d"].to_dict()
    assert how["picture"] == str(mug) and how["octree_resolution"] == 48 and how["seed"] == 0
    assert how["faces_raw"] >= len(made.data.polygons) and how["seconds"]["denoise"] > 0


def test_with_a_texture_in_the_same_step(scene, mug):
    images = len(bpy.data.images)
    bpy.ops.hunyuan3d.generate(filepath=str(mug), texture_size=128, **QUICK)
    made = bpy.context.object
    (material,) = made.data.materials
    (image,) = [n.image for n in material.node_tree.nodes if n.type == "TEX_IMAGE"]
    assert tuple(image.size) == (128, 128) and image.packed_file
    assert len(bpy.data.images) == images + 1
    uvs = np.empty(2 * len(made.data.loops), np.float32)
    made.data.uv_layers.active.uv.foreach_get("vector", uvs)
    assert 0 <= uvs.min() and uvs.max() <= 1 and np.ptp(uvs) > 0.5
    pixels = np.array(image.pixels[:]).reshape(-1, 4)
    assert np.ptp(pixels[:, :3]) > 0.1, "the picture's colours"
    assert "find view" in made["hunyuan3d"].to_dict()["seconds"]


def test_first_use_needs_no_other_python(scene, mug, preferences, module):
    """With nothing chosen the bundled model runs under Blender's own Python."""
    preferences.python = ""
    images = len(bpy.data.images)
    meshes = []
    for seed in (3, 3):
        bpy.ops.hunyuan3d.generate(filepath=str(mug), seed=seed, face_count=800)
        made = bpy.context.object
        meshes.append(positions(made).tobytes())
        assert 760 <= len(made.data.polygons) <= 800
        assert made["hunyuan3d"]["device"] == "cpu (numpy)"
        assert made["hunyuan3d"]["octree_resolution"] == 128
        assert sum(made["hunyuan3d"]["seconds"].values()) < 60, "20 s, and what others take"
    assert meshes[0] == meshes[1]
    assert module("job_timer").queue.hello("generation").device == "cpu (numpy)"
    assert len(bpy.data.images) == images


def test_the_gpu_memory_limit_goes_with_the_request(scene, mug, preferences, module):
    generation = module("generation")
    wish = generation.Wish(generation.Picture(str(mug)))

    def sent():
        return generation.make_job(bpy.context, wish).parts[-1].params["max_memory"]

    assert sent() is None
    preferences.gpu_memory = 3.5
    try:
        assert sent() == 3.5e9
        bpy.ops.hunyuan3d.generate(filepath=str(mug), octree_resolution=32)
        assert bpy.context.object["hunyuan3d"]["octree_resolution"] == 32
    finally:
        preferences.gpu_memory = 0.0


def test_both_pythons_make_the_same_mesh(scene, mug, preferences):
    points = []
    for python in (preferences.python, ""):
        preferences.python = python
        bpy.ops.hunyuan3d.generate(filepath=str(mug), seed=5, octree_resolution=64)
        points.append(positions(bpy.context.object))
    assert len(points[0]) == pytest.approx(len(points[1]), rel=0.02)
    distance = np.linalg.norm(points[0][::20, None] - points[1][None], axis=2).min(axis=1)
    assert np.quantile(distance, 0.95) < 1e-3


def test_face_count_and_undo(scene, mug):
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.hunyuan3d.generate("EXEC_DEFAULT", True, filepath=str(mug), face_count=200, **QUICK)
    assert 190 <= len(bpy.data.objects["My mug"].data.polygons) <= 200
    bpy.ops.ed.undo()
    assert not bpy.data.objects


def test_same_seed_same_mesh_in_a_warm_worker(scene, mug, module):
    meshes, workers = [], set()
    for seed in (3, 3, 4):
        bpy.ops.hunyuan3d.generate(filepath=str(mug), seed=seed, **QUICK)
        workers.add(module("job_timer").queue.hello("generation").pid)
        meshes.append(positions(bpy.context.object).tobytes())
    assert meshes[0] == meshes[1] != meshes[2]
    assert len(workers) == 1


def test_cancel_while_generating(scene, mug, module):
    queue, State = module("job_timer").queue, module("jobs").State
    generation = module("generation")
    before = fingerprint()

    wish = generation.Wish(
        generation.Picture(str(mug)), num_inference_steps=1000, octree_resolution=64
    )
    job = queue.add(generation.make_job(bpy.context, wish))
    deadline = time.monotonic() + 60
    while not (job.state is State.RUNNING and job.stage == "denoise" and job.step > 1):
        assert time.monotonic() < deadline and not job.ended, job.reports
        queue.pump()
        time.sleep(0.01)
    queue.cancel(job)
    started = time.monotonic()
    while not job.ended:
        queue.pump()
        time.sleep(0.01)
    assert job.state is State.CANCELLED
    assert time.monotonic() - started < 2.0, "0.5 s and what a busy machine adds"
    assert fingerprint() == before


def test_recipe_for_a_folder_of_pictures(scene, mug, tmp_path, capsys):
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    shutil.copy(mug, pictures / "good.png")
    (pictures / "broken.png").write_text("not a picture")
    main = runpy.run_path(str(ROOT / "examples" / "folder_of_pictures.py"))["main"]
    assert main([str(pictures), str(out), "--faces", "300"]) == 1
    assert [path.name for path in out.iterdir()] == ["good.glb"]
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("FAILED broken.png: ") for line in lines)
    bpy.ops.import_scene.gltf(filepath=str(out / "good.glb"))
    assert 280 <= len(bpy.context.object.data.polygons) <= 300
    assert bpy.context.object.dimensions.z > 0.2
