# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sidebar draws in each state, on a layout that writes down what it is asked for."""

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from layouts import Layout, said  # noqa: E402
from scenes import add_sphere, fingerprint, select  # noqa: E402

MUG = str(Path(__file__).parent / "mug.png")

pytestmark = pytest.mark.usefixtures("nothing_left", "data")


@pytest.fixture
def draw(scene, module, preferences):
    """Draws a panel and gives the layout; nothing in the file may change by it."""

    def draw(panel: str):
        module("model_facts").forget()
        layout = Layout()
        context = SimpleNamespace(
            region=SimpleNamespace(width=280, type="UI"),
            scene=bpy.context.scene,
            selected_objects=bpy.context.selected_objects,
            preferences=SimpleNamespace(
                system=SimpleNamespace(ui_scale=1.0), addons=bpy.context.preferences.addons
            ),
        )
        before = fingerprint()
        cls = getattr(bpy.types, panel)
        cls.draw(SimpleNamespace(layout=layout), context)
        assert fingerprint() == before
        return layout

    preferences.python = ""
    return draw


@pytest.fixture
def settings(scene):
    return scene.hunyuan3d.generate


# --- generate -------------------------------------------------------------------------------------


def test_without_a_picture_it_says_what_to_do(draw):
    layout = draw("HY3D_PT_generate")
    assert "Choose a picture of one object" in said(layout)
    assert layout.buttons["generate Generate"] == [False]
    assert layout.buttons["paste_picture"] == [True]


def test_a_picture_can_be_made_a_mesh_of(draw, settings):
    settings.filepath = MUG
    layout = draw("HY3D_PT_generate")
    assert layout.buttons["generate Generate"] == [True]
    settings.batch_count = 3
    assert draw("HY3D_PT_generate").buttons["generate Generate 3"] == [True]


def test_a_picture_that_is_gone(draw, settings):
    settings.filepath = "/nowhere/mug.png"
    layout = draw("HY3D_PT_generate")
    assert "There is no such picture file" in said(layout)
    assert layout.buttons["generate Generate"] == [False]


@pytest.mark.parametrize("name", ["front", "view", "texture", "image"])
def test_what_is_no_picture_says_so_at_once(draw, scene, settings, module, tmp_path, name):
    (tmp_path / "cut.png").write_bytes(Path(MUG).read_bytes()[:-400])
    (tmp_path / "notes.png").write_text("milk, eggs")
    (tmp_path / "empty.png").write_bytes(b"")
    cases = {
        "cut.png": "This picture is damaged or cut off; save or copy it again",
        "notes.png": "This is no picture that can be read; choose a PNG or JPEG file",
        "empty.png": "This file is empty; save or copy the picture again",
        "": "This is a folder; choose a picture file in it",
    }
    for file, words in cases.items():
        path = str(tmp_path / file)
        panel = "HY3D_PT_texture" if name == "texture" else "HY3D_PT_generate"
        if name == "view":
            settings.filepath, settings.model, settings.filepath_left = MUG, "2mv", path
        elif name == "texture":
            scene.hunyuan3d_texture.filepath = path
        elif name == "front":
            settings.filepath = path
        elif file:
            settings.source, settings.image = "IMAGE", bpy.data.images.new(file, 8, 8)
            settings.image.source, settings.image.filepath = "FILE", path
        deadline = time.monotonic() + 5
        while words not in said(draw(panel)):  # a thread looks at the file
            if name == "image" and not file:
                break
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_pictures_of_all_kinds_pass(module, tmp_path):
    examine = module("picture_check").examine
    image = bpy.data.images.new("Red", 64, 48)
    endings = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "TARGA": "tga", "BMP": "bmp"}
    endings |= {"OPEN_EXR": "exr", "HDR": "hdr", "TIFF": "tif", "JPEG2000": "jp2", "IRIS": "rgb"}
    for kind, ending in endings.items():
        image.file_format = kind
        image.filepath_raw = str(tmp_path / f"red.{ending}")
        image.save()
        assert examine(image.filepath_raw) == "", kind
    whole = (tmp_path / "red.jpg").read_bytes()
    (tmp_path / "phone.jpg").write_bytes(whole + bytes(5000))
    assert examine(str(tmp_path / "phone.jpg")) == "", "cameras put more behind the end"
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    assert "damaged" in examine(str(tmp_path / "cut.jpg"))
    damaged = bytearray(Path(MUG).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "bit.png").write_bytes(damaged)
    assert "damaged" in examine(str(tmp_path / "bit.png"))


def test_an_image_of_the_file(draw, settings):
    settings.source = "IMAGE"
    assert draw("HY3D_PT_generate").buttons["generate Generate"] == [False]
    settings.image = bpy.data.images.new("Painted", 8, 8)
    assert draw("HY3D_PT_generate").buttons["generate Generate"] == [True]


@pytest.fixture
def unmeasured(module, monkeypatch):
    monkeypatch.setattr(module("quality"), "known", module("quality").Known())


def test_the_slider_guesses_until_something_is_measured(draw, settings, unmeasured):
    assert "Estimate: 10 steps, grid of 128" in said(draw("HY3D_PT_generate"))
    settings.better = 1.0
    assert "Estimate: 20 steps, grid of 256" in said(draw("HY3D_PT_generate"))
    settings.better = 0.0
    assert "Estimate: 5 steps, grid of 64" in said(draw("HY3D_PT_generate"))
    assert "→ 5" in said(draw("HY3D_PT_advanced"))
    settings.num_inference_steps = 7
    assert "Estimate: 7 steps, grid of 64" in said(draw("HY3D_PT_generate"))


def measure(module):
    """As the timer does once a worker is there that has nothing to do."""
    bpy.ops.hunyuan3d.start_worker()
    queue, facts = module("job_timer").queue, module("model_facts")
    key = facts.of(bpy.context, "").key
    deadline = time.monotonic() + 60
    while module("quality").known.get(key) is None:
        assert time.monotonic() < deadline
        queue.pump()
        facts.ask(bpy.context)
        time.sleep(0.02)
    return module("quality").known.get(key)


def test_the_slider_is_solved_from_what_the_worker_measured(draw, settings, module, unmeasured):
    figures = measure(module)
    seen = []
    for better in (0.0, 0.5, 1.0):
        settings.better = better
        best = figures.settings(1 - better)
        shown = said(draw("HY3D_PT_generate"))
        steps, resolution = best["num_inference_steps"], best["octree_resolution"]
        assert f"{steps} steps, grid of {resolution} · about " in shown
        assert "Estimate" not in shown
        seen.append(module("model_facts").choice(settings, facts_of(module)).seconds)
    assert seen == sorted(seen) and seen[0] < seen[-1]
    assert f"→ {steps}" in said(draw("HY3D_PT_advanced"))
    settings.octree_resolution = 96
    assert f"{steps} steps, grid of 96 · about" in said(draw("HY3D_PT_generate"))


def facts_of(module):
    return module("model_facts").of(bpy.context, "")


def test_what_does_not_fit_the_memory_says_so(draw, settings, module, unmeasured):
    figures = measure(module)
    costs = replace(figures.costs, held_bytes=1 << 30, free_bytes=1)
    key, values = facts_of(module).key, replace(figures, costs=costs).as_values()
    module("quality").known.learn(key, {"figures": values})
    assert "needs 1.0 GiB on this device, but" in said(draw("HY3D_PT_generate"))


def test_the_worker_uses_the_numbers_that_are_shown(settings, module, unmeasured):
    measure(module)
    settings.filepath, settings.better, settings.octree_resolution = MUG, 0.0, 32
    given = SimpleNamespace(filepath="", image="")
    module("properties").give_generate(settings, given)
    choice = module("model_facts").choice(settings, facts_of(module))
    bpy.ops.hunyuan3d.generate(**vars(given))
    made = bpy.context.object["hunyuan3d"]
    names = ("num_inference_steps", "octree_resolution", "guidance_scale")
    assert {name: made[name] for name in names} == {name: choice.settings[name] for name in names}
    assert choice.measured and choice.settings["octree_resolution"] == 32
    taken = module("model_facts").choice(settings, facts_of(module)).seconds
    assert taken == pytest.approx(sum(made["seconds"].values()), abs=1)


def test_a_machine_that_was_busy_while_measured_is_found_out(settings, module, unmeasured):
    figures, known = measure(module), module("quality").known
    key = facts_of(module).key
    slow = replace(figures.costs, guided_step=100 * figures.costs.guided_step)
    known.learn(key, {"figures": replace(figures, costs=slow).as_values()})
    before = module("model_facts").choice(settings, facts_of(module)).seconds
    bpy.ops.hunyuan3d.generate(filepath=MUG, num_inference_steps=3, octree_resolution=32)
    assert known.share(key) < 0.9
    after = module("model_facts").choice(settings, facts_of(module)).seconds
    assert after < 0.9 * before


def test_a_job_that_comes_first_measures_by_itself(settings, module, unmeasured):
    bpy.ops.hunyuan3d.generate(filepath=MUG, speed_priority=1.0)
    made = bpy.context.object["hunyuan3d"]
    figures = module("quality").known.get(facts_of(module).key)
    assert made["num_inference_steps"] == figures.settings(1.0)["num_inference_steps"]
    assert "measure" in made["seconds"].keys()
    assert figures.surface == made["faces_raw"] / made["octree_resolution"] ** 2


def test_a_job_does_not_wait_for_measuring(settings, module, unmeasured):
    bpy.ops.hunyuan3d.start_worker()
    queue, facts, known = module("job_timer").queue, module("model_facts"), module("quality").known
    key = facts.of(bpy.context, "").key
    deadline = time.monotonic() + 60
    while not known.asked(key):
        assert time.monotonic() < deadline
        queue.pump()
        facts.ask(bpy.context)
    bpy.ops.hunyuan3d.generate(filepath=MUG, num_inference_steps=2, octree_resolution=16)
    assert known.get(key) is None and not known.asked(key)  # it can be asked again


def test_views_are_asked_for_where_the_model_takes_them(draw, settings, tmp_path):
    settings.filepath = MUG
    assert "filepath_back" not in draw("HY3D_PT_generate").settings
    folder = tmp_path / "my-views"
    folder.mkdir()
    text = "image_processor:\n  target: hy3dgen.shapegen.preprocessors.MVImageProcessorV2\n"
    (folder / "config.yaml").write_text(text)
    settings.model = str(folder)
    layout = draw("HY3D_PT_generate")
    assert {"filepath_left", "filepath_back", "filepath_right"} <= set(layout.settings)
    assert "This model needs PyTorch" in said(layout)
    assert layout.buttons["generate Generate"] == [False]
    assert "There is no such picture file" not in said(layout)
    settings.filepath_back = str(tmp_path / "away.png")
    assert "There is no such picture file" in said(draw("HY3D_PT_generate"))


def test_a_model_that_is_not_here_says_what_to_do(draw, settings, module, unmeasured):
    measure(module)  # of another model
    settings.model = "2mv Turbo"
    text = said(draw("HY3D_PT_generate"))
    assert "is not on this machine" in text and "Estimate: 5 steps, grid of 384" in text


def test_the_menu_of_models(draw):
    layout = draw("HY3D_MT_model")
    assert "pick_model Small, comes with the extension" in layout.buttons
    assert "addon_show Get More Models…" in layout.buttons


def test_picking_a_model_and_a_folder(scene, settings, tmp_path):
    bpy.ops.hunyuan3d.pick_model(model="tiny")
    assert settings.model == "tiny"
    with pytest.raises(RuntimeError, match="no weights"):
        (tmp_path / "config.yaml").write_text("model: {}\n")
        bpy.ops.hunyuan3d.pick_model_folder(directory=str(tmp_path))
    assert settings.model == "tiny"
    (tmp_path / "model.safetensors").write_bytes(b"0")
    bpy.ops.hunyuan3d.pick_model_folder(directory=str(tmp_path))
    assert Path(settings.model) == tmp_path


# --- reduce ---------------------------------------------------------------------------------------


def test_what_is_selected_and_what_it_would_be(draw, scene):
    assert "Select one or more meshes" in said(draw("HY3D_PT_reduce"))
    one, other = add_sphere("One"), add_sphere("Other", subdivisions=3)
    select(one, other)
    scene.hunyuan3d.reduce.face_count = 500
    text = said(draw("HY3D_PT_reduce"))
    assert "Selected: 5,440 triangles in 2 meshes" in text and "Will be: 820 triangles" in text
    scene.hunyuan3d.reduce.use_ratio, scene.hunyuan3d.reduce.ratio = True, 0.5
    layout = draw("HY3D_PT_reduce")
    assert "Will be: 2,720 triangles" in said(layout)
    assert "ratio" in layout.settings and "face_count" not in layout.settings


def test_what_is_small_enough(draw):
    select(add_sphere(subdivisions=2))
    layout = draw("HY3D_PT_reduce")
    assert "Small enough already" in said(layout)
    assert layout.buttons["reduce_faces"] == [False]


def test_linked_duplicates_count_once(draw):
    first = add_sphere()
    twin = bpy.data.objects.new("Twin", first.data)
    bpy.context.collection.objects.link(twin)
    select(first, twin)
    assert "Selected: 5,120 triangles " in said(draw("HY3D_PT_reduce")) + " "


# --- jobs and status ------------------------------------------------------------------------------


def generate_job(module, path=MUG, **wish):
    generation = module("generation")
    return generation.make_job(
        bpy.context, generation.Wish(generation.Picture(path), octree_resolution=32, **wish)
    )


def test_no_jobs_yet(draw, module):
    module("job_timer").queue.ended.clear()
    assert "No jobs yet" in said(draw("HY3D_PT_jobs"))


def test_a_job_on_its_way_can_be_cancelled_and_tried_again(draw, module):
    queue = module("job_timer").queue
    queue.ended.clear()
    job = queue.add(generate_job(module, num_inference_steps=1000))
    deadline = time.monotonic() + 60
    while job.stage != "denoise":
        assert time.monotonic() < deadline
        queue.pump()
        time.sleep(0.01)
    layout = draw("HY3D_PT_jobs")
    assert layout.progresses[0].startswith("Finding the shape")
    assert "so far" in said(layout)
    assert layout.buttons["cancel"] == [True]
    queue.cancel(job)
    assert draw("HY3D_PT_jobs").buttons["cancel"] == [False]
    while not job.ended:
        queue.pump()
    layout = draw("HY3D_PT_jobs")
    assert "Cancelled" in said(layout)
    assert layout.buttons["retry"] == layout.buttons["remove_job"] == [True]


def test_views_stand_under_their_job(draw, module, monkeypatch):
    queue, thumbnails = module("job_timer").queue, module("thumbnails")
    queue.ended.clear()
    job = queue.add(generate_job(module))
    few = len(draw("HY3D_PT_jobs").pictures)
    job.views = np.full((7, 16, 16, 4), 255, np.uint8)
    thumbnails.update_views([job])
    kept = thumbnails.icons_of_views
    assert len(kept(job)) == 7
    # Without a window Blender numbers no icons.
    monkeypatch.setattr(thumbnails, "icons_of_views", lambda job: range(1, len(kept(job)) + 1))
    assert len(draw("HY3D_PT_jobs").pictures) == few + 7
    queue.cancel(job)
    thumbnails.update_views(queue.ended)
    assert job.views is None and len(draw("HY3D_PT_jobs").pictures) == few + 7
    queue.remove(job)
    thumbnails.update_views(queue.ended)
    assert not kept(job)


def test_what_is_kept_for_a_second_texture_can_be_cleared(draw, module):
    assert "clear_cache" not in draw("HY3D_PT_status").buttons
    queue = module("job_timer").queue
    queue.cached_bytes = lambda: 42 << 20
    try:
        layout = draw("HY3D_PT_status")
    finally:
        del queue.cached_bytes
    assert "Texture cache: 42 MB" in said(layout) and layout.buttons["clear_cache"] == [True]


def test_a_failed_job_says_so_in_words(draw, module, tmp_path):
    queue = module("job_timer").queue
    queue.ended.clear()
    job = queue.add(generate_job(module))
    queue._end(job, module("jobs").State.FAILED, [("ERROR", "the GPU is full; ask for less")])
    assert "The GPU is full; ask for less" in said(draw("HY3D_PT_jobs"))


def test_meshes_of_a_batch_are_told_apart(draw, module):
    generation = module("generation")
    wishes = [generation.Wish(generation.Picture(MUG), seed=seed) for seed in (0, 1)]
    titles = [generation.make_job(bpy.context, wish).title for wish in wishes]
    assert titles == ["Mesh from mug.png", "Mesh from mug.png, seed 1"]


def test_a_number_stays_with_its_unit(extension, module):
    for width in range(100, 400, 20):
        layout = Layout()
        module("text_lines").draw_text(layout, "'mug': 4,000 faces in 31.7 s, at 25 %", width)
        assert any("31.7 s" in line for line in layout.texts), layout.texts
        assert any("25 %" in line for line in layout.texts), layout.texts


def test_many_ended_jobs_are_cleared_together(draw, module):
    queue = module("job_timer").queue
    queue.ended.clear()
    for _ in range(7):
        queue.cancel(queue.add(generate_job(module)))
    layout = draw("HY3D_PT_jobs")
    assert len(layout.buttons["retry"]) == 5
    assert layout.buttons["remove_job Clear List, 2 More"] == [True]
    bpy.ops.hunyuan3d.remove_job()
    assert "No jobs yet" in said(draw("HY3D_PT_jobs"))


def test_status_of_a_worker(draw, module):
    queue = module("job_timer").queue
    queue.close()
    layout = draw("HY3D_PT_status")
    assert "no worker yet" in said(layout) and "Blender's own Python" in said(layout)
    assert layout.buttons["start_worker Start"] == [True]
    bpy.ops.hunyuan3d.start_worker()
    assert "The worker starts" in said(draw("HY3D_PT_status"))
    deadline = time.monotonic() + 60
    while "Memory:" not in said(draw("HY3D_PT_status")):
        assert time.monotonic() < deadline
        queue.pump()
        time.sleep(0.02)
    layout = draw("HY3D_PT_status")
    assert "Generation: ready, Python 3." in said(layout)
    assert "Device: this computer's processor" in said(layout)
    assert layout.buttons["stop_worker Stop"] == [True]
    bpy.ops.hunyuan3d.stop_worker()
    assert "no worker yet" in said(draw("HY3D_PT_status"))


def test_a_python_that_is_gone(draw, preferences, module):
    module("job_timer").queue.close()
    preferences.python = "/nowhere/python"
    assert "The Python /nowhere/python does not exist" in said(draw("HY3D_PT_status"))
    assert "The Python /nowhere/python does not exist" in said(draw("HY3D_PT_generate"))
