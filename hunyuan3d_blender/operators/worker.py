# SPDX-License-Identifier: GPL-3.0-or-later
"""Start and stop of the worker that generates."""

from typing import ClassVar

import bpy

from hy3dgen.errors import Hy3DError

from .. import environment, job_timer
from ..error_words import reported
from ..job import sentence


class HY3D_OT_start_worker(bpy.types.Operator):
    """Start the worker now, so that the first job need not wait for it"""

    bl_idname = "hunyuan3d.start_worker"
    bl_label = "Start Worker"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            job_timer.queue.start_worker(environment.generation_worker(context))
        except Hy3DError as error:
            self.report({"ERROR"}, reported(sentence(str(error))))
            return {"CANCELLED"}
        job_timer.wake()
        return {"FINISHED"}


class HY3D_OT_stop_worker(bpy.types.Operator):
    """End the workers and cancel what they do. Frees their memory, that of the GPU too"""

    bl_idname = "hunyuan3d.stop_worker"
    bl_label = "Stop Worker"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        cls.poll_message_set("No worker is running")
        return job_timer.queue.has_workers

    def execute(self, context: bpy.types.Context) -> set[str]:
        for role in ("generation", "mesh"):
            job_timer.queue.stop_worker(role)
        job_timer.wake()
        return {"FINISHED"}


class HY3D_OT_clear_cache(bpy.types.Operator):
    """Forget what workers keep in memory for a second texture of the same mesh or picture"""

    bl_idname = "hunyuan3d.clear_cache"
    bl_label = "Clear Texture Cache"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        cls.poll_message_set("Nothing is kept")
        return job_timer.queue.cached_bytes() > 0

    def execute(self, context: bpy.types.Context) -> set[str]:
        if not job_timer.queue.clear_caches():
            self.report({"WARNING"}, "A worker is busy; clear its cache when it is done")
            return {"CANCELLED"}
        job_timer.wake()
        return {"FINISHED"}


_CLASSES = (HY3D_OT_start_worker, HY3D_OT_stop_worker, HY3D_OT_clear_cache)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
