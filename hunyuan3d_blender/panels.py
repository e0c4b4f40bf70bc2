# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab in the 3D view's sidebar. Draws from settings and jobs, changes nothing."""

import textwrap
from typing import ClassVar

import bpy

from . import environment, job_timer, preferences, progress_text
from .jobs import Job, State
from .properties import GenerateSettings, ReduceSettings, copy_settings

_ICONS = {"INFO": "CHECKMARK", "WARNING": "ERROR", "ERROR": "CANCEL"}
_PIXELS_PER_LETTER = 7.0  # of the interface font at scale 1


class _SidebarPanel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Hunyuan3D"


class HY3D_PT_generate(_SidebarPanel, bpy.types.Panel):
    bl_label = "Mesh from Picture"

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.hunyuan3d.generate
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        if environment.only_bundled_model(context):
            _draw_without_python(layout, settings)
        layout.prop(settings, "filepath")
        default = preferences.get(context).default_model or "Bundled"
        layout.prop(settings, "model", placeholder=default)
        layout.prop(settings, "seed")
        row = layout.row()
        row.scale_y = 1.4
        row.enabled = bool(settings.filepath)
        button = row.operator("hunyuan3d.generate", text="Generate", icon="MESH_MONKEY")
        button.filepath = settings.filepath
        copy_settings(settings, button, GenerateSettings)


class HY3D_PT_sampling(_SidebarPanel, bpy.types.Panel):
    bl_label = "Sampling"
    bl_parent_id = "HY3D_PT_generate"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.hunyuan3d.generate
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        for name in ("num_inference_steps", "guidance_scale", "octree_resolution", "face_count"):
            column.prop(settings, name)
        column.label(text="0 is the model's default")


class HY3D_PT_reduce(_SidebarPanel, bpy.types.Panel):
    bl_label = "Reduce Faces"

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.hunyuan3d.reduce
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        row = layout.row()
        row.prop(settings, "method", expand=True)
        layout.prop(settings, "face_count")
        meshes = [obj.data for obj in context.selected_objects if obj.type == "MESH"]
        if meshes:
            layout.label(text=f"Selected: {sum(map(_triangles, meshes)):,} triangles")
        row = layout.row()
        row.scale_y = 1.4
        button = row.operator("hunyuan3d.reduce_faces", icon="MOD_DECIM")
        copy_settings(settings, button, ReduceSettings)


class HY3D_PT_jobs(_SidebarPanel, bpy.types.Panel):
    bl_label = "Progress"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(job_timer.queue.jobs) or job_timer.queue.last is not None

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column()
        for job in job_timer.queue.jobs:
            _draw_open(column, job)
        hello = job_timer.queue.hello("generation")
        if hello is not None:
            text = f"Runs on {hello.device}, Python {hello.python}"
            column.label(text=text, icon="SYSTEM")
        last = job_timer.queue.last
        if last is not None and not job_timer.queue.jobs:
            width = context.region.width / context.preferences.system.ui_scale
            _draw_ended(column, last, int(width / _PIXELS_PER_LETTER) - 6)


def _draw_without_python(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    column = layout.column(align=True)
    if not settings.model:
        column.label(text="Bundled model on this", icon="INFO")
        column.label(text="computer's processor", icon="BLANK1")
        return
    column.label(text="Needs a Python with PyTorch", icon="INFO")
    column.operator("preferences.addon_show", text="Choose It…").module = __package__


def _triangles(mesh: bpy.types.Mesh) -> int:
    """A polygon with n corners is drawn as n - 2 triangles."""
    return len(mesh.loops) - 2 * len(mesh.polygons)


def _draw_open(layout: bpy.types.UILayout, job: Job) -> None:
    layout.label(text=job.title)
    row = layout.row(align=True)
    row.progress(text=progress_text.describe(job), factor=job.fraction, type="BAR")
    stop = row.row(align=True)
    stop.enabled = job.state is not State.CANCELLING
    stop.operator("hunyuan3d.cancel", text="", icon="X").number = job.number
    layout.separator()


def _draw_ended(layout: bpy.types.UILayout, job: Job, letters: int) -> None:
    for level, text in job.reports:
        icon = "X" if job.state is State.CANCELLED else _ICONS[level]
        column = layout.column(align=True)
        for number, line in enumerate(textwrap.wrap(text, max(letters, 16))):
            column.label(text=line, icon="BLANK1" if number else icon)


_CLASSES = (HY3D_PT_generate, HY3D_PT_sampling, HY3D_PT_reduce, HY3D_PT_jobs)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
