# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with a job of the list: cancel it, try it again, forget it."""

from typing import ClassVar

import bpy
from bpy.props import IntProperty

from hy3dgen.errors import Hy3DError

from .. import job_timer
from ..error_words import reported
from ..job import sentence


class HY3D_OT_cancel(bpy.types.Operator):
    """Stop the work in progress; the scene stays as it is"""

    bl_idname = "hunyuan3d.cancel"
    bl_label = "Cancel Job"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    number: IntProperty(
        name="Job", description="0: every job", min=0, options={"HIDDEN", "SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        cls.poll_message_set("Nothing is running")
        return bool(job_timer.queue.jobs)

    def execute(self, context: bpy.types.Context) -> set[str]:
        for job in list(job_timer.queue.jobs):
            if self.number in (0, job.number):
                job_timer.queue.cancel(job)
        job_timer.wake()
        return {"FINISHED"}


class _EndedJobOperator:
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    number: IntProperty(name="Job", min=0, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        cls.poll_message_set("No job has ended yet")
        return bool(job_timer.queue.ended)


class HY3D_OT_retry(_EndedJobOperator, bpy.types.Operator):
    """Do this job once more, with the same settings and at the same place"""

    bl_idname = "hunyuan3d.retry"
    bl_label = "Try Again"

    def execute(self, context: bpy.types.Context) -> set[str]:
        job = job_timer.queue.find(self.number)
        if job is None or not job.ended or job.again is None:
            self.report({"ERROR"}, "This job cannot be done again; start a new one")
            return {"CANCELLED"}
        try:
            job_timer.queue.retry(job)
        except Hy3DError as error:
            self.report({"ERROR"}, reported(sentence(str(error))))
            return {"CANCELLED"}
        job_timer.wake()
        return {"FINISHED"}


class HY3D_OT_remove_job(_EndedJobOperator, bpy.types.Operator):
    """Take this job off the list; what it made stays. With Ctrl: all that have ended"""

    bl_idname = "hunyuan3d.remove_job"
    bl_label = "Remove from List"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.ctrl:
            self.number = 0
        return self.execute(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        for job in list(job_timer.queue.ended):
            if self.number in (0, job.number):
                job_timer.queue.remove(job)
        job_timer.wake()
        return {"FINISHED"}


_CLASSES = (HY3D_OT_cancel, HY3D_OT_retry, HY3D_OT_remove_job)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
