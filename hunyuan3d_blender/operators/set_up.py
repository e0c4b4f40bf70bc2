# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Python generates: use one, make an environment for it, remove that again."""

import os
import sys
from typing import ClassVar

import bpy
from bpy.app.translations import pgettext_iface as _
from bpy.props import BoolProperty, EnumProperty, StringProperty

from hy3dgen.errors import InvalidSettingError, SetupError
from hy3dgen.install.disk import gigabytes
from hy3dgen.install.torch_builds import AUTOMATIC, BUILDS
from hy3dgen.worker.protocol import Result

from .. import environment, preferences, setup_facts, setup_jobs
from ..error_words import shown
from ..job import Job, Part
from ..properties import RELATIVE
from ..text_lines import draw_text
from .job_operator import JobOperator

_DIALOG_WIDTH = 520


class HY3D_OT_use_python(JobOperator, bpy.types.Operator):
    """Check whether a Python has all that generation needs, and use it if so"""

    bl_idname = "hunyuan3d.use_python"
    bl_label = "Use This Python"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    filepath: StringProperty(
        name="Python",
        description="A Python program, or the folder of a virtual environment",
        subtype="FILE_PATH",
        options=RELATIVE | {"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if self.filepath:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def make_job(self, context: bpy.types.Context) -> Job:
        if not self.filepath:
            raise InvalidSettingError(
                "no Python is chosen; give a Python program, or a virtual environment's folder"
            )
        chosen = os.path.abspath(bpy.path.abspath(self.filepath))

        def finish(result: Result) -> str:
            if result.values["lacks"]:
                raise SetupError(result.values["sentence"])
            _set(bpy.context, "python", result.values["python"])
            return result.values["sentence"]

        part = Part("Python", "check_python", {"python": chosen})
        return setup_jobs.make_job(setup_jobs.PYTHON, _("Check the Python"), part, finish)


class HY3D_OT_make_environment(JobOperator, bpy.types.Operator):
    """Make the environment with PyTorch, or go on making it."""

    bl_idname = "hunyuan3d.make_environment"
    bl_description = (
        "Make an environment with the PyTorch that fits this machine, or go on making it. Packages "
        "are downloaded; Blender's own Python stays as it is"
    )
    bl_label = "Make Environment"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    build: EnumProperty(
        name="PyTorch For",
        items=(
            (AUTOMATIC, "Automatic", "What fits this machine"),
            *((key, build.label, f"PyTorch: {build.label}") for key, build in BUILDS.items()),
        ),
        default=AUTOMATIC,
    )
    folder: StringProperty(
        name="Folder",
        description="Where it is made. Empty: the folder in the preferences",
        subtype="DIR_PATH",
        options={"SKIP_SAVE"},
    )
    show_sources: BoolProperty(name="Sources", options={"SKIP_SAVE"})
    base_python: StringProperty(
        name="Made From",
        description="The Python it is made from. Empty: Blender's own",
        subtype="FILE_PATH",
    )
    package_index: StringProperty(
        name="Packages",
        description=(
            "Address of a package index, or a folder of wheels, which needs no network. "
            "Empty: where pip looks on this machine"
        ),
    )
    torch_index: StringProperty(
        name="PyTorch",
        description=(
            "Address of a package index with PyTorch, or a folder of wheels. "
            "Empty: where PyTorch is published"
        ),
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        setup_facts.build_for_this_machine()
        return context.window_manager.invoke_props_dialog(
            self, width=_DIALOG_WIDTH, confirm_text="Make Environment"
        )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        _draw_plan(layout, context, self.build, self.folder)
        layout.prop(self, "build")
        layout.prop(self, "folder", placeholder=str(environment.made_environment(context).folder))
        row = layout.row()
        row.use_property_split = False
        row.alignment = "LEFT"
        icon = "DOWNARROW_HLT" if self.show_sources else "RIGHTARROW"
        row.prop(self, "show_sources", icon=icon, emboss=False)
        if self.show_sources:
            layout.prop(self, "base_python", placeholder="Blender's own")
            layout.prop(self, "package_index", placeholder="pypi.org")
            layout.prop(self, "torch_index", placeholder="download.pytorch.org")

    def make_job(self, context: bpy.types.Context) -> Job:
        chosen_folder = self.folder  # the operator may be gone at the job's end
        made = environment.made_environment(context, chosen_folder)
        params = {
            "folder": str(made.folder),
            "base_python": bpy.path.abspath(self.base_python) or sys.executable,
            "build": self.build,
            "package_index": self.package_index or None,
            "torch_index": self.torch_index or None,
            "online": bpy.app.online_access,
        }

        def finish(result: Result) -> str:
            if chosen_folder:
                _set(bpy.context, "environment_folder", str(made.folder))
            _set(bpy.context, "python", "")  # what was chosen before would go first
            return result.values["sentence"]

        part = Part("environment", "make_environment", params)
        title = _("Make the environment")
        return setup_jobs.make_job(setup_jobs.ENVIRONMENT, title, part, finish)


class HY3D_OT_remove_environment(JobOperator, bpy.types.Operator):
    """Delete the environment that was made here, and what an interrupted making left"""

    bl_idname = "hunyuan3d.remove_environment"
    bl_label = "Remove Environment"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(
            self,
            event,
            title="Remove Environment",
            message=str(environment.made_environment(context).folder),
            confirm_text="Remove",
            icon="WARNING",
        )

    def make_job(self, context: bpy.types.Context) -> Job:
        made = environment.made_environment(context)

        def finish(result: Result) -> str:
            return _("The environment is removed; {size} are free again").format(
                size=gigabytes(result.values["freed"])
            )

        part = Part("environment", "remove_environment", {"folder": str(made.folder)})
        title = _("Remove the environment")
        return setup_jobs.make_job(setup_jobs.ENVIRONMENT, title, part, finish)


def _draw_plan(
    layout: bpy.types.UILayout, context: bpy.types.Context, wanted: str, folder: str
) -> None:
    """What will be made, how much space that takes, and what stands in the way."""
    found = setup_facts.build_for_this_machine()
    made = environment.made_environment(context, folder)
    column = layout.column(align=True)
    if wanted != AUTOMATIC:
        build = BUILDS[wanted]
    elif found is None:
        column.label(text="Looking at this machine…", icon="TIME")
        return
    elif isinstance(found, SetupError):
        draw_text(column, str(found), _DIALOG_WIDTH, "ERROR")
        return
    else:
        build = found.build
        text = _("PyTorch for {build}: {reason}").format(
            build=shown(build.label), reason=shown(found.reason)
        )
        draw_text(column, text, _DIALOG_WIDTH, "INFO")
    free = setup_facts.free_space(made.folder)
    column.label(
        text=_("Needs up to {size} of space; {free} are free").format(
            size=gigabytes(build.disk), free=gigabytes(free)
        ),
        icon="DISK_DRIVE" if free >= build.disk else "ERROR",
    )
    if not bpy.app.online_access:
        text = "Online access is off; allow it under System, or give folders of packages"
        column.label(text=text, icon="INTERNET_OFFLINE")


def _set(context: bpy.types.Context, name: str, value: str) -> None:
    """Change a preference as if the user had typed it."""
    setattr(preferences.get(context), name, value)
    context.preferences.is_dirty = True


_CLASSES = (HY3D_OT_use_python, HY3D_OT_make_environment, HY3D_OT_remove_environment)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
