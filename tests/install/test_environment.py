# SPDX-License-Identifier: Apache-2.0
"""Environments with real venv and pip, from a folder of tiny packages made here; no network."""

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from stand_in_packages import LIBRARIES, write_packages

from hy3dgen.errors import Cancelled, SetupError
from hy3dgen.install import environment as environment_module
from hy3dgen.install import torch_builds
from hy3dgen.install.environment import (
    ABSENT,
    BROKEN,
    READY,
    STAMP,
    UNFINISHED,
    Environment,
    Recipe,
)
from hy3dgen.install.pip_run import Index
from hy3dgen.install.python_check import check_python, find_python
from hy3dgen.install.requirements import Requirements, parse, worker_requirements


@pytest.fixture
def packages(tmp_path):
    return write_packages(tmp_path / "packages")


@pytest.fixture
def recipe(packages):
    index = Index(str(packages))
    needed = Requirements("torch==2.13.0", tuple(f"{name}==2.13.0" for name in LIBRARIES))
    return Recipe(Path(sys.executable), torch_builds.CPU, needed, packages=index, torch=index)


def quiet(*_):
    pass


def test_make_resume_and_remove(recipe, packages, tmp_path):
    made = Environment(tmp_path / "data" / "environment")
    assert made.status().kind == ABSENT
    (packages / "pillow-2.13.0-py3-none-any.whl").rename(tmp_path / "aside.whl")
    with pytest.raises(SetupError, match=r"has no pillow==2.13.0 for this Python"):
        made.make(recipe, quiet)
    assert made.status().kind == UNFINISHED
    assert json.loads((made.folder / STAMP).read_text())["done"] == ["venv", "pip", "torch"]

    (tmp_path / "aside.whl").rename(packages / "pillow-2.13.0-py3-none-any.whl")
    stages = []
    found = made.make(recipe, lambda stage, *_: stages.append(stage))
    assert not any(stage.startswith(("make environment", "look up PyTorch")) for stage in stages)
    assert found.torch == "2.13.0"
    assert found.lacks == ""
    assert made.status().kind == READY
    assert not made.work.exists()

    stages.clear()
    made.make(recipe, lambda stage, *_: stages.append(stage))
    assert set(stages) == {"check"}
    assert os.stat(made.folder / STAMP).st_mode & 0o077 == 0
    assert made.remove() > 0
    assert list(made.folder.parent.iterdir()) == []


def test_cancel_and_a_half_installed_package(recipe, tmp_path):
    made = Environment(tmp_path / "environment")

    def report(stage, *_):
        if "libraries" in stage:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        made.make(recipe, report)
    # As a kill in the middle of pip's work leaves it: the record without its last file.
    (site,) = made.folder.glob("lib/python*/site-packages")
    half = site / "safetensors-2.13.0.dist-info"
    half.mkdir(exist_ok=True)
    (half / "METADATA").write_text("Metadata-Version: 2.1\nName: safetensors\nVersion: 2.13.0\n")
    (half / "INSTALLER").unlink(missing_ok=True)
    assert made.make(recipe, quiet).lacks == ""


def test_two_at_once_make_it_once(recipe, tmp_path):
    found, stages = [], [[], []]

    def make(number):
        made = Environment(tmp_path / "environment")
        found.append(made.make(recipe, lambda stage, *_: stages[number].append(stage)))

    threads = [threading.Thread(target=make, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.3)
    for thread in threads:
        thread.join(120)
    assert len(found) == 2
    assert "wait for another Blender that is making it" in stages[1]
    assert not any(stage.startswith("make environment") for stage in stages[1])


def test_folders_of_others_are_left_alone(recipe, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "work.blend").write_text("years of work")
    made = Environment(folder)
    assert made.status().kind == BROKEN
    with pytest.raises(SetupError, match="holds other files"):
        made.make(recipe, quiet)
    with pytest.raises(SetupError, match="left alone"):
        made.remove()
    assert (folder / "work.blend").read_text() == "years of work"


def test_the_base_python_goes_away(recipe, tmp_path):
    made = Environment(tmp_path / "environment")
    made.folder.mkdir()
    (made.folder / STAMP).write_text(json.dumps({"ready": True, "base": "/opt/blender/python"}))
    status = made.status()
    assert status.kind == BROKEN
    assert "/opt/blender/python, which it was made from, is gone" in status.sentence


def test_its_making_ended_before_it_had_a_python(tmp_path):
    made = Environment(tmp_path / "environment")
    made.folder.mkdir()
    (made.folder / STAMP).write_text(json.dumps({"base": "/usr/bin/python3", "done": []}))
    status = made.status()
    assert status.kind == UNFINISHED
    assert "0 of 5 steps are done" in status.sentence


def test_too_little_space(recipe, tmp_path, monkeypatch):
    huge = torch_builds.TorchBuild("cpu", "Processor", None, 1 << 60)
    monkeypatch.setattr(environment_module, "check_python", lambda *_: check_python(sys.executable))
    huge_recipe = Recipe(recipe.base_python, huge, recipe.requirements, recipe.packages)
    with pytest.raises(SetupError, match=r"needs .* GB of free space"):
        Environment(tmp_path / "environment").make(huge_recipe, quiet)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_home_that_cannot_be_written(recipe, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SetupError, match="nothing can be written"):
        Environment(tmp_path / "x" / "environment").make(recipe, quiet)


def test_a_place_that_is_a_file(recipe, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="nothing can be written to the folder"):
        Environment(tmp_path / "file" / "environment").make(recipe, quiet)


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(os.name == "nt", reason="shell scripts stand in for programs")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo hello", "it printed 'hello'"),
        ("exit 3", "it printed nothing and ended with code 3"),
        ("sleep 30", "did not answer within 1 s"),
        ("yes", "did not answer within 1 s"),
    ],
)
def test_a_python_that_is_none(tmp_path, text, words):
    with pytest.raises(SetupError, match=words):
        check_python(script(tmp_path / "python", text), timeout=1.0)


def test_what_this_python_lacks_is_named(tmp_path):
    import venv

    venv.create(tmp_path / "empty", with_pip=False)
    found = check_python(tmp_path / "empty")
    assert "lacks torch, safetensors" in found.sentence
    assert not found.can_download


@pytest.mark.parametrize("name", ["nothing", "."])
def test_a_path_without_a_python(tmp_path, name):
    with pytest.raises(SetupError, match="choose"):
        find_python(tmp_path / name)


def test_which_indexes_need_the_network(tmp_path):
    needs = {
        None: True,
        "https://example.org/simple": True,
        "http://127.0.0.1:8000/simple": False,
        "file:///srv/packages": False,
        str(tmp_path): False,
        "C:\\packages": False,
    }
    assert {place: Index(place).needs_network for place in needs} == needs


def test_requirements_come_with_torch_pinned():
    assert worker_requirements().torch.startswith("torch==")
    with pytest.raises(SetupError):
        parse("numpy\n")


CARD = torch_builds.NvidiaCard
CHOICES = [
    (dict(system="macos", processor="arm64"), "mps"),
    (dict(system="linux"), "cpu"),
    (dict(system="linux", amd=True), "rocm72"),
    (dict(system="windows", amd=True), "cpu"),
    (dict(system="linux", nvidia=(CARD("H100", (580, 95), 9.0),)), "cu130"),
    (dict(system="linux", nvidia=(CARD("RTX 3080", (550, 54), 8.6),)), "cu126"),
    (dict(system="linux", nvidia=(CARD("GTX 1080", (580, 95), 6.1),)), "cu126"),
    (dict(system="linux", nvidia=(CARD("RTX 5090", (570, 86), 12.0),)), "cpu"),
    (dict(system="windows", nvidia=(CARD("RTX 3080", (470, 5), 8.6),)), "cpu"),
]


@pytest.mark.parametrize(("machine", "build"), CHOICES)
def test_the_build_that_fits(machine, build):
    choice = torch_builds.choose_build(torch_builds.Machine(**{"processor": "x64", **machine}))
    assert choice.build.key == build
    old_driver = bool(machine.get("nvidia")) and build == "cpu"
    assert ("update it" in choice.reason) == old_driver


def test_macs_with_intel_processors_are_refused_in_words():
    with pytest.raises(SetupError, match="Intel"):
        torch_builds.choose_build(torch_builds.Machine("macos", "x64"))


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for the program")
def test_cards_are_read_from_nvidia_smi(tmp_path, monkeypatch):
    script(tmp_path / "nvidia-smi", "echo 'NVIDIA H100 80GB HBM3, 580.95.05, 9.0'; echo junk")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    cards = torch_builds.examine_machine().nvidia
    assert cards == (CARD("NVIDIA H100 80GB HBM3", (580, 95), 9.0),)
