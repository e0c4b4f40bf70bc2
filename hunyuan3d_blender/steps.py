# SPDX-License-Identifier: GPL-3.0-or-later
"""Work of the main thread in steps, between which the artist goes on."""

import threading
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import bpy
import numpy as np

from .job import WAITING

# Yields None between steps, WAITING while there is nothing to do; returns what it made.
Steps = Generator[str | float | None, None, Any]
Target = Callable[[], bpy.types.Mesh]  # the mesh that is worked on, asked for at each step
_WAIT = 0.001  # seconds
_LARGE = 4_000_000  # bytes


def in_thread(function: Callable[[], Any]) -> Steps:
    """Run `function`, which must not touch bpy, in a thread; yields until it is done."""
    outcome: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="hy3d-prepare", daemon=True)
    thread.start()
    while thread.is_alive():
        yield WAITING
    if errors:
        raise errors[0]
    return outcome[0]


def room_for(shape: tuple[int, ...], dtype: type) -> Steps:
    """An array to be filled. A system gives memory when it is first used, which takes longer than
    to fill it: so large ones are used in a thread first.
    """
    room = np.empty(shape, dtype)
    if room.nbytes > _LARGE:
        yield from in_thread(partial(room.fill, 0))
    return room


def run_through(steps: Steps) -> Any:
    """What the steps return, taken one after the other."""
    while True:
        try:
            if next(steps) == WAITING:
                time.sleep(_WAIT)
        except StopIteration as stop:
            return stop.value
