# SPDX-License-Identifier: GPL-3.0-or-later
"""Set-up from inside Blender: a Python, an environment, models. No network but loopback."""

import shutil
import sys
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

sys.path.append(str(Path(__file__).parents[1] / "install"))
from conftest import BASE_PYTHON  # noqa: E402
from hub_stand_in import HubStandIn  # noqa: E402
from stand_in_packages import write_required  # noqa: E402

pytestmark = pytest.mark.usefixtures("nothing_left", "data")

REPOSITORY, SUBFOLDER = "tencent/Hunyuan3D-2.1", "hunyuan3d-dit-v2-1"
NAME = "2.1"


@pytest.fixture
def hub(monkeypatch):
    files = {"config.yaml": b"model: {}\n", "model.fp16.ckpt": b"\7" * 2_000_000}
    stand_in = HubStandIn(
        REPOSITORY,
        {"LICENSE": b"it", **{f"{SUBFOLDER}/{name}": data for name, data in files.items()}},
    )
    monkeypatch.setenv("HF_ENDPOINT", stand_in.address)
    yield stand_in
    stand_in.close()


def refused(operator, words: str, **settings) -> None:
    with pytest.raises(RuntimeError, match=words) as caught:
        operator(**settings)
    message = str(caught.value).strip()
    assert "\n" not in message and "Traceback" not in message


# --- a Python -------------------------------------------------------------------------------------


def test_a_python_that_has_all_is_used(scene, preferences):
    import os

    python = os.environ.get("HY3D_WORKER_PYTHON") or pytest.skip("no Python with PyTorch is named")
    preferences.python = ""
    bpy.ops.hunyuan3d.use_python(filepath=python)
    assert Path(preferences.python) == Path(python)


def test_a_python_that_lacks_something_is_not_used(scene, preferences):
    preferences.python = ""
    refused(bpy.ops.hunyuan3d.use_python, r"lacks torch.*install them", filepath=sys.executable)
    assert preferences.python == ""


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "[Nn]o Python is chosen"),
        ("/nowhere/python", "/nowhere/python does not exist"),
        ("/usr", "has no Python in it|python"),
        (__file__, "could not be started|not a Python"),
    ],
)
def test_a_python_that_is_none(scene, preferences, path, words):
    before = preferences.python
    refused(bpy.ops.hunyuan3d.use_python, words, filepath=path)
    assert preferences.python == before


# --- an environment -------------------------------------------------------------------------------


def test_environment_made_used_and_removed(scene, preferences, module, data, tmp_path):
    """From folders of packages, so offline; Blender's own Python stays as it is."""
    packages = str(write_required(tmp_path / "packages"))
    own = Path(sys.modules["pytest"].__file__).parents[1]
    before = sorted(own.iterdir())
    preferences.python = "/somewhere/else"
    bpy.ops.hunyuan3d.make_environment(
        build="cpu", package_index=packages, torch_index=packages, base_python=BASE_PYTHON
    )
    made = module("environment").made_environment(bpy.context)
    assert made.folder.parent == data
    assert made.status().kind == "ready"
    assert preferences.python == ""
    assert module("environment").generation_python(bpy.context) == made.python
    assert module("environment").generation_worker(bpy.context).command[0] == str(made.python)
    assert sorted(own.iterdir()) == before
    bpy.ops.hunyuan3d.remove_environment()
    assert module("environment").generation_python(bpy.context) is None
    assert list(data.iterdir()) == []


@pytest.mark.slow
def test_environment_in_a_folder_of_choice(scene, preferences, module, tmp_path):
    folder = tmp_path / "with spaces and ü"
    refused(
        bpy.ops.hunyuan3d.make_environment,
        "no folder of packages",
        folder=str(folder),
        package_index=str(tmp_path / "nothing"),
        torch_index=str(tmp_path / "nothing"),
        base_python=BASE_PYTHON,
        build="cpu",
    )
    assert preferences.environment_folder == "", "chosen once it is made"
    found = module("environment").made_environment(bpy.context, str(folder)).status()
    assert found.kind == "unfinished"


def test_environment_is_not_made_offline(scene, data):
    refused(bpy.ops.hunyuan3d.make_environment, "online access is off", build="cpu")
    assert not data.exists()


def test_a_folder_with_other_files_is_left_alone(scene, preferences, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.blend").write_text("years of work")
    preferences.environment_folder = str(tmp_path / "mine")
    packages = str(write_required(tmp_path / "packages"))
    settings = {"build": "cpu", "package_index": packages, "torch_index": packages}
    refused(bpy.ops.hunyuan3d.make_environment, "holds other files", **settings)
    refused(bpy.ops.hunyuan3d.remove_environment, "left alone")
    assert (tmp_path / "mine" / "work.blend").read_text() == "years of work"


# --- models ---------------------------------------------------------------------------------------


def test_download_once_the_licence_is_accepted(scene, worker_python, preferences, online, hub):
    download = bpy.ops.hunyuan3d.download_model
    refused(download, "accept the Tencent Hunyuan 3D 2.1 Community License", model=NAME)
    assert hub.requests == []
    download(model=NAME, accept_licence=True)
    asked = len(hub.requests)
    download(model=NAME)  # accepted once, here already
    assert len(hub.requests) == asked
    preferences.default_model = f"{REPOSITORY}/{SUBFOLDER}"
    bpy.ops.hunyuan3d.remove_model(model=NAME)
    assert preferences.default_model == ""
    download(model=NAME)  # not asked a second time
    assert len(hub.requests) > asked


def test_download_offline(scene, worker_python, hub):
    refused(
        bpy.ops.hunyuan3d.download_model, "allow online access", model=NAME, accept_licence=True
    )
    assert hub.requests == []


def test_download_wrong_bytes_and_cut_connections(scene, worker_python, online, hub, tmp_path):
    settings = {"model": NAME, "accept_licence": True}
    hub.faults["wrong"] = True
    refused(bpy.ops.hunyuan3d.download_model, "wrong bytes", **settings)
    folder = tmp_path / "models" / REPOSITORY / SUBFOLDER
    assert not folder.exists()
    hub.faults = {"cuts": 1, "cut_after": 1_000_000}
    bpy.ops.hunyuan3d.download_model(**settings)
    assert (folder / "model.fp16.ckpt").stat().st_size == 2_000_000


@pytest.mark.parametrize("operator", ["download_model", "remove_model"])
def test_unknown_model(scene, online, operator):
    run = getattr(bpy.ops.hunyuan3d, operator)
    refused(run, "no known model 'somebody/Model'", model="somebody/Model")
    refused(run, "[Nn]o model is named", model="")


def test_a_folder_of_yours(scene, preferences, tmp_path):
    choose = bpy.ops.hunyuan3d.choose_model_folder
    refused(choose, "[Nn]o folder is chosen", directory="")
    refused(choose, "does not exist", directory=str(tmp_path / "gone"))
    refused(choose, "neither config.yaml nor weights", directory=str(tmp_path))
    (tmp_path / "config.yaml").write_text("model: {}")
    refused(choose, "has a config.yaml but no weights", directory=str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"")
    choose(directory=str(tmp_path))
    assert preferences.default_model == str(tmp_path)
    (tmp_path / "config.yaml").unlink()
    refused(choose, "has model.safetensors but no config.yaml", directory=str(tmp_path))
    shutil.rmtree(tmp_path / "models", ignore_errors=True)


# --- drawing --------------------------------------------------------------------------------------


def test_progress_in_words(scene, module):
    jobs, view = module("jobs"), module("preferences_view")
    job = jobs.Job("Download", module("environment").setup_worker(), [], lambda results: [])
    assert view.progress_text(job) == "Waiting"
    job.state, job.stage = jobs.State.RUNNING, "download model.fp16.ckpt"
    job.step, job.total, job.eta = 1_230_000_000, 3_800_000_000, 42.0
    assert view.progress_text(job) == "Download model.fp16.ckpt · 1.23 of 3.8 GB · 42 s left"
    assert view.progress_text(job, short=True) == "32 % · 42 s left"
