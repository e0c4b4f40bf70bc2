# SPDX-License-Identifier: GPL-3.0-or-later
"""The published models: download one, remove it, choose the one that is used by default."""

from pathlib import Path
from typing import ClassVar

import bpy
from bpy.app.translations import pgettext_iface as _
from bpy.props import BoolProperty, StringProperty

from hy3dgen.errors import Hy3DError, InvalidSettingError
from hy3dgen.install import models
from hy3dgen.install.disk import gigabytes
from hy3dgen.worker.protocol import Result

from .. import model_source, preferences, setup_facts, setup_jobs
from ..error_words import reported
from ..job import Job, Part, sentence
from ..text_lines import draw_text
from .job_operator import JobOperator

_DIALOG_WIDTH = 520
_MODEL = "Name of a published model, as in the preferences: 2mini Turbo, for example"


def _known(name: str) -> models.KnownModel:
    if not name:
        names = ", ".join(model.name for model in models.ALL_MODELS)
        raise InvalidSettingError(f"no model is named; choose one of {names}")
    found = models.known_as(name, models.ALL_MODELS)
    return found[0] if found else models.find_known(name)


class HY3D_OT_download_model(JobOperator, bpy.types.Operator):
    """Download a published model from Hugging Face, check it, and keep it in the models folder"""

    bl_idname = "hunyuan3d.download_model"
    bl_label = "Download Model"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    model: StringProperty(name="Model", description=_MODEL, options={"SKIP_SAVE"})
    accept_licence: BoolProperty(
        name="I have read the licence and accept it",
        description="Asked once for each licence",
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        known = models.known_as(self.model, models.ALL_MODELS)
        if not known or models.accepted(known[0].licence):
            return self.execute(context)
        return context.window_manager.invoke_props_dialog(
            self,
            width=_DIALOG_WIDTH,
            title=_("Download {name}").format(name=known[0].name),
            confirm_text="Download",
        )

    def draw(self, context: bpy.types.Context) -> None:
        known, layout = _known(self.model), self.layout
        free = setup_facts.free_space(model_source.kept_folder(context))
        size = known.download + sum(
            model.download
            for model in models.needed_by(known)
            if setup_facts.model_on_disk(context, model).folder is None
        )
        layout.label(
            text=_("Download {size}; {free} are free").format(
                size=gigabytes(size), free=gigabytes(free)
            ),
            icon="DISK_DRIVE" if free > size else "ERROR",
        )
        box = layout.box()
        row = box.row()
        row.label(text=known.licence.name)
        row.operator("wm.url_open", text="Read It", icon="URL").url = known.licence.address
        for point in known.licence.points:
            draw_text(box, point, _DIALOG_WIDTH, "DOT")
        layout.prop(self, "accept_licence")

    def execute(self, context: bpy.types.Context) -> set[str]:
        for model in models.known_as(self.model, models.ALL_MODELS)[:1]:
            kept = model_source.kept_folder(context)
            found = models.look_up(model, kept)
            needed = models.needed_by(model)
            if found.folder is not None and all(models.look_up(m, kept).folder for m in needed):
                self.report(
                    {"INFO"},
                    _("{name} is here already, in {folder}").format(
                        name=model.name, folder=found.folder
                    ),
                )
                return {"FINISHED"}
        return super().execute(context)

    def make_job(self, context: bpy.types.Context) -> Job:
        model = _known(self.model)
        part = model_source.fetch_part(context, model, self.accept_licence)

        def finish(result: Result) -> str:
            return _("{name} is in {folder}").format(
                name=model.name, folder=result.values["folder"]
            )

        return setup_jobs.make_job(
            model.key, _("Download {name}").format(name=model.name), part, finish
        )


class HY3D_OT_remove_model(JobOperator, bpy.types.Operator):
    """Delete every copy of a published model on this machine, a part of a download too"""

    bl_idname = "hunyuan3d.remove_model"
    bl_label = "Remove Model"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    model: StringProperty(name="Model", description=_MODEL, options={"SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(
            self,
            event,
            title="Remove Model",
            message=_("Delete {name} from this machine").format(name=self.model),
            confirm_text="Remove",
            icon="WARNING",
        )

    def make_job(self, context: bpy.types.Context) -> Job:
        model = _known(self.model)
        params = {"model": model.key, "models_folder": str(model_source.kept_folder(context))}

        def finish(result: Result) -> str:
            chosen = preferences.get(bpy.context)
            if chosen.default_model in (model.key, model.name):
                chosen.default_model = ""
            return _("{name} is removed; {size} are free again").format(
                name=model.name, size=gigabytes(result.values["freed"])
            )

        part = Part(model.name, "remove_model", params)
        return setup_jobs.make_job(
            model.key, _("Remove {name}").format(name=model.name), part, finish
        )


class HY3D_OT_choose_model(bpy.types.Operator):
    """Use this model wherever none is named"""

    bl_idname = "hunyuan3d.choose_model"
    bl_label = "Use This Model"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    model: StringProperty(
        name="Model",
        description="Name of a published model, as in the preferences. Empty: the bundled one",
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        preferences.get(context).default_model = self.model
        context.preferences.is_dirty = True
        return {"FINISHED"}


class HY3D_OT_choose_model_folder(bpy.types.Operator):
    """Use a model in a folder of yours wherever none is named"""

    bl_idname = "hunyuan3d.choose_model_folder"
    bl_label = "Use a Model Folder"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    directory: StringProperty(
        name="Folder",
        description="Folder with a config.yaml and weights in the Hunyuan3D-2 layout",
        subtype="DIR_PATH",
        options={"SKIP_SAVE"},
    )
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            if not self.directory:
                raise InvalidSettingError("no folder is chosen; choose the folder of a model")
            folder = Path(bpy.path.abspath(self.directory)).absolute()
            folder = models.check_model_folder(folder)
        except Hy3DError as error:
            self.report({"ERROR"}, reported(sentence(str(error))))
            return {"CANCELLED"}
        preferences.get(context).default_model = str(folder)
        context.preferences.is_dirty = True
        self.report(
            {"INFO"},
            _("The model in {folder} is used wherever none is named").format(folder=folder),
        )
        return {"FINISHED"}


_CLASSES = (
    *(HY3D_OT_download_model, HY3D_OT_remove_model),
    *(HY3D_OT_choose_model, HY3D_OT_choose_model_folder),
)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
