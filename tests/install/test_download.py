# SPDX-License-Identifier: Apache-2.0
"""Downloads through the real huggingface_hub from a stand-in hub that cuts, lies and stalls."""

import os
import random
import sys
import threading
from pathlib import Path

import pytest
from hub_stand_in import REVISION, HubStandIn

from hy3dgen.errors import Cancelled, SetupError
from hy3dgen.install import download, models
from hy3dgen.install.download import Patience, download_model

pytest.importorskip("huggingface_hub")

MODEL = models.find_known("2mini Turbo")
SHORT = Patience(answer=1.0, stall=3.0)
ENOUGH = Patience(answer=20.0, stall=40.0)  # also on a busy machine
CONFIG = b"model:\n  target: x\n"
WEIGHTS = random.Random(3).randbytes(33_000_000)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    where = MODEL.subfolder
    stand_in = HubStandIn(
        MODEL.repository,
        {
            "LICENSE": b"the licence",
            "NOTICE": b"the notice",
            "README.md": b"not wanted",
            f"{where}/config.yaml": CONFIG,
            f"{where}/model.fp16.safetensors": WEIGHTS,
            f"{where}/model.fp16.ckpt": b"the other format",
            "hunyuan3d-dit-v2-mini/config.yaml": b"another model",
        },
    )
    monkeypatch.setenv("HF_ENDPOINT", stand_in.address)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HY3DGEN_DATA", str(tmp_path / "data"))
    yield stand_in
    stand_in.close()


@pytest.fixture
def fetch(tmp_path):
    def fetch(report=lambda *_: None, patience=ENOUGH):
        folder = tmp_path / "models"
        return download_model(MODEL, Path(sys.executable), report, models=folder, patience=patience)

    return fetch


def files_below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_one_format_with_its_licence_arrives_whole(hub, fetch, tmp_path):
    seen = []
    folder = fetch(lambda *progress: seen.append(progress))
    assert folder == tmp_path / "models" / MODEL.repository / MODEL.subfolder
    assert (folder / "model.fp16.safetensors").read_bytes() == WEIGHTS
    assert files_below(tmp_path / "models") == [
        f"{MODEL.repository}/LICENSE",
        f"{MODEL.repository}/NOTICE",
        *(f"{MODEL.repository}/{MODEL.subfolder}/{name}" for name in ("config.yaml",)),
        f"{MODEL.repository}/{MODEL.subfolder}/hunyuan3d-download.json",
        f"{MODEL.repository}/{MODEL.subfolder}/model.fp16.safetensors",
    ]
    stages = list(dict.fromkeys(stage for stage, _, _ in seen))
    assert stages[0] == "ask the hub"
    assert stages[-1] == "check model.fp16.safetensors"
    assert all(0 <= step <= total for _, step, total in seen)
    assert models.look_up(MODEL, tmp_path / "models").folder == folder


@pytest.mark.skipif(os.name == "nt", reason="names that Windows forbids")
@pytest.mark.parametrize(
    "name", ['it\'s "a" folder; $HOME & %TEMP% ümläut 日本語', "x" * 200 + "/" + "ü" * 75]
)
def test_a_models_folder_under_any_path(hub, tmp_path, name):
    folder = tmp_path / name
    made = download_model(MODEL, Path(sys.executable), lambda *_: None, models=folder)
    assert (made / "model.fp16.safetensors").read_bytes() == WEIGHTS
    assert models.look_up(MODEL, folder).folder == made
    assert not [path for path in files_below(folder) if "unfinished" in path or ".part" in path]


def test_what_is_there_is_not_fetched_again(hub, fetch):
    fetch()
    hub.requests.clear()
    fetch()
    assert hub.requests == []


def test_cut_connections_are_resumed_within_one_download(hub, fetch):
    hub.faults = {"cut_after": 11_000_000, "cuts": 2}
    assert (fetch() / "model.fp16.safetensors").read_bytes() == WEIGHTS
    assert len(hub.sent_ranges()) == 2


def test_a_stalled_download_ends_and_the_next_one_goes_on(hub, fetch, tmp_path):
    hub.faults = {"stall_after": 21_000_000}
    # The hub's library would try again for longer than this test wants to wait.
    with pytest.raises(SetupError, match=r"stopped sending.*goes on where it stopped"):
        fetch(patience=Patience(answer=20.0, stall=1.5))
    assert models.look_up(MODEL, tmp_path / "models").folder is None
    assert models.look_up(MODEL, tmp_path / "models").unfinished > 10_000_000
    hub.faults = {}
    assert (fetch() / "model.fp16.safetensors").read_bytes() == WEIGHTS
    assert min(hub.sent_ranges()) > 10_000_000


def test_on_a_slow_line_each_byte_counts_and_stays(hub, fetch):
    """The library alone writes 10 MB at once: less than that in two minutes looked like none."""
    hub.faults = {"stall_after": 1_000_000}
    arrived = []

    def report(stage, step, total):
        if "safetensors" in stage and step > 500_000:
            arrived.append(step)
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        fetch(report)
    hub.faults = {}
    assert (fetch() / "model.fp16.safetensors").read_bytes() == WEIGHTS
    assert hub.sent_ranges()[0] >= arrived[0]


def test_killed_between_the_last_byte_and_its_place(hub, fetch, tmp_path):
    parts = models.unfinished_folder(MODEL, tmp_path / "models") / ".cache"
    parts.mkdir(parents=True)
    name = f"{REVISION[:12]}-{MODEL.subfolder}-model.fp16.safetensors.part"
    (parts / name).write_bytes(WEIGHTS)
    assert (fetch() / "model.fp16.safetensors").read_bytes() == WEIGHTS
    assert not any(path.endswith("safetensors") for _, path, _ in hub.requests)


def test_wrong_bytes_of_the_right_length_are_removed(hub, fetch, tmp_path):
    hub.faults = {"wrong": True}
    with pytest.raises(SetupError, match="wrong bytes and was removed"):
        fetch()
    assert models.look_up(MODEL, tmp_path / "models").folder is None
    hub.faults = {}
    assert (fetch() / "model.fp16.safetensors").read_bytes() == WEIGHTS


def test_a_firewall_that_swallows_everything(hub, fetch):
    hub.faults = {"swallow": True}
    with pytest.raises(SetupError, match="could not be reached"):
        fetch(patience=SHORT)


def test_nobody_listens(hub, fetch, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SetupError, match="could not be reached"):
        fetch()


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "account"), (403, "account"), (404, "does not have this model"), (503, "status 503")],
)
def test_refusals(hub, fetch, status, words):
    hub.faults = {"status": status}
    with pytest.raises(SetupError, match=words):
        fetch()


def test_a_model_that_the_repository_lost(hub, fetch):
    del hub.files[f"{MODEL.subfolder}/config.yaml"]
    with pytest.raises(SetupError, match="has no hunyuan3d-dit-v2-mini-turbo any more"):
        fetch()


def test_cancel_keeps_what_arrived(hub, fetch, tmp_path):
    hub.faults = {"slow": 0.004}

    def report(stage, step, total):
        if "safetensors" in stage and step > 10_000_000:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        fetch(report)
    unfinished = models.look_up(MODEL, tmp_path / "models").unfinished
    assert 10_000_000 < unfinished < len(WEIGHTS)
    assert models.remove(MODEL, tmp_path / "models") >= 10_000_000
    left = files_below(tmp_path / "models" / MODEL.repository)
    assert [name for name in left if not name.endswith(".lock")] == []


def test_two_at_once_fetch_once(hub, fetch):
    hub.faults = {"slow": 0.002}
    folders, waited = [], threading.Event()

    def report(stage, *_):
        if stage.startswith("wait"):
            waited.set()

    threads = [threading.Thread(target=lambda: folders.append(fetch(report))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(folders) == 2
    assert folders[0] == folders[1]
    assert waited.is_set()
    weights = [p for m, p, _ in hub.requests if m == "GET" and p.endswith("safetensors")]
    assert len(weights) == 1


def test_too_little_space_is_told_before_anything_is_fetched(hub, fetch, monkeypatch):
    monkeypatch.setattr(download, "_SPARE", 1 << 60)
    with pytest.raises(SetupError, match=r"needs .* of free space, but the disk"):
        fetch()
    assert not any(path.endswith("safetensors") for _, path, _ in hub.requests)


def test_a_python_without_the_library(hub, tmp_path):
    import venv

    venv.create(tmp_path / "empty", with_pip=False)
    python = (
        tmp_path / "empty" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    )
    with pytest.raises(SetupError, match="lacks huggingface_hub"):
        download_model(MODEL, python, lambda *_: None, models=tmp_path / "models")


def test_a_texture_model_arrives_with_what_it_needs(hub, tmp_path, monkeypatch):
    """In folders of folders; of each file the newer format where there are two."""
    from hy3dgen.install import tasks

    paint, _, delight = models.TEXTURE_MODELS
    hub.repository = paint.repository
    hub.files = {"LICENSE": b"the licence"}
    for model in (paint, delight):
        for names in model.files:
            for name in names:
                hub.files[f"{model.subfolder}/{name}"] = name.encode()
    del hub.files[f"{paint.subfolder}/vae/diffusion_pytorch_model.safetensors"]  # as published
    hub.files[f"{paint.subfolder}/unet/modules.py"] = b"raise SystemExit"

    class Listener:
        def progress(self, stage, step, total):
            pass

    params = {"model": "2.0 Paint Turbo", "python": sys.executable, "accept_licence": True}
    params["models_folder"] = str(tmp_path / "models")
    values, _ = tasks.fetch_model(params, {}, Listener())
    root = tmp_path / "models" / paint.repository
    assert values["folder"] == str(root / paint.subfolder)
    assert models.look_up(delight, tmp_path / "models").folder == root / delight.subfolder
    below = files_below(root / paint.subfolder)
    assert below == [
        "hunyuan3d-download.json",
        "scheduler/scheduler_config.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.bin",
    ]
    assert not any(path.name.startswith(".unfinished") for path in root.iterdir())

    # A copy that lacks a file is completed in its place.
    (root / paint.subfolder / "vae" / "config.json").unlink()
    tasks.fetch_model(params, {}, Listener())
    assert files_below(root / paint.subfolder) == below
