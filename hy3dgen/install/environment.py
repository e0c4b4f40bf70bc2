# SPDX-License-Identifier: Apache-2.0
"""The virtual environment with PyTorch that one user's Blenders share: make, resume, remove.

A stamp file in it says what it is made from and which steps are done, so an interrupted making goes
on where it stopped and an unfinished environment is never used. A file lock beside it lets one
process at a time work on it. Only packages as wheels, only into this folder: the Python it is made
from stays as it is.
"""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hy3dgen.errors import SetupError
from hy3dgen.install import disk
from hy3dgen.install.pip_run import Index, Report, pip_install
from hy3dgen.install.places import data_folder
from hy3dgen.install.python_check import OLDEST, PythonReport, check_python, find_python
from hy3dgen.install.requirements import Requirements
from hy3dgen.install.torch_builds import TorchBuild
from hy3dgen.install.watched_child import WATCH_PARENT, run_child
from hy3dgen.worker.process import child_environment

STAMP = "hunyuan3d-environment.json"
PIP = "pip>=24.1"  # from then on it prints its progress in bytes for other programs
ABSENT, UNFINISHED, READY, BROKEN = "absent", "unfinished", "ready", "broken"
_VENV_SILENCE = 300.0  # seconds


@dataclass(frozen=True)
class Recipe:
    """What an environment is made from.

    Parameters
    ----------
    base_python : the interpreter whose standard library it uses from then on
    build : the build of torch
    packages : where the other packages are found
    torch : where torch is found; None: where its build is published
    hy3dgen_wheel : installed last, for scripts; workers take the extension's own
    """

    base_python: Path
    build: TorchBuild
    requirements: Requirements
    packages: Index = field(default_factory=Index)
    torch: Index | None = None
    hy3dgen_wheel: Path | None = None

    @property
    def torch_index(self) -> Index:
        return self.torch or (Index(self.build.index) if self.build.index else self.packages)

    @property
    def needs_network(self) -> bool:
        return self.packages.needs_network or self.torch_index.needs_network

    @property
    def digest(self) -> str:
        """Changes when an environment made from another recipe would hold other packages."""
        parts = [self.build.key, self.requirements.torch, *self.requirements.libraries]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Status:
    """What is there now; `sentence` for people, `size` in bytes as noted when it was finished."""

    kind: str  # ABSENT, UNFINISHED, READY or BROKEN
    sentence: str
    size: int = 0
    digest: str = ""


class Environment:
    """The environment in `folder`. Making one of these looks at nothing."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = data_folder() / "environment" if folder is None else folder
        self.work = self.folder.with_name(f"{self.folder.name}-unfinished")
        self._lock = self.folder.with_name(f"{self.folder.name}.lock")

    @property
    def python(self) -> Path:
        inside = "Scripts/python.exe" if os.name == "nt" else "bin/python"
        return self.folder / inside

    def status(self) -> Status:
        """What the stamp says; cheap enough for drawing."""
        stamp = disk.read_json(self.folder / STAMP)
        if not stamp:
            if self.folder.is_dir() and any(self.folder.iterdir()):
                return Status(BROKEN, f"{self.folder} holds something else")
            return Status(ABSENT, "no environment has been made yet")
        done = stamp.get("done", ())
        if not self.python.is_file() and (done or stamp.get("ready")):
            base = stamp.get("base", "its Python")
            return Status(
                BROKEN, f"{base}, which it was made from, is gone; remove it and make it again"
            )
        if not stamp.get("ready"):
            words = f"{len(done)} of 5 steps are done; making it goes on from there"
            return Status(UNFINISHED, words)
        digest, size = str(stamp.get("digest", "")), int(stamp.get("size", 0))
        return Status(READY, str(stamp.get("sentence", "")), size, digest)

    def make(self, recipe: Recipe, report: Report) -> PythonReport:
        """Make it, or go on making it; returns at once if it is there already.

        Parameters
        ----------
        report : called often with (stage, step, total); what it raises stops the work, and the
            next call goes on from there

        Raises
        ------
        SetupError
            What went wrong and what to do.
        """
        try:
            with disk.only_one(
                self._lock, lambda: report("wait for another Blender that is making it", 0, 1)
            ):
                return self._make(recipe, report)
        except OSError as error:
            if disk.is_full(error):
                raise SetupError(
                    f"the disk of {self.folder} is full; free some space and start again, it goes "
                    "on where it stopped"
                ) from error
            raise SetupError(
                f"{error.filename or self.folder} could not be written "
                f"({error.strerror or error}); choose another folder"
            ) from error

    def remove(self, report: Report = lambda *_: None) -> int:
        """Delete it and all that making it left; the bytes that are free now."""
        if self.folder.is_dir() and not self._is_ours():
            raise SetupError(
                f"the folder {self.folder} was not made by this extension and is left alone; "
                "remove it yourself"
            )
        waiting = time.monotonic()

        def patience() -> None:
            report("wait for another Blender that is making it", 0, 1)
            if time.monotonic() - waiting > 10:
                raise SetupError(
                    "another Blender is making this environment; cancel it there first"
                )

        with disk.only_one(self._lock, patience):
            size = disk.size_of(self.folder) + disk.size_of(self.work)
            # The stamp goes last: what is left after an interruption is still known as ours.
            stamp = self.folder / STAMP
            content = disk.read_json(stamp)
            if content.pop("ready", None):
                disk.write_json(stamp, content)
            for folder in (self.work, *_without(self.folder, STAMP)):
                if folder.is_dir() and not folder.is_symlink():
                    disk.remove_tree(folder, lambda step, of: report("remove", step, of))
                else:
                    folder.unlink(missing_ok=True)
            disk.remove_tree(self.folder)
        with contextlib.suppress(OSError):
            self._lock.unlink()
        return size

    # --- inside -----------------------------------------------------------------------------------

    def _is_ours(self) -> bool:
        return (self.folder / STAMP).is_file() or not any(self.folder.iterdir())

    def _make(self, recipe: Recipe, report: Report) -> PythonReport:
        if self.folder.is_dir() and not self._is_ours():
            raise SetupError(
                f"the folder {self.folder} holds other files; choose another place for the "
                "environment"
            )
        stamp = disk.read_json(self.folder / STAMP)
        if stamp.get("ready") and stamp.get("digest") == recipe.digest and self.python.is_file():
            report("check", 0, 1)
            found = check_python(self.python, lambda: report("check", 0, 1))
            if not found.lacks:
                return found
            stamp = {}
        if stamp.get("digest") != recipe.digest or not self.python.is_file():
            stamp = {}
        done: list[str] = list(stamp.get("done", ()))
        base = _base_python(recipe.base_python, report)
        if not done:
            if self.folder.is_dir():
                report("remove what was there", 0, 1)
                disk.remove_tree(self.folder)
            disk.make_folder(self.folder)
        already = disk.size_of(self.folder) + disk.size_of(self.work)
        needed = max(recipe.build.disk - already, recipe.build.disk // 10)
        disk.check_space(self.folder, needed, f"an environment for {recipe.build.label}")
        disk.make_folder(self.work)

        stamp = {"digest": recipe.digest, "base": str(base), "build": recipe.build.key}
        self._note(stamp, done)
        for name, step in self._steps(recipe, base, report):
            if name not in done:
                if name != "venv":
                    _forget_halves(self.folder)
                step()
                done.append(name)
                self._note(stamp, done)
        report("check", 0, 1)
        found = check_python(self.python, lambda: report("check", 0, 1))
        if found.lacks:
            raise SetupError(f"the new environment {found.lacks}")
        disk.remove_tree(self.work)
        stamp |= {
            "ready": True,
            "sentence": found.sentence,
            "size": disk.size_of(self.folder),
        }
        self._note(stamp, done)
        return found

    def _note(self, stamp: dict, done: Sequence[str]) -> None:
        disk.write_json(self.folder / STAMP, {**stamp, "done": list(done)})

    def _steps(
        self, recipe: Recipe, base: Path, report: Report
    ) -> list[tuple[str, Callable[[], None]]]:
        def install(index: Index, subject: str, *what: str, options: Sequence[str] = ()) -> None:
            pip_install(
                self.python, what, index, report, work=self.work, subject=subject, options=options
            )

        def newer_pip() -> None:
            # Without it all works as well, only without bytes in the progress.
            try:
                install(recipe.packages, "pip", PIP, options=["--upgrade"])
            except SetupError as error:
                if "has no pip" not in str(error):
                    raise

        def hy3dgen() -> None:
            wheel = recipe.hy3dgen_wheel
            if wheel is not None:
                options = ["--no-deps", "--no-index", "--force-reinstall"]
                install(Index(str(wheel.parent)), "hy3dgen", str(wheel), options=options)

        requirements = recipe.requirements
        return [
            ("venv", lambda: self._make_venv(base, report)),
            ("pip", newer_pip),
            ("torch", lambda: install(recipe.torch_index, "PyTorch", requirements.torch)),
            (
                "libraries",
                lambda: install(
                    recipe.packages, "libraries", *requirements.libraries, requirements.torch
                ),
            ),
            ("hy3dgen", hy3dgen),
        ]

    def _make_venv(self, base: Path, report: Report) -> None:
        lines: list[str] = []
        code = run_child(
            [
                *(str(base), "-I", "-X", "utf8", "-c", WATCH_PARENT + _MAKE_VENV),
                str(self.folder),
            ],
            child_environment(),
            lines.append,
            lambda: report("make environment", 0, 1),
            lambda: _VENV_SILENCE,
        )
        if code:
            text = " ".join(lines)
            if "No space left" in text or disk.nothing_free(self.folder):
                raise SetupError(
                    f"the disk of {self.folder} is full; free some space and start again"
                )
            if "ensurepip" in text:
                raise SetupError(
                    f"the Python {base} cannot make virtual environments, because its ensurepip "
                    "is missing; install it (on Debian and Ubuntu: python3-venv), or choose "
                    "another Python"
                )
            raise SetupError(
                f"the Python {base} could not make a virtual environment "
                f"({(lines or ['it said nothing'])[-1][:200]}); choose another Python"
            )


_MAKE_VENV = """
import venv
# Not the base's own packages, and no copy of its program where a link will do.
builder = venv.EnvBuilder(system_site_packages=False, with_pip=True, symlinks=os.name != "nt")
builder.create(sys.argv[1])
"""


def _base_python(chosen: Path, report: Report) -> Path:
    """The interpreter itself, after a look at it; SetupError if no environment comes from it."""
    report("look at the Python", 0, 1)
    python = find_python(chosen)
    found = check_python(python, lambda: report("look at the Python", 0, 1))
    if tuple(map(int, found.version.split(".")[:2])) < OLDEST or "32-bit" in found.lacks:
        raise SetupError(f"the Python {python} {found.lacks}")
    return python


def _forget_halves(folder: Path) -> None:
    """Remove the records of packages whose installation was interrupted, so that pip redoes them.

    pip writes a package's INSTALLER file after all of its other files.
    """
    for site in (*folder.glob("lib/python*/site-packages"), folder / "Lib" / "site-packages"):
        for record in site.glob("*.dist-info"):
            if not (record / "INSTALLER").is_file():
                shutil.rmtree(record, ignore_errors=True)
        for aside in site.glob("~*"):  # what pip moves out of the way while it replaces a package
            shutil.rmtree(aside, ignore_errors=True)


def _without(folder: Path, name: str) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.name != name] if folder.is_dir() else []
