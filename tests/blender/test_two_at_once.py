# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real Blenders of one user want the same at the same time: one waits, or both succeed."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import BASE_PYTHON, BPY_PYTHON

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

sys.path.append(str(Path(__file__).parents[1] / "install"))
from hub_stand_in import HubStandIn  # noqa: E402
from stand_in_packages import write_required  # noqa: E402

PROGRAM = Path(__file__).parents[2] / "trials" / "blender" / "set_up_jobs.py"
REPOSITORY, SUBFOLDER, NAME = "tencent/Hunyuan3D-2.1", "hunyuan3d-dit-v2-1", "2.1"
WEIGHTS = bytes(range(256)) * 8000


class Blender:
    """Another Blender, with the folders of `home`; what it prints is kept."""

    def __init__(self, home, memory, variables):
        folders = ("--home", home, "--memory", memory, "--zip", os.environ["EXT_ZIP"])
        self.process = subprocess.Popen(
            [BPY_PYTHON, PROGRAM, *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | variables,
            text=True,
        )
        self.said, self._answers = "", 0
        threading.Thread(target=self._listen, daemon=True).start()
        self.wait_for("answer")

    def _listen(self):
        for line in self.process.stdout:
            self.said += line.lower()

    def do(self, operator, settings):
        self.process.stdin.write(json.dumps([operator, settings]) + "\n")
        self.process.stdin.flush()

    def wait_for(self, words, seconds=120.0):
        """The first line that begins with `words`; of answers the next one."""
        deadline = time.monotonic() + seconds
        while True:
            found = [line for line in self.said.splitlines() if line.startswith(words)]
            if words.startswith("answer"):
                found = found[self._answers :]
                self._answers += bool(found)
            if found:
                return found[0]
            assert time.monotonic() < deadline and self.process.poll() is None, self.said
            time.sleep(0.02)

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0


@pytest.fixture
def blenders(tmp_path, scene):
    """Two, with one home, one hub on loopback, and one folder of models."""
    files = {"config.yaml": b"model: {}\n", "model.fp16.ckpt": WEIGHTS}
    inside = {f"{SUBFOLDER}/{name}": data for name, data in files.items()}
    hub = HubStandIn(REPOSITORY, {"LICENSE": b"it", **inside})
    memory = tmp_path / "memory"
    memory.mkdir()
    first = Blender(tmp_path, memory, {"HF_ENDPOINT": hub.address})  # installs the extension
    second = Blender(tmp_path, memory, {"HF_ENDPOINT": hub.address})
    yield first, second, hub
    for blender in (first, second):
        if blender.process.poll() is None:
            blender.end()
    hub.close()
    left = [path.name for root in (memory, tmp_path / "temp") for path in root.glob("*hy3d*")]
    assert not left


def test_two_fetch_one_model(blenders, tmp_path):
    first, second, hub = blenders
    python = os.environ.get("HY3D_WORKER_PYTHON") or pytest.skip("no Python with PyTorch is named")
    hub.faults["slow"] = 0.1  # seconds for each of 32 pieces
    for blender in (first, second):
        blender.do("python", python)
        assert blender.wait_for("answer") == "answer done"
        blender.do("download_model", {"model": NAME, "accept_licence": True})
    assert [blender.wait_for("answer") for blender in (first, second)] == ["answer done"] * 2
    waited = ["wait for another blender" in blender.said for blender in (first, second)]
    assert sorted(waited) == [False, True]
    assert len([path for how, path, _ in hub.requests if how == "GET" and "ckpt" in path]) == 1
    folder = tmp_path / "models" / REPOSITORY / SUBFOLDER
    assert (folder / "model.fp16.ckpt").read_bytes() == WEIGHTS
    assert not [path for path in (tmp_path / "models").rglob("*") if "unfinished" in path.name]


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True])
def test_two_make_one_environment(blenders, tmp_path, killed):
    """Also if the one that began is killed in the middle; the other goes on where it stopped."""
    first, second, _ = blenders
    packages = str(write_required(tmp_path / "packages"))
    settings = {"build": "cpu", "package_index": packages, "torch_index": packages}
    for blender in (first, second):
        blender.do("make_environment", {**settings, "base_python": BASE_PYTHON})
        if blender is first:
            blender.wait_for("hunyuan3d: make environment")
    if killed:
        second.wait_for("hunyuan3d: wait for another blender")
        first.process.kill()
        first.process.wait()
    others = [second] if killed else [first, second]
    assert [blender.wait_for("answer") for blender in others] == ["answer done"] * len(others)
    assert "wait for another blender" in second.said
    folder = tmp_path / "data" / "environment"
    stamp = json.loads((folder / "hunyuan3d-environment.json").read_text())
    assert stamp["ready"] and len(stamp["done"]) == 5
    assert sorted(path.name for path in folder.parent.iterdir()) == [
        "environment",
        "environment.lock",
    ]


def test_two_generate_and_reduce_with_one_home(blenders):
    """The bundled model, unpacked nowhere: each has its worker, logs and blocks are apart."""
    first, second, _ = blenders
    quick = {"num_inference_steps": 2, "octree_resolution": 32, "face_count": 400}
    for blender in (first, second):
        blender.do("generate", {"filepath": str(Path(__file__).with_name("mug.png")), **quick})
    assert [blender.wait_for("answer") for blender in (first, second)] == ["answer done"] * 2
