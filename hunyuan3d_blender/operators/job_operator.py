# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators with a long job share: modal with a window, blocking without one.

Blender's timers never fire in background mode and modal operators stall there, so `execute`
branches: called from the interface it starts the job and watches it, called from a script or
without a window it waits and prints progress.
"""

import bpy

from hy3dgen.errors import Hy3DError

from .. import job_timer
from ..jobs import Job, State, sentence


class JobOperator:
    """Mixin; the operator gives `make_job(context) -> Job`, which raises Hy3DError on bad input."""

    _job: Job | None = None
    _timer: bpy.types.Timer | None = None
    _status: str | None = None  # what the status bar says

    def make_job(self, context: bpy.types.Context) -> Job:
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            job = self.make_job(context)
        except Hy3DError as error:
            self.report({"ERROR"}, sentence(str(error)))
            return {"CANCELLED"}
        if bpy.app.background or not self.options.is_invoke:
            job_timer.run_blocking(job)
            return self._report(job)
        self._job = job
        job_timer.start(job)
        manager = context.window_manager
        self._timer = manager.event_timer_add(job_timer.INTERVAL, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return self.execute(context)

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        job = self._job
        if event.type == "ESC" and event.value == "PRESS" and not job.ended:
            job_timer.queue.cancel(job)
            job_timer.redraw()
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if job.state is State.READY:
            job_timer.queue.complete(job)
        if not job.ended:
            status = f"{job.title}: {job.describe()}   [Esc] Cancel"
            if status != self._status:
                self._status = status
                context.workspace.status_text_set(status)
            return {"PASS_THROUGH"}
        self._stop_watching(context)
        job_timer.redraw()
        return self._report(job)

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator itself (a file is loaded): the job goes on without it."""
        if self._job is not None:  # else a dialog was cancelled
            self._stop_watching(context)

    def _stop_watching(self, context: bpy.types.Context) -> None:
        job_timer.unwatch(self._job)
        context.window_manager.event_timer_remove(self._timer)
        context.workspace.status_text_set(None)

    def _report(self, job: Job) -> set[str]:
        for level, text in job.reports:
            self.report({level}, text)
        return {"FINISHED"} if job.state is State.DONE else {"CANCELLED"}
