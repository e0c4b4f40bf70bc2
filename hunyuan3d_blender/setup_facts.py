# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preferences show of this machine, cheap enough for drawing: looked up now and then."""

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from hy3dgen.errors import SetupError
from hy3dgen.install import models
from hy3dgen.install.environment import Status
from hy3dgen.install.torch_builds import Choice, choose_build, examine_machine

from . import environment, model_source

_FRESH = 1.0  # seconds; a drawing of the mouse's every move must not ask the disk each time

_known: dict[str, tuple[float, Any]] = {}
_build: Choice | SetupError | None = None
_looking: threading.Thread | None = None


def environment_status(context: bpy.types.Context) -> Status:
    return _look("environment", lambda: environment.made_environment(context).status())


def model_on_disk(context: bpy.types.Context, model: models.KnownModel) -> models.OnDisk:
    kept = model_source.kept_folder(context)
    return _look(model.key, lambda: models.look_up(model, kept))


def licence_accepted(licence: models.Licence) -> bool:
    return _look(licence.key, lambda: models.accepted(licence))


def free_space(folder: Path) -> int:
    """Bytes free on the disk that `folder` is on or will be on; 0 if the system does not tell."""

    def ask() -> int:
        place = folder
        while not os.path.exists(place) and place != place.parent:
            place = place.parent
        try:
            return shutil.disk_usage(place).free
        except OSError:
            return 0

    return _look(f"space {folder}", ask)


def build_for_this_machine() -> Choice | SetupError | None:
    """Which PyTorch fits; None until a thread has found out, which redraws the preferences.

    Asking the driver of a graphics card can take seconds.
    """
    global _looking
    if _looking is None:
        _looking = threading.Thread(target=_find_build, name="hy3d-machine", daemon=True)
        _looking.start()
        if not bpy.app.background:
            bpy.app.timers.register(_redraw_when_found, first_interval=0.2, persistent=True)
    return _build


def redraw_preferences() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()


def forget() -> None:
    """Ask again: something has changed on the disk."""
    _known.clear()


def _look(key: str, ask: Callable[[], Any]) -> Any:
    now = time.monotonic()
    if key not in _known or now - _known[key][0] > _FRESH:
        _known[key] = now, ask()
    return _known[key][1]


def _find_build() -> None:
    global _build
    try:
        _build = choose_build(examine_machine())
    except SetupError as error:
        _build = error


def _redraw_when_found() -> float | None:
    if _looking is not None and _looking.is_alive():
        return 0.2
    redraw_preferences()
    return None


def register() -> None:
    pass


def unregister() -> None:
    if bpy.app.timers.is_registered(_redraw_when_found):
        bpy.app.timers.unregister(_redraw_when_found)
    forget()
