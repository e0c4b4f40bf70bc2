# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators with a long job share: queueing with a window, waiting without one.

Blender's timers never fire in background mode and modal operators stall there, so `execute`
branches: called from the interface it queues its jobs and is done, called from a script or without
a window it waits and prints progress. It is not modal: a modal operator would end with a file load,
keep Blender from saving automatically, and could not be one of several.
"""

from collections.abc import Sequence
from typing import ClassVar

import bpy

from hy3dgen.errors import Hy3DError

from .. import job_timer
from ..error_words import reported
from ..job import Job, State, sentence

# Neither finished, which would push an undo step now, nor cancelled: the work goes on elsewhere.
GOES_ON: set[str] = {"INTERFACE"}


class JobOperator:
    """Mixin; the operator gives `make_job(context) -> Job`, which raises Hy3DError on bad input."""

    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    def make_job(self, context: bpy.types.Context) -> Job:
        raise NotImplementedError

    def make_jobs(self, context: bpy.types.Context) -> Sequence[Job]:
        return [self.make_job(context)]

    @property
    def waits(self) -> bool:
        """Whether `execute` comes back when the work is done, so that nothing comes in between."""
        return bpy.app.background or not self.options.is_invoke

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            jobs = self.make_jobs(context)
        except Hy3DError as error:
            self.report({"ERROR"}, reported(sentence(str(error))))
            return {"CANCELLED"}
        if not self.waits:
            for job in jobs:
                job_timer.start(job)
            return GOES_ON
        for job in jobs:
            job_timer.run_blocking(job)
            for level, text in job.reports:
                self.report({level}, reported(text))
        return {"FINISHED"} if all(job.state is State.DONE for job in jobs) else {"CANCELLED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return self.execute(context)
