# SPDX-License-Identifier: GPL-3.0-or-later
"""`hunyuan3d.cancel`: stop one job or all."""

from typing import ClassVar

import bpy
from bpy.props import IntProperty

from .. import job_timer


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
        job_timer.redraw()
        return {"FINISHED"}


def register() -> None:
    bpy.utils.register_class(HY3D_OT_cancel)


def unregister() -> None:
    bpy.utils.unregister_class(HY3D_OT_cancel)
