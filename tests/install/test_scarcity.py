# SPDX-License-Identifier: Apache-2.0
"""A disk that fills up while something is written, and a worker killed in the middle of set-up."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub_stand_in import HubStandIn
from stand_in_packages import LIBRARIES, write_packages, write_required

from hy3dgen.errors import SetupError
from hy3dgen.install import hub_script, models
from hy3dgen.install.download import download_model
from hy3dgen.install.environment import READY, UNFINISHED, Environment, Recipe
from hy3dgen.install.pip_run import Index
from hy3dgen.install.requirements import Requirements
from hy3dgen.install.torch_builds import TorchBuild
from hy3dgen.worker.client import WorkerClient, worker_command
from hy3dgen.worker.protocol import Failure, Progress, Result

MODEL = models.find_known("2mini Turbo")
WEIGHTS = random.Random(5).randbytes(12_000_000)


@pytest.fixture
def small_disk(tmp_path):
    """A function: a disk of so many bytes."""
    mounted = []

    def mount(size):
        folder = tmp_path / "disk"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()[:100]}")
        mounted.append(folder)
        return folder

    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    """Take all the space that is left, as another program would."""
    with open(folder / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(1 << 16))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    pytest.importorskip("huggingface_hub")
    where = MODEL.subfolder
    files = {f"{where}/config.yaml": b"model: {}", f"{where}/model.fp16.safetensors": WEIGHTS}
    stand_in = HubStandIn(MODEL.repository, {"LICENSE": b"the licence", **files})
    monkeypatch.setenv("HF_ENDPOINT", stand_in.address)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HY3DGEN_DATA", str(tmp_path / "data"))
    yield stand_in
    stand_in.close()


def test_the_disk_fills_up_in_a_download(hub, small_disk):
    disk = small_disk("230m")  # enough when it is asked before
    hub.faults["slow"] = 0.01

    def report(stage, *_):
        if stage == "download model.fp16.safetensors" and not (disk / "filler").exists():
            fill(disk)

    with pytest.raises(SetupError, match=r"disk .*full; free some space and start again"):
        download_model(MODEL, Path(sys.executable), report, models=disk)
    assert models.look_up(MODEL, disk).folder is None, "half a model is no model"
    (disk / "filler").unlink()
    hub.faults.clear()
    folder = download_model(MODEL, Path(sys.executable), lambda *_: None, models=disk)
    assert (folder / "model.fp16.safetensors").read_bytes() == WEIGHTS


@pytest.mark.slow
@pytest.mark.parametrize("when", ["make environment", "torch"])
def test_the_disk_fills_up_in_an_environment(small_disk, tmp_path, when):
    disk = small_disk("200m")
    index = Index(str(write_packages(tmp_path / "packages")))
    needed = Requirements("torch==2.13.0", tuple(f"{name}==2.13.0" for name in LIBRARIES))
    build = TorchBuild("cpu", "Processor", None, 100_000_000)
    recipe = Recipe(Path(sys.executable), build, needed, packages=index, torch=index)
    made = Environment(disk / "environment")

    def report(stage, *_):
        if when in stage.lower() and not (disk / "filler").exists():
            fill(disk)

    with pytest.raises(SetupError, match=r"full.*free some space and start again"):
        made.make(recipe, report)
    assert made.status().kind == UNFINISHED
    (disk / "filler").unlink()
    assert made.make(recipe, lambda *_: None).lacks == ""
    assert made.status().kind == READY


# --- a killed worker ------------------------------------------------------------------------------


def processes_about(folder):
    """Ids of processes whose command line names `folder`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
    return found


def run_until(task, params, stop):
    """Run a task in a worker; kill -9 once `stop(stage, step)`. Its last event."""
    with WorkerClient(worker_command()) as worker:
        pid = worker.start().pid
        worker.submit(task, params)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            for event in worker.poll():
                if isinstance(event, Result | Failure):
                    return event
                if isinstance(event, Progress) and stop(event.stage, event.step):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
    raise AssertionError("the worker neither answered nor died")


def assert_nobody_is_left(folder):
    deadline = time.monotonic() + 3
    while (left := processes_about(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


linux = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@linux
def test_a_killed_worker_leaves_no_child_and_the_next_one_goes_on(hub, tmp_path):
    folder = tmp_path / "models"
    params = {"model": MODEL.key, "python": sys.executable, "models_folder": str(folder)}
    params["accept_licence"] = True
    # However late the kill comes under load, the rest has not been sent by then.
    hub.faults["stall_after"] = 4_000_000

    def enough(stage, step):
        return stage.startswith("download model") and step > 2_000_000

    died = run_until("download_model", params, enough)
    assert died.kind == "WorkerDiedError"
    assert_nobody_is_left(folder)
    assert models.look_up(MODEL, folder).folder is None
    assert 2_000_000 < models.look_up(MODEL, folder).unfinished < 5_000_000
    hub.faults.clear()
    done = run_until("download_model", params, lambda *_: False)
    assert done.values["name"] == MODEL.name
    assert [start > 2_000_000 for start in hub.sent_ranges()] == [True], "it went on"
    assert (Path(done.values["folder"]) / "model.fp16.safetensors").read_bytes() == WEIGHTS


RUN_CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from hy3dgen.install import watched_child
from hy3dgen.worker.process import child_environment
code = watched_child.WATCH_PARENT + "print(os.getpid(), flush=True); time.sleep(60)"
command = sys.argv[3:] or [sys.executable, "-I", "-c", code, sys.argv[2]]
said = lambda line: print(line, flush=True)
watched_child.run_child(command, child_environment(), said, lambda: None, lambda: 60.0)
"""


@linux
@pytest.mark.parametrize("what", ["pip", "hub"])
def test_what_a_killed_worker_started_ends_even_if_a_signal_holds_it(hub, tmp_path, what):
    """As the worker starts pip and the hub's library; all of them name `tmp_path`."""
    hub.faults["swallow"] = True
    fetch = [sys.executable, "-I", Path(hub_script.__file__), "fetch", MODEL.repository, "main"]
    fetch += ["config.yaml", str(tmp_path), "9"]
    command = [sys.executable, "-c", RUN_CHILD, Path(__file__).parents[2], tmp_path]
    worker = subprocess.Popen(command + (fetch if what == "hub" else []), stdout=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while len(found := set(processes_about(tmp_path)) - {worker.pid}) < 1:
        assert time.monotonic() < deadline
    time.sleep(2.0 if what == "hub" else 0.5)  # it watches by then
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    worker.kill()
    worker.communicate()
    assert_nobody_is_left(tmp_path)


def wait_for(client, condition):
    """The first event of a worker that fulfils `condition`."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for event in client.poll():
            if condition(event):
                return event
            assert isinstance(event, Progress), event
        time.sleep(0.01)
    raise AssertionError("it never came")


def test_two_workers_fetch_one_model_and_the_first_is_killed(hub, tmp_path):
    folder = tmp_path / "models"
    params = {"model": MODEL.key, "python": sys.executable, "models_folder": str(folder)}
    params["accept_licence"] = True
    hub.faults["stall_after"] = 4_000_000
    with WorkerClient(worker_command()) as first, WorkerClient(worker_command()) as second:
        pid = first.start().pid
        second.start()
        first.submit("download_model", params)
        wait_for(first, lambda event: event.stage.startswith("download m") and event.step > 2e6)
        second.submit("download_model", params)
        wait_for(second, lambda event: event.stage.startswith("wait for another Blender"))
        hub.faults.clear()
        os.kill(pid, signal.SIGKILL)
        done = wait_for(second, lambda event: isinstance(event, Result))
    assert (Path(done.values["folder"]) / "model.fp16.safetensors").read_bytes() == WEIGHTS
    weights = [start for how, path, start in hub.requests if how == "GET" and "fp16" in path]
    assert weights[0] == 0 and len(weights) == 2 and weights[1] > 2_000_000


@linux
@pytest.mark.slow
@pytest.mark.parametrize("when", ["make environment", "torch", "libraries"])
def test_a_worker_killed_while_it_makes_an_environment(tmp_path, when):
    packages = str(write_required(tmp_path / "packages"))
    made = Environment(tmp_path / "environment")
    params = {
        "folder": str(made.folder),
        "base_python": sys.executable,
        "build": "cpu",
        "package_index": packages,
        "torch_index": packages,
        "online": False,
    }

    def here(stage, _):
        return when in stage.lower()

    died = run_until("make_environment", params, here)
    assert died.kind == "WorkerDiedError"
    assert_nobody_is_left(made.folder)
    assert made.status().kind == UNFINISHED
    done = run_until("make_environment", params, lambda *_: False)
    assert isinstance(done, Result), done
    assert made.status().kind == READY


@linux
@pytest.mark.slow
def test_an_environment_that_lost_a_package_is_made_again(tmp_path):
    index = Index(str(write_packages(tmp_path / "packages")))
    needed = Requirements("torch==2.13.0", tuple(f"{name}==2.13.0" for name in LIBRARIES))
    build = TorchBuild("cpu", "Processor", None, 100_000_000)
    recipe = Recipe(Path(sys.executable), build, needed, packages=index, torch=index)
    made = Environment(tmp_path / "environment")
    made.make(recipe, lambda *_: None)
    (torch,) = made.folder.glob("lib/python*/site-packages/torch")
    shutil.rmtree(torch)
    assert made.make(recipe, lambda *_: None).lacks == ""
    assert (torch / "__init__.py").is_file()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="names that Windows forbids")
@pytest.mark.parametrize(
    "name", ['it\'s "a" folder; $HOME ümläut 日本語', "x" * 120 + "/" + "ü" * 60]
)
def test_an_environment_under_any_path(tmp_path, name):
    index = Index(str(write_packages(tmp_path / "packages")))
    needed = Requirements("torch==2.13.0", tuple(f"{name}==2.13.0" for name in LIBRARIES))
    build = TorchBuild("cpu", "Processor", None, 100_000_000)
    recipe = Recipe(Path(sys.executable), build, needed, packages=index, torch=index)
    made = Environment(tmp_path / name / "environment")
    assert made.make(recipe, lambda *_: None).lacks == ""
    assert made.status().kind == READY
    made.remove(lambda *_: None)
    assert not made.folder.exists()
