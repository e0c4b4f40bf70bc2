# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Python runs which worker.

Mesh work runs under Blender's own Python, generation under the one from the preferences, or if none
is chosen under Blender's own too, which is enough for the bundled model. All get the `hy3dgen` that
came with this extension, so that the two ends of the channel always agree.
"""

import sys
from pathlib import Path

import bpy

import hy3dgen
from hy3dgen.errors import InvalidSettingError
from hy3dgen.worker import worker_command

from . import preferences
from .jobs import WorkerSpec

HY3DGEN_FOLDER = Path(hy3dgen.__file__).resolve().parent.parent  # holds the package


def mesh_worker() -> WorkerSpec:
    return _spec("mesh", sys.executable)


def generation_worker(context: bpy.types.Context) -> WorkerSpec:
    """The worker under the Python of the preferences; InvalidSettingError if that is no program."""
    chosen = preferences.get(context).python
    if not chosen:
        return _spec("generation", sys.executable)
    # Not resolved: a virtual environment's Python is a link, and its place is what counts.
    python = Path(bpy.path.abspath(chosen))
    if not python.is_file():
        raise InvalidSettingError(
            f"the generation Python {python} does not exist; "
            "choose another one in the extension's preferences"
        )
    return _spec("generation", str(python))


def _spec(role: str, python: str) -> WorkerSpec:
    return WorkerSpec(
        role=role,
        command=tuple(worker_command(python, hy3dgen_folder=HY3DGEN_FOLDER)),
        log_path=str(Path(preferences.log_folder(create=True), f"{role}.log")),
    )
