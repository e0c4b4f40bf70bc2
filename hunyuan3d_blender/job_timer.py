# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives the one `JobQueue` of this Blender: by a timer with a window, in a loop without one.

Operators that watch their job complete it themselves, in their own context. A job whose operator
is gone (a file was loaded in the meantime) is completed here and gets its own undo step.
"""

import atexit
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator

import bpy

from . import preferences
from .jobs import Job, JobQueue, State

INTERVAL = 0.1  # seconds between two looks at the workers while a job is open
IDLE_INTERVAL = 5.0
STATUS_SECONDS = 5.0  # least time between two progress lines of one stage without a window
_TITLE = "Hunyuan3D"

queue = JobQueue()
_watched: set[Job] = set()  # jobs whose operator is still there


def start(job: Job) -> None:
    """Queue a job that the caller, a modal operator, watches."""
    _watched.add(queue.add(job))
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    bpy.app.timers.register(_tick, first_interval=0.01, persistent=True)


def unwatch(job: Job) -> None:
    _watched.discard(job)


def run_blocking(job: Job) -> None:
    """Run a job to its end, printing progress. Ctrl-C cancels it."""
    queue.add(job)
    with _interruptible():
        while not job.ended:
            try:
                _run_until_ended(job)
            except KeyboardInterrupt:
                queue.cancel(job)


def redraw() -> None:
    """Redraw the sidebars only; redrawing whole 3D views on each tick would be felt."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


def _drawn_state() -> list[tuple[int, str, float]]:
    """What the panel shows of the jobs; drawing costs time that a job on the CPU could use."""
    return [(job.number, job.describe(), round(job.fraction, 2)) for job in queue.jobs]


def _tick() -> float | None:
    """One turn of the timer; returns the seconds until the next one, or None for never."""
    before = _drawn_state()
    was_open = bool(queue.jobs)
    queue.pump()
    for job in list(queue.jobs):
        if job.state is State.READY and job not in _watched:
            _complete_unwatched(job)
    if _drawn_state() != before:
        redraw()
    if was_open:
        return INTERVAL
    queue.close_idle(preferences.get(bpy.context).idle_minutes * 60)
    return IDLE_INTERVAL if queue.has_workers else None


def _complete_unwatched(job: Job) -> None:
    window = bpy.context.window_manager.windows[0]  # a timer's own context has no window
    with bpy.context.temp_override(window=window):
        queue.complete(job)
        if job.state is State.DONE:
            bpy.ops.ed.undo_push(message=job.title)


def _run_until_ended(job: Job) -> None:
    printed, printed_stage, printed_at = "", None, 0.0
    while not job.ended:
        queue.pump()
        if job.state is State.READY:
            queue.complete(job)
        if job.ended:
            return
        line, now = job.describe(), time.monotonic()
        stage = (job.state, job.stage, len(job.results))
        if line != printed and (stage != printed_stage or now - printed_at >= STATUS_SECONDS):
            sys.stdout.write(f"{_TITLE}: {line}\n")
            sys.stdout.flush()
            printed, printed_stage, printed_at = line, stage, now
        time.sleep(0.01)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt inside, also where Blender has its own handler for it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)


@bpy.app.handlers.persistent
def _close_at_exit(*_: object) -> None:
    queue.close()


def register() -> None:
    atexit.register(queue.close)
    if hasattr(bpy.app.handlers, "exit_pre"):  # Blender 5.1 and later
        bpy.app.handlers.exit_pre.append(_close_at_exit)


def unregister() -> None:
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if hasattr(bpy.app.handlers, "exit_pre"):
        bpy.app.handlers.exit_pre.remove(_close_at_exit)
    atexit.unregister(queue.close)
    queue.close()
    _watched.clear()
