# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu of models: those on this machine, a folder, and where to get more."""

import bpy
from bpy.app.translations import pgettext_iface as _

from hy3dgen.install import models

from .. import model_facts, model_source, preferences, setup_facts


class HY3D_MT_model(bpy.types.Menu):
    bl_label = "Model"
    bl_description = "Model that makes the mesh"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        chosen = context.scene.hunyuan3d.generate.model
        usual = _("As in the Preferences: {name}").format(name=model_facts.of(context, "").name)
        _entry(layout, usual, "", chosen)
        layout.separator()
        _entry(layout, _("Small, comes with the extension"), model_source.BUNDLED, chosen)
        for model in models.MODELS:
            if setup_facts.model_on_disk(context, model).folder is not None:
                _entry(layout, model.name, model.key, chosen)
        layout.separator()
        layout.operator("hunyuan3d.pick_model_folder", text="Folder…", icon="FILE_FOLDER")
        layout.operator(
            "preferences.addon_show", text="Get More Models…", icon="IMPORT"
        ).module = preferences.PACKAGE


def _entry(layout: bpy.types.UILayout, text: str, model: str, chosen: str) -> None:
    icon = "RADIOBUT_ON" if model == chosen else "RADIOBUT_OFF"
    layout.operator("hunyuan3d.pick_model", text=text, icon=icon, translate=False).model = model


def register() -> None:
    bpy.utils.register_class(HY3D_MT_model)


def unregister() -> None:
    bpy.utils.unregister_class(HY3D_MT_model)
