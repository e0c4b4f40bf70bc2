# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Python runs which worker.

Mesh work and set-up run under Blender's own Python. Generation runs under the one from the
preferences, else under the environment made from there, else under Blender's own too, which is
enough for the bundled model. All get the `hy3dgen` that came with this extension, so that the two
ends of the channel always agree.
"""

import os
import sys
from pathlib import Path

import bpy

import hy3dgen
from hy3dgen.errors import SetupError
from hy3dgen.install.environment import READY, Environment
from hy3dgen.install.python_check import find_python
from hy3dgen.worker import worker_command

from . import preferences
from .warm_worker import WorkerSpec

HY3DGEN_FOLDER = Path(hy3dgen.__file__).resolve().parent.parent  # holds the package


def mesh_worker() -> WorkerSpec:
    return _spec("mesh", sys.executable)


def setup_worker() -> WorkerSpec:
    """The worker that makes environments and fetches models; others go on beside it."""
    return _spec("setup", sys.executable)


def generation_worker(context: bpy.types.Context) -> WorkerSpec:
    """The worker that generates; SetupError if the preferences name a Python that is not there."""
    return _spec("generation", str(generation_python(context) or sys.executable))


def generation_python(context: bpy.types.Context) -> Path | None:
    """The Python with PyTorch; None: Blender's own, for the bundled model.

    Cheap enough for drawing: one small file is read.

    Raises
    ------
    SetupError
        The preferences name one that is not there.
    """
    chosen = preferences.get(context).python
    if chosen:
        # Not resolved: a virtual environment's Python is a link, and its place is what counts.
        return find_python(bpy.path.abspath(chosen))
    made = made_environment(context)
    return made.python if made.status().kind == READY else None


def only_bundled_model(context: bpy.types.Context) -> bool:
    """Whether there is no Python with PyTorch, not even one that has gone missing."""
    try:
        return generation_python(context) is None
    except SetupError:
        return False


def made_environment(context: bpy.types.Context, folder: str = "") -> Environment:
    """The environment in `folder`, else in that of the preferences; it may not be there."""
    folder = folder or preferences.get(context).environment_folder
    return Environment(Path(bpy.path.abspath(folder)) if folder else None)


def _log_path(role: str) -> str | None:
    """None where this user's folders cannot be written: work goes on without a log."""
    try:
        # Not made by Blender's own call, which answers with an empty path when it cannot.
        folder = Path(preferences.log_folder())
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{role}.log"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab"):
            return str(path)
    except OSError:
        return None


def _spec(role: str, python: str) -> WorkerSpec:
    return WorkerSpec(
        role=role,
        command=tuple(worker_command(python, hy3dgen_folder=HY3DGEN_FOLDER)),
        log_path=_log_path(role),
    )
