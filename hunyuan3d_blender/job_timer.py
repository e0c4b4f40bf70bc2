# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives the one `JobQueue` of this Blender: by a timer with a window, in a loop without one.

With a window a job's result is written between the artist's own actions: in slices, in object mode
only, and with an undo step of its own.
"""

import atexit
import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

import bpy

from . import preferences, preview_object, progress_text, quality, thumbnails
from .job import Job, State
from .jobs import JobQueue

INTERVAL = 0.1  # seconds between two looks at the workers while a job is open
IDLE_INTERVAL = 2.0
SLICE = 0.005  # seconds at a time after which no other step of reading or writing is begun
SLICE_INTERVAL = 0.01
STATUS_SECONDS = 5.0  # least time between two progress lines of one stage without a window
NEWS_SECONDS = 15.0  # how long the status bar tells of a job that has ended
_TITLE = "Hunyuan3D"

queue = JobQueue()
when_idle: list[Callable[[bpy.types.Context], object]] = []  # for turns on which no job is open
_news: tuple[float, Job] | None = None  # the job that ended last, and when


def start(job: Job) -> None:
    """Queue a job; the timer sees it through."""
    queue.add(job)
    if job.state is State.READING:
        queue.read(job, 0.0)  # its first step takes the meshes as they are now
    wake()


def wake() -> None:
    """Look at the workers soon."""
    if bpy.app.background:
        return
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    bpy.app.timers.register(_tick, first_interval=0.01, persistent=True)
    redraw()


def run_blocking(job: Job) -> None:
    """Run a job to its end, printing progress. Ctrl-C cancels it."""
    queue.add(job)
    with _interruptible():
        while not job.ended:
            try:
                _run_until_ended(job)
            except KeyboardInterrupt:
                queue.cancel(job)


def news() -> Job | None:
    """A job that has ended a moment ago, for the status bar."""
    if _news is None or time.monotonic() - _news[0] > NEWS_SECONDS:
        return None
    return _news[1]


def redraw() -> None:
    """Redraw the sidebars and the status bar; whole 3D views on each tick would be felt."""
    manager = bpy.context.window_manager
    for window in manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
        if not window.modal_operators:  # one of those may have a text there
            # Does nothing but redraw the status bar; of the context's window, so name it: after a
            # file load there may be none, and Blender 4.3 crashes.
            with bpy.context.temp_override(window=window):
                window.workspace.status_text_set(None)


def _drawn_state() -> list[tuple]:
    """What the panel shows of the jobs; drawing costs time that a job on the CPU could use."""
    rows: list[tuple] = [
        (
            job.number,
            progress_text.describe(job),
            job.hint,
            round(job.fraction, 2),
            int(job.elapsed),
            0 if job.views is None else len(job.views),
        )
        for job in queue.jobs
    ]
    for role in ("generation", "mesh"):
        status = queue.status(role)
        if status is not None:
            rows.append((role, status.hello is None, status.error, str(status.memory)))
    rows.append((news() is None, len(queue.ended), quality.known.changes))
    return rows


def _tick() -> float | None:
    """One turn of the timer; returns the seconds until the next one, or None for never."""
    global _news
    before, last = _drawn_state(), queue.last
    was_open = bool(queue.jobs)
    queue.pump()
    thumbnails.update_views([*queue.jobs, *queue.ended])
    window = bpy.context.window_manager.windows[0]  # a timer's own context has no window
    with bpy.context.temp_override(window=window):
        in_steps = _read_scene(bpy.context) or _change_scene(bpy.context)
        if not queue.jobs:
            for function in when_idle:
                function(bpy.context)
    if queue.last is not last and queue.last is not None:
        _news = time.monotonic(), queue.last
    if _drawn_state() != before:
        redraw()
    if in_steps:
        return SLICE_INTERVAL
    if was_open or queue.jobs or preview_object.unsettled():
        return INTERVAL
    queue.close_idle(preferences.get(bpy.context).idle_minutes * 60)
    return IDLE_INTERVAL if queue.has_workers or news() is not None else None


def _read_scene(context: bpy.types.Context) -> bool:
    """Some of the first job that reads; True if there was one."""
    job = next((job for job in queue.jobs if job.state is State.READING), None)
    if job is None:
        return False
    job.hint = "Waiting for the tool in use" if _tool_in_use(context) else ""
    if not job.hint:
        queue.read(job, SLICE)
    return not job.hint


def _change_scene(context: bpy.types.Context) -> bool:
    """Previews, then some of the first result that is there; True if there is more to write."""
    busy = _tool_in_use(context)
    if not busy:
        preview_object.update(queue.jobs)
        preview_object.settle()
    job = next((job for job in queue.jobs if job.state in (State.READY, State.WRITING)), None)
    if job is None:
        return False
    job.hint = ""
    if job.writes_scene:
        if context.mode != "OBJECT":
            job.hint = "Go to Object Mode to see the result"
        elif busy:
            job.hint = "Waiting for the tool in use"
        if job.hint:
            return False
    ended = queue.complete(job, SLICE)
    if ended and job.state is State.DONE and job.writes_scene:
        bpy.ops.ed.undo_push(message=job.title)
    return True


def _tool_in_use(context: bpy.types.Context) -> bool:
    """Moving, sculpting and the like keep pointers into the scene and their own undo step."""
    return any(
        type(operator).__module__ == "bpy.types"
        for window in context.window_manager.windows
        for operator in window.modal_operators
    )


def _run_until_ended(job: Job) -> None:
    printed, printed_stage, printed_at = "", None, 0.0
    while not job.ended:
        queue.pump()
        if job.state is State.READING:
            queue.read(job)
        if job.state in (State.READY, State.WRITING):
            queue.complete(job, math.inf)
        if job.ended:
            return
        line, now = progress_text.describe(job), time.monotonic()
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
    global _news
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    if hasattr(bpy.app.handlers, "exit_pre"):
        bpy.app.handlers.exit_pre.remove(_close_at_exit)
    atexit.unregister(queue.close)
    queue.close()
    _news = None
