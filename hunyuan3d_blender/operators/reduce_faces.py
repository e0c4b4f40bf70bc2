# SPDX-License-Identifier: GPL-3.0-or-later
"""`hunyuan3d.reduce_faces`: fewer triangles for every selected mesh, in one undo step."""

from typing import ClassVar

import bpy
from bpy.app.translations import pgettext_iface as _

from .. import reduction
from ..job import Job
from ..properties import ReduceSettings
from .job_operator import JobOperator


class HY3D_OT_reduce_faces(ReduceSettings, JobOperator, bpy.types.Operator):
    """Reduce the triangles of each selected mesh, staying close to its surface. Keeps the object, \
its transform and modifiers, and UV maps, colors, weights, shape keys and other attributes"""

    bl_idname = "hunyuan3d.reduce_faces"
    bl_label = "Reduce Faces"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if any(obj.type == "MESH" for obj in context.selected_objects):
            return True
        found = context.selected_objects
        cls.poll_message_set(
            _("'{name}' is not a mesh; select at least one mesh").format(name=found[0].name)
            if found
            else "Nothing is selected; select at least one mesh"
        )
        return False

    def make_job(self, context: bpy.types.Context) -> Job:
        wish = reduction.Wish(
            face_count=self.face_count,
            ratio=self.ratio if self.use_ratio else None,
            method=self.method.lower(),
            keep_original=self.keep_original,
        )
        return reduction.make_job(context, list(context.selected_objects), wish, self.waits)


def register() -> None:
    bpy.utils.register_class(HY3D_OT_reduce_faces)


def unregister() -> None:
    bpy.utils.unregister_class(HY3D_OT_reduce_faces)
