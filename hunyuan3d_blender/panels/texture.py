# SPDX-License-Identifier: GPL-3.0-or-later
"""Panel: lay a picture onto the selected meshes. Its settings stand on the scene."""

import bpy
from bpy.app.translations import pgettext_iface as _
from bpy.props import PointerProperty, StringProperty

from hy3dgen.install import models

from .. import painting, picture_check, setup_facts, thumbnails
from ..operators.texture import TextureSettings
from ..properties import RELATIVE, copy_settings
from ..text_lines import draw_text, width_of
from .sidebar import SidebarPanel, large, split_column

_THUMBNAIL = 4.0  # widget heights


class HY3D_PG_texture(TextureSettings, bpy.types.PropertyGroup):
    filepath: StringProperty(
        name="Picture",
        description="Picture of the object, best before a plain or transparent background",
        subtype="FILE_PATH",
        options=RELATIVE,
    )


class HY3D_PT_texture(SidebarPanel, bpy.types.Panel):
    bl_label = "Texture from Picture"

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.hunyuan3d_texture
        column = split_column(self)
        given = _draw_picture(column, context, settings)
        meshes = [obj for obj in context.selected_objects if obj.type == "MESH"]
        if given and not meshes:
            text = _("Nothing is selected; select at least one mesh")
            draw_text(column, text, width_of(context), "INFO")
        column.prop(settings, "model", placeholder="From picture only")
        if settings.model:
            column.prop(settings, "seed")
        else:
            _offer_models(column, context)
        column.prop(settings, "texture_size")
        column.prop(settings, "uvs")
        if any(len(obj.data.polygons) > painting.LARGE_MESH // 2 for obj in meshes):
            column.prop(settings, "large")
        column.prop(settings, "storage")
        column.separator()
        row = large(column)
        row.enabled = given and bool(meshes)
        button = row.operator("hunyuan3d.texture", text="Paint", icon="TEXTURE")
        button.filepath = settings.filepath
        copy_settings(settings, button, TextureSettings)


def _offer_models(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """A button for each painting model that is on this machine with all that it needs."""
    for model in models.TEXTURE_MODELS:
        parts = [model, *models.needed_by(model)]
        if model.needs and all(setup_facts.model_on_disk(context, one).folder for one in parts):
            text = _("Use {name}").format(name=model.name)
            button = layout.operator("wm.context_set_string", text=text, translate=False)
            button.data_path, button.value = "scene.hunyuan3d_texture.model", model.name


def _draw_picture(
    layout: bpy.types.UILayout, context: bpy.types.Context, settings: HY3D_PG_texture
) -> bool:
    """True if there is one."""
    column = layout.column()
    column.use_property_split = False
    column.prop(settings, "filepath", text="", placeholder="PNG or JPEG")
    if not settings.filepath:
        text = _("Choose a picture of the selected object")
        draw_text(column, text, width_of(context), "INFO")
        return False
    if wrong := picture_check.problem(settings.filepath):
        draw_text(column, wrong, width_of(context), "ERROR")
        return False
    icon = thumbnails.icon_of_file(settings.filepath)
    if icon:
        column.box().template_icon(icon_value=icon, scale=_THUMBNAIL)
    return True


_CLASSES = (HY3D_PG_texture, HY3D_PT_texture)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.hunyuan3d_texture = PointerProperty(type=HY3D_PG_texture)


def unregister() -> None:
    del bpy.types.Scene.hunyuan3d_texture
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
