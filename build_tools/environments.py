# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual environments that build.py makes: one for the worker and tests, one per Blender.

An environment is made anew when its requirements have changed, and left alone otherwise; a stamp
file in it says from what it was made.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .console import StepFailedError, run_step, say

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"

BLENDERS = {
    "4.2": "4.2.23",
    "4.5": "4.5.15",
    "5.0": "5.0.1",
    "5.1": "5.1.0",
    "5.2": "5.2.3",
}
"""Blender version -> the bpy wheel that stands for it."""

PYTHON_OF = {"4.2": (3, 11), "4.5": (3, 11), "5.0": (3, 11), "5.1": (3, 13), "5.2": (3, 13)}
"""Blender version -> the only Python that its bpy wheel is made for."""

DEBIAN_LIBRARIES = (
    "libgl1 libegl1 libxi6 libxkbcommon0 libxrender1 libxfixes3 libxxf86vm1 libsm6 libice6"
)
FEDORA_LIBRARIES = (
    "libglvnd-glx libglvnd-egl libXi libxkbcommon libXrender libXfixes libXxf86vm libSM libICE"
)


def newest_blender(version: tuple[int, int]) -> str | None:
    """The newest Blender whose bpy wheel fits a Python version."""
    fitting = [blender for blender, python in PYTHON_OF.items() if python == version]
    return fitting[-1] if fitting else None


def find_python(version: tuple[int, int]) -> Path | None:
    """A Python of exactly this version: the running one, or one found on this machine."""
    if sys.version_info[:2] == version:
        return Path(getattr(sys, "_base_executable", None) or sys.executable)
    name = f"python{version[0]}.{version[1]}"
    candidates: list[Path] = []
    if found := shutil.which(name):
        candidates.append(Path(found))
    home = Path.home()
    for pattern in (
        f".pyenv/versions/{version[0]}.{version[1]}.*/bin/{name}",
        f".local/share/uv/python/cpython-{version[0]}.{version[1]}.*/bin/{name}",
        f"AppData/Local/Programs/Python/Python{version[0]}{version[1]}/python.exe",
    ):
        candidates += sorted(home.glob(pattern), reverse=True)
    candidates += [Path(p) / name for p in ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")]
    return next((path for path in candidates if _runs_as(path, version)), None)


def choose_python() -> Path:
    """A Python that some bpy wheel fits: the running one, else 3.13, else 3.11."""
    running = sys.version_info[:2]
    if newest_blender(running) is not None:
        return Path(getattr(sys, "_base_executable", None) or sys.executable)
    for version in ((3, 13), (3, 11)):
        if found := find_python(version):
            say(
                f"Python {running[0]}.{running[1]} is running, which no bpy wheel fits; "
                f"going on with {found}"
            )
            return found
    raise SystemExit(
        f"Python {running[0]}.{running[1]} is running, but Blender's bpy wheels exist only for "
        "Python 3.11 and 3.13 and neither was found on this machine; install one of them and run "
        "build.py with it."
    )


def version_of(python: Path) -> tuple[int, int]:
    """(major, minor) of a Python."""
    code = "import sys; print(*sys.version_info[:2])"
    answer = subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True)
    major, minor = answer.stdout.split()
    return int(major), int(minor)


def worker_environment(python: Path, torch_index: str | None = None) -> Path:
    """`.venv`: torch, the tools of the tests and of the build, and hy3dgen itself, editable."""
    folder = ROOT / ".venv"
    files = [REQUIREMENTS / "worker.txt", REQUIREMENTS / "develop.txt"]

    def install(venv_python: Path) -> None:
        if torch_index:
            torch = next(
                line for line in files[0].read_text().splitlines() if line.startswith("torch==")
            )
            _pip(venv_python, "Installing torch", torch, "--index-url", torch_index)
        _pip(
            venv_python,
            "Installing torch and the tools (the first time: some minutes)",
            *(f"-r{file}" for file in files),
        )
        _pip(
            venv_python,
            "Installing hy3dgen",
            "--no-deps",
            "--no-build-isolation",
            "-e",
            str(ROOT),
        )

    return _environment(folder, python, [*files, ROOT / "pyproject.toml"], install)


def blender_environment(blender: str) -> Path:
    """`.venv-bpy-<version>`: Blender as a Python module and pytest, nothing else."""
    version = PYTHON_OF[blender]
    python = find_python(version)
    if python is None:
        raise SystemExit(
            f"Blender {blender} needs Python {version[0]}.{version[1]}, which was not found on "
            "this machine; install it, or take another Blender."
        )
    files = [REQUIREMENTS / "blender.txt"]

    def install(venv_python: Path) -> None:
        _pip(
            venv_python,
            f"Installing Blender {BLENDERS[blender]} as a module (about 370 MB)",
            f"bpy=={BLENDERS[blender]}",
            *(f"-r{file}" for file in files),
        )
        check_blender_starts(venv_python, blender)

    return _environment(
        ROOT / f".venv-bpy-{blender}", python, files, install, salt=BLENDERS[blender]
    )


def check_blender_starts(python: Path, blender: str) -> None:
    """SystemExit that names the missing system libraries, if Blender cannot be imported."""
    done = subprocess.run([str(python), "-c", "import bpy"], capture_output=True, text=True)
    if done.returncode == 0:
        return
    missing = re.search(r"(lib[\w+.-]+\.so[.\d]*): cannot open shared object", done.stderr)
    if missing and platform.system() == "Linux":
        raise SystemExit(
            f"Blender {blender} needs the system library {missing[1]}, which is not installed; "
            f"install Blender's libraries with\n  sudo apt-get install {DEBIAN_LIBRARIES}\n"
            f"or  sudo dnf install {FEDORA_LIBRARIES}\nand run this again."
        )
    raise SystemExit(f"Blender {blender} does not start as a module:\n{done.stderr[-2000:]}")


def _environment(
    folder: Path,
    python: Path,
    files: Sequence[Path],
    install: Callable[[Path], None],
    salt: str = "",
) -> Path:
    """The environment's Python; makes it if it is missing or was made from other requirements."""
    wanted = hashlib.sha256(
        b"\0".join(
            [salt.encode(), *map(str.encode, _identity(python)), *(f.read_bytes() for f in files)]
        )
    ).hexdigest()
    stamp = folder / "made-from.txt"
    venv_python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if venv_python.exists() and stamp.is_file() and stamp.read_text() == wanted:
        return venv_python
    stamp.unlink(missing_ok=True)
    if not (venv_python.exists() and _runs_as(venv_python, version_of(python))):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            run_step(f"Making {folder.name}", [python, "-m", "venv", folder])
        except StepFailedError as error:
            shutil.rmtree(folder, ignore_errors=True)
            if "ensurepip" in error.output:
                raise SystemExit(
                    "this Python cannot make virtual environments, because its ensurepip is "
                    "missing; on Debian and Ubuntu install python3-venv and run this again."
                ) from error
            raise
    install(venv_python)
    stamp.write_text(wanted)
    return venv_python


def _identity(python: Path) -> Sequence[str]:
    return [str(python.resolve()), ".".join(map(str, version_of(python)))]


def _runs_as(python: Path, version: tuple[int, int]) -> bool:
    try:
        return version_of(python) == version
    except (OSError, ValueError):
        return False


def _pip(python: Path, title: str, *arguments: str) -> None:
    run_step(
        title,
        [python, "-m", "pip", "install", "--disable-pip-version-check", "-q", *arguments],
        env={"PYTHONUTF8": "1"},
    )
