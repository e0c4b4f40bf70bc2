# SPDX-License-Identifier: GPL-3.0-or-later
"""The model of this scene's next meshes, chosen from a menu or as a folder."""

from pathlib import Path
from typing import ClassVar

import bpy
from bpy.props import BoolProperty, StringProperty

from hy3dgen.errors import Hy3DError
from hy3dgen.install import models

from ..error_words import reported
from ..job import sentence


class HY3D_OT_pick_model(bpy.types.Operator):
    """Use this model for the next meshes of this scene"""

    bl_idname = "hunyuan3d.pick_model"
    bl_label = "Pick Model"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO", "INTERNAL"}

    model: StringProperty(
        name="Model", description="A folder, or a published name. Empty: the preferences' model"
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.hunyuan3d.generate.model = self.model
        return {"FINISHED"}


class HY3D_OT_pick_model_folder(bpy.types.Operator):
    """Use a model in a folder of yours for the next meshes of this scene"""

    bl_idname = "hunyuan3d.pick_model_folder"
    bl_label = "Pick Model Folder"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO", "INTERNAL"}

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
            folder = models.check_model_folder(Path(bpy.path.abspath(self.directory)).absolute())
        except Hy3DError as error:
            self.report({"ERROR"}, reported(sentence(str(error))))
            return {"CANCELLED"}
        context.scene.hunyuan3d.generate.model = str(folder)
        return {"FINISHED"}


_CLASSES = (HY3D_OT_pick_model, HY3D_OT_pick_model_folder)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
