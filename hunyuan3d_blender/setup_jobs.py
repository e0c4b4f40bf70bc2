# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that set things up, found again by what they are about, for whoever draws them."""

from collections.abc import Callable

import bpy

from hy3dgen.errors import InvalidSettingError
from hy3dgen.worker.protocol import Result

from . import environment, setup_facts
from .job import Job, Part, Report

PYTHON, ENVIRONMENT = "python", "environment"  # subjects; a model's is its key
_REDRAW_INTERVAL = 0.25  # seconds

_latest: dict[str, Job] = {}


def make_job(subject: str, title: str, part: Part, finish: Callable[[Result], str]) -> Job:
    """A job of one part, not queued yet; `finish` returns the sentence to tell.

    InvalidSettingError if one about the same subject is open.
    """
    open_one = _latest.get(subject)
    if open_one is not None and not open_one.ended:
        raise InvalidSettingError(
            f"'{open_one.title}' is in progress already; wait for its end, or cancel it"
        )

    def finish_and_forget(results: list[Result]) -> list[Report]:
        setup_facts.forget()
        return [("INFO", finish(results[0]))]

    worker = environment.setup_worker()
    job = Job(title, worker, [part], finish_and_forget, writes_scene=False)
    _latest[subject] = job
    if not bpy.app.background and not bpy.app.timers.is_registered(_redraw):
        bpy.app.timers.register(_redraw, persistent=True)
    return job


def latest(subject: str) -> Job | None:
    """The last job about `subject`, open or ended."""
    return _latest.get(subject)


def _redraw() -> float | None:
    """Timer: redraws open preferences as long as a job goes on, and once after it."""
    setup_facts.redraw_preferences()
    if all(job.ended for job in _latest.values()):
        setup_facts.forget()
        return None
    return _REDRAW_INTERVAL


def unregister() -> None:
    if bpy.app.timers.is_registered(_redraw):
        bpy.app.timers.unregister(_redraw)
    _latest.clear()


def register() -> None:
    pass
