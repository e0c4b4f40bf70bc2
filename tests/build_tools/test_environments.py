# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Python and which Blender build.py takes, and what it says when something is missing."""

import os
import sys
from pathlib import Path

import pytest

from build_tools import environments
from build_tools.console import StepFailedError, run_step

posix = pytest.mark.skipif(os.name == "nt", reason="stands in for Python with a shell script")


def stand_in(folder: Path, script: str) -> Path:
    """A program that plays a Python."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "version, blender", [((3, 11), "5.0"), ((3, 13), "5.2"), ((3, 12), None), ((3, 14), None)]
)
def test_newest_blender_of_a_python(version, blender):
    assert environments.newest_blender(version) == blender


def test_every_blender_has_a_wheel_and_a_python():
    assert environments.BLENDERS.keys() == environments.PYTHON_OF.keys()
    for blender, wheel in environments.BLENDERS.items():
        assert wheel.startswith(f"{blender}.")


def test_running_python_is_found():
    found = environments.find_python(sys.version_info[:2])
    assert environments.version_of(found) == sys.version_info[:2]


def test_python_without_a_blender_looks_for_another(monkeypatch, capsys):
    other = Path("/somewhere/python3.13")
    monkeypatch.setattr(environments.sys, "version_info", (3, 12, 1))
    monkeypatch.setattr(environments, "find_python", {(3, 13): other, (3, 11): None}.get)
    assert environments.choose_python() == other
    assert "3.12 is running" in capsys.readouterr().out


def test_no_fitting_python_is_said(monkeypatch):
    monkeypatch.setattr(environments.sys, "version_info", (3, 12, 1))
    monkeypatch.setattr(environments, "find_python", lambda version: None)
    with pytest.raises(SystemExit, match=r"3\.12 is running.*only for Python 3\.11 and 3\.13"):
        environments.choose_python()


@posix
@pytest.mark.skipif(sys.platform != "linux", reason="the sentence is for Linux")
def test_missing_system_library_is_named_with_the_install_line(tmp_path):
    error = "ImportError: libXi.so.6: cannot open shared object file: No such file or directory"
    python = stand_in(tmp_path, f"echo '{error}' >&2; exit 1")
    with pytest.raises(SystemExit) as caught:
        environments.check_blender_starts(python, "5.0")
    assert "libXi.so.6" in str(caught.value)
    assert "apt-get install" in str(caught.value) and "libxi6" in str(caught.value)


@posix
def test_blender_that_starts_is_accepted(tmp_path):
    environments.check_blender_starts(stand_in(tmp_path, "exit 0"), "5.0")


def test_environment_is_made_once_and_again_when_requirements_change(tmp_path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("one")
    made = []
    python = environments.find_python(sys.version_info[:2])
    folder = tmp_path / "environment"

    def ensure() -> Path:
        return environments._environment(folder, python, [requirements], made.append)

    first = ensure()
    assert environments.version_of(first) == sys.version_info[:2]
    assert ensure() == first and made == [first]
    requirements.write_text("two")
    assert ensure() == first and made == [first, first]


def test_environment_of_a_failed_install_is_not_taken_for_whole(tmp_path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("one")
    python = environments.find_python(sys.version_info[:2])

    def fail(venv_python: Path) -> None:
        raise SystemExit("no network")

    made = []
    with pytest.raises(SystemExit):
        environments._environment(tmp_path / "environment", python, [requirements], fail)
    environments._environment(tmp_path / "environment", python, [requirements], made.append)
    assert len(made) == 1


def test_failed_step_shows_what_it_printed():
    with pytest.raises(StepFailedError, match="the reason") as caught:
        run_step("A step", [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"])
    assert "A step failed" in str(caught.value)
