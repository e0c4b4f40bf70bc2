# SPDX-License-Identifier: Apache-2.0
"""Known models: names, what is on disk, what a folder lacks, licences."""

from pathlib import Path

import pytest

from hy3dgen.errors import SetupError
from hy3dgen.install import models

TURBO = models.find_known("2mini Turbo")


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("HY3DGEN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HY3DGEN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def write_model(folder, size=100):
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("model: {}")
    (folder / "model.fp16.safetensors").write_bytes(bytes(size))
    return folder


def in_hub_cache(tmp_path, model):
    """As huggingface_hub lays it out: links in a snapshot to blobs."""
    cache = tmp_path / "hub" / f"models--{model.repository.replace('/', '--')}"
    folder = cache / "snapshots" / "0123" / model.subfolder
    folder.mkdir(parents=True)
    (cache / "blobs").mkdir()
    for name, size in {"config.yaml": 10, "model.fp16.safetensors": 90}.items():
        (cache / "blobs" / name).write_bytes(bytes(size))
        (folder / name).symlink_to(cache / "blobs" / name)
    return folder


def test_what_a_name_can_mean():
    assert models.known_as("2mini Turbo") == models.known_as(TURBO.key) == [TURBO]
    inside = [model.subfolder for model in models.known_as(TURBO.repository)]
    assert inside[0] == "hunyuan3d-dit-v2-mini", "the plain one comes first"
    assert len(inside) == 3
    assert models.known_as("somebody/Model") == []
    with pytest.raises(SetupError, match="no known model 'somebody/Model'; known are tencent/"):
        models.find_known("somebody/Model")


def test_found_in_the_models_folder_and_in_the_hubs_cache(tmp_path):
    assert models.look_up(TURBO) == models.OnDisk(None)
    cached = in_hub_cache(tmp_path, TURBO)
    assert models.look_up(TURBO) == models.OnDisk(cached, 100, in_hub_cache=True)
    assert models.is_in_hub_cache(TURBO.repository)
    assert not models.is_in_hub_cache("somebody/Model")
    kept = write_model(tmp_path / "models" / TURBO.repository / TURBO.subfolder)
    assert models.look_up(TURBO).folder == kept


def test_a_model_with_a_file_missing_is_not_there(tmp_path):
    folder = write_model(tmp_path / "models" / TURBO.repository / TURBO.subfolder)
    (folder / "config.yaml").unlink()
    assert models.look_up(TURBO).folder is None


def test_removing_takes_every_copy_and_nothing_else(tmp_path):
    in_hub_cache(tmp_path, TURBO)
    write_model(tmp_path / "models" / TURBO.repository / TURBO.subfolder)
    other = write_model(tmp_path / "models" / TURBO.repository / "hunyuan3d-dit-v2-mini")
    unfinished = models.unfinished_folder(TURBO, tmp_path / "models")
    unfinished.mkdir()
    (unfinished / "part").write_bytes(bytes(7))
    assert models.remove(TURBO) == 7 + 109 + 100
    assert models.look_up(TURBO) == models.OnDisk(None)
    assert models.is_model_folder(other)
    assert not any((tmp_path / "hub").rglob("blobs/*"))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "neither config.yaml nor weights"),
        (["config.yaml"], "has a config.yaml but no weights; copy one of model.fp16.safetensors"),
        (["model.ckpt"], "has model.ckpt but no config.yaml"),
        (
            ["a/config.yaml", "a/model.ckpt", "b/config.yaml", "b/model.ckpt"],
            "several models; choose one of a, b",
        ),
    ],
)
def test_folders_that_are_no_model(tmp_path, files, words):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    with pytest.raises(SetupError, match=words):
        models.check_model_folder(folder)


def test_the_one_model_in_a_folder_is_meant(tmp_path):
    inner = write_model(tmp_path / "mine" / "model")
    assert models.check_model_folder(tmp_path / "mine") == inner
    assert models.check_model_folder(inner) == inner
    for path, words in ((tmp_path / "gone", "does not exist"), (inner / "config.yaml", "a file")):
        with pytest.raises(SetupError, match=words):
            models.check_model_folder(path)


def test_a_licence_is_accepted_for_good_and_alone(tmp_path):
    first, second = models.LICENCES.values()
    assert not models.accepted(first)
    models.accept(first)
    assert models.accepted(first) and not models.accepted(second)
    models.accept(second)
    assert models.accepted(first) and models.accepted(second)
    (kept,) = (tmp_path / "data").iterdir()
    kept.write_text("{ half written")
    assert not models.accepted(first), "what cannot be read is not an agreement"


def test_licences_name_the_places_that_they_exclude():
    for licence in models.LICENCES.values():
        text = " ".join(licence.points)
        assert all(place in text for place in ("European Union", "United Kingdom", "South Korea"))


# --- texture models: folders in a folder ----------------------------------------------------------

PAINT, _, DELIGHT = models.TEXTURE_MODELS


def write_texture_model(folder, model, kind=0):
    for names in model.files:
        path = folder / names[min(kind, len(names) - 1)]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(10))
    return folder


def test_texture_models_are_no_shape_models():
    assert models.find_known("2.0 Paint Turbo") is PAINT
    assert models.known_as("2.0 Paint Turbo") == []
    assert models.known_as("2.0 Paint Turbo", models.TEXTURE_MODELS) == [PAINT]
    assert models.needed_by(PAINT) == [DELIGHT]
    assert models.needed_by(DELIGHT) == models.needed_by(TURBO) == []
    names = [model.name for model in models.ALL_MODELS]
    assert len(set(names)) == len(names)
    assert "European Union" in PAINT.licence.points[0]


@pytest.mark.parametrize("kind", [0, 1], ids=["safetensors", "bin"])
def test_a_texture_model_is_found_whole_and_removed_whole(tmp_path, kind):
    folder = tmp_path / "models" / PAINT.repository / PAINT.subfolder
    write_texture_model(folder, PAINT, kind)
    assert models.look_up(PAINT) == models.OnDisk(folder, 50)
    other = write_texture_model(folder.with_name(DELIGHT.subfolder), DELIGHT)
    assert models.remove(PAINT) == 50
    assert not folder.exists() and models.look_up(DELIGHT).folder == other
    (other / "tokenizer" / "vocab.json").unlink()
    assert models.look_up(DELIGHT).folder is None


def test_the_pipeline_loads_what_is_called_complete(tmp_path):
    """The list of files is that which the loader reads."""
    pytest.importorskip("torch")
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1] / "texgen"))
    from made_texture_model import make

    from hy3dgen.texgen.model_loading import DELIGHT_FOLDER, locate_model

    assert DELIGHT_FOLDER == models.DELIGHT_FOLDER
    root = make(tmp_path / "models" / PAINT.repository)
    assert models.look_up(PAINT).folder == root / PAINT.subfolder
    assert models.look_up(DELIGHT).folder == root / DELIGHT.subfolder
    found = locate_model(PAINT.repository, PAINT.subfolder, local_files_only=True)
    assert Path(found.multiview_ckpt_path) == root / PAINT.subfolder
