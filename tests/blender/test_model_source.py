# SPDX-License-Identifier: GPL-3.0-or-later
"""Models by name: nothing is fetched without the licence accepted and online access allowed."""

import os
import shutil
import sys
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from scenes import fingerprint  # noqa: E402

sys.path.append(str(Path(__file__).parents[1] / "install"))
from hub_stand_in import HubStandIn  # noqa: E402

pytestmark = pytest.mark.usefixtures("nothing_left", "data")

REPOSITORY, SUBFOLDER = "tencent/Hunyuan3D-2mini", "hunyuan3d-dit-v2-mini-turbo"
MUG = str(Path(__file__).with_name("mug.png"))


@pytest.fixture
def hub(monkeypatch):
    """The bundled model under a published name."""
    import hy3dgen

    tiny = Path(hy3dgen.__file__).parent / "assets" / "tiny"
    names = ("config.yaml", "model.fp16.safetensors")
    files = {f"{SUBFOLDER}/{name}": (tiny / name).read_bytes() for name in names}
    stand_in = HubStandIn(REPOSITORY, {"LICENSE": b"the licence", **files})
    monkeypatch.setenv("HF_ENDPOINT", stand_in.address)
    yield stand_in
    stand_in.close()


def refused(words: str, **settings) -> None:
    before = fingerprint()
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.hunyuan3d.generate(filepath=MUG, **settings)
    assert fingerprint() == before


def generate(**settings) -> "bpy.types.Object":
    bpy.ops.hunyuan3d.generate(filepath=MUG, octree_resolution=32, **settings)
    return bpy.context.object


def test_licence_not_accepted(scene, worker_python, online, hub):
    refused("2mini Turbo is not on this machine.*accept the Tencent.*http", model="2mini Turbo")
    assert hub.requests == []


def test_offline(scene, worker_python, hub):
    refused("allow online access in", model="2mini Turbo", accept_licence=True)
    assert hub.requests == []


def test_no_python_to_fetch_with(scene, preferences, online, hub):
    preferences.python = ""
    refused("make an environment in the", model="2mini Turbo", accept_licence=True)
    assert hub.requests == []


def test_unknown_name(scene, worker_python, online, hub):
    refused("'somebody/Model' is not on this machine", model="somebody/Model", accept_licence=True)
    assert hub.requests == []


def test_accepted_once_fetched_once(scene, tiny_model, online, hub, tmp_path):
    made = generate(model="2mini Turbo", accept_licence=True)
    assert len(made.data.polygons) > 100
    folder = tmp_path / "models" / REPOSITORY / SUBFOLDER
    assert made["hunyuan3d"]["model"] == str(folder)
    assert (folder.parent / "LICENSE").read_bytes() == b"the licence"
    asked = len(hub.requests)
    bpy.context.preferences.system.use_online_access = False
    generate(model=f"{REPOSITORY}/{SUBFOLDER}")  # here already: neither licence nor network asked
    assert len(hub.requests) == asked
    from hy3dgen.install import models

    assert models.accepted(models.find_known("2mini").licence)
    assert not models.accepted(models.find_known("2.1").licence)


def test_repository_means_what_is_here(scene, module, worker_python, tmp_path):
    folder = tmp_path / "models" / REPOSITORY / SUBFOLDER
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("model: {}")
    (folder / "model.fp16.safetensors").write_bytes(b"")
    source = module("model_source").find_source(bpy.context, REPOSITORY)
    assert (source.model, source.fetch) == (str(folder), ())


def test_default_model_of_the_preferences(scene, module, preferences, tmp_path):
    preferences.default_model = str(tmp_path)
    find = module("model_source").find_source
    assert find(bpy.context, "").model == str(tmp_path)
    assert find(bpy.context, "tiny").model is None


def test_other_models_folder(scene, module, preferences, tmp_path):
    preferences.models_folder = str(tmp_path / "elsewhere")
    folder = tmp_path / "elsewhere" / REPOSITORY / SUBFOLDER
    folder.mkdir(parents=True)
    for name in ("config.yaml", "model.ckpt"):
        (folder / name).write_bytes(b"")
    assert module("model_source").find_source(bpy.context, "2mini Turbo").model == str(folder)


def test_folder_with_a_file_missing(scene, tiny_model, tmp_path):
    import hy3dgen

    tiny = Path(hy3dgen.__file__).parent / "assets" / "tiny"
    shutil.copy(tiny / "config.yaml", tmp_path)
    refused("model.fp16.safetensors|weights", model=str(tmp_path))
    os.remove(tmp_path / "config.yaml")
    shutil.copy(tiny / "model.fp16.safetensors", tmp_path)
    refused("has no config.yaml", model=str(tmp_path))


def test_environment_is_used_when_it_is_ready(scene, module, preferences, data):
    import json

    environment = module("environment")
    preferences.python = ""
    made = environment.made_environment(bpy.context)
    made.python.parent.mkdir(parents=True)
    made.python.symlink_to(sys.executable)
    stamp = made.folder / "hunyuan3d-environment.json"
    stamp.write_text(json.dumps({"done": ["venv", "pip"]}))
    assert environment.generation_python(bpy.context) is None, "an unfinished one is not used"
    stamp.write_text(json.dumps({"done": ["venv", "pip"], "ready": True}))
    assert environment.generation_python(bpy.context) == made.python
    preferences.python = sys.executable
    assert environment.generation_python(bpy.context) == Path(sys.executable)
