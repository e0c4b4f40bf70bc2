# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preferences draw in each state, on a layout that writes down what it is asked for."""

import importlib
import json
import sys
from types import SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from layouts import Layout, said  # noqa: E402

pytestmark = pytest.mark.usefixtures("nothing_left", "data")


@pytest.fixture
def draw(scene, module, preferences):
    """Draws the preferences and gives the layout."""

    def draw():
        module("setup_facts").forget()
        layout = Layout()
        known = SimpleNamespace(
            system=SimpleNamespace(ui_scale=1.0),  # 0 without a window
            addons=bpy.context.preferences.addons,
        )
        context = SimpleNamespace(
            region=SimpleNamespace(width=800, type="WINDOW"), preferences=known
        )
        drawn = SimpleNamespace(layout=layout)
        for name in preferences.bl_rna.properties.keys():
            setattr(drawn, name, getattr(preferences, name))
        drawn.bl_rna = preferences.bl_rna
        module("preferences_view").HY3D_AP_preferences.draw(drawn, context)
        return layout

    preferences.python = ""
    return draw


def write_stamp(module, **content):
    made = module("environment").made_environment(bpy.context)
    made.python.parent.mkdir(parents=True)
    made.python.symlink_to(sys.executable)
    (made.folder / "hunyuan3d-environment.json").write_text(json.dumps(content))
    return made


def test_first_use_says_what_works_and_what_to_do(draw):
    layout = draw()
    assert "Works as it is for the small bundled model" in said(layout)
    assert "make an environment, or choose a Python" in said(layout)
    assert layout.buttons["make_environment Make Environment…"] == [True]
    assert "remove_environment Remove" not in layout.buttons
    downloads = layout.buttons["download_model Download…"]
    models = importlib.import_module("hy3dgen.install.models")
    assert len(downloads) == len(models.ALL_MODELS) and not any(downloads)
    assert "2.0 Paint Turbo" in said(layout)
    assert "allow online access" in said(layout)


def test_online_the_python_comes_first_then_downloads(draw, online, preferences):
    layout = draw()
    assert "make an environment or choose a Python first" in said(layout)
    assert not any(layout.buttons["download_model Download…"])
    preferences.python = sys.executable
    assert all(draw().buttons["download_model Download…"])


def test_a_python_that_is_gone(draw, preferences):
    preferences.python = "/nowhere/python"
    assert "The Python /nowhere/python does not exist" in said(draw())


def test_environment_unfinished_ready_and_broken(draw, module):
    made = write_stamp(module, done=["venv", "pip"])
    layout = draw()
    assert layout.buttons["make_environment Continue…"] == [True]
    assert "2 of 5 steps are done" in said(layout)
    stamp = made.folder / "hunyuan3d-environment.json"
    stamp.write_text(json.dumps({"ready": True, "sentence": "Python 9 with PyTorch", "size": 2e9}))
    layout = draw()
    assert "Generation uses the environment: Python 9 with PyTorch" in said(layout)
    assert "2.0 GB in" in said(layout)
    assert layout.buttons["remove_environment Remove"] == [True]
    assert not any(name.startswith("make_environment") for name in layout.buttons)
    made.python.unlink()
    assert "is gone; remove it and make it again" in said(draw())


def test_a_model_that_is_here_can_be_chosen_and_removed(draw, tmp_path):
    folder = tmp_path / "models" / "tencent" / "Hunyuan3D-2.1" / "hunyuan3d-dit-v2-1"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("model: {}")
    (folder / "model.fp16.ckpt").write_bytes(bytes(1_000_000))
    layout = draw()
    assert layout.buttons["choose_model 2.1"] == [True]
    assert layout.buttons["remove_model"] == [True]
    assert "1.0 MB" in layout.texts


def test_a_job_shows_its_progress_then_how_it_ended(draw, module):
    setup_jobs, jobs = module("setup_jobs"), module("jobs")
    part = module("job").Part("environment", "make_environment", {})
    job = setup_jobs.make_job(setup_jobs.ENVIRONMENT, "Make", part, lambda result: "")
    job.state, job.stage = jobs.State.RUNNING, "download torch"
    job.step, job.total = 500_000_000, 2_000_000_000
    layout = draw()
    assert layout.progresses == ["Download torch · 0.50 of 2.0 GB"]
    assert layout.buttons["cancel"] == [True]
    with pytest.raises(ValueError, match="'Make' is in progress already"):
        setup_jobs.make_job(setup_jobs.ENVIRONMENT, "Make", part, lambda result: "")
    job.end(jobs.State.FAILED, [("ERROR", "the disk became full; free some space")])
    layout = draw()
    assert layout.progresses == []
    assert "The disk became full; free some space" in said(layout)


def test_a_failed_download_says_of_which_model(draw, module):
    from hy3dgen.install import models

    setup_jobs, jobs = module("setup_jobs"), module("jobs")
    part = module("job").Part("2.1", "download_model", {})
    job = setup_jobs.make_job(models.MODELS[-1].key, "Download 2.1", part, lambda result: "")
    job.end(jobs.State.FAILED, [("ERROR", "huggingface.co could not be reached")])
    assert "Download 2.1: huggingface.co could not be reached" in said(draw())
