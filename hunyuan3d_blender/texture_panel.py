# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar's panel for textures, and its settings on the scene."""

import bpy
from bpy.props import PointerProperty, StringProperty

from .operators.texture import TextureSettings
from .properties import RELATIVE, copy_settings


class HY3D_PG_texture(TextureSettings, bpy.types.PropertyGroup):
    filepath: StringProperty(
        name="Picture",
        description="Picture of the object, best before a plain or transparent background",
        subtype="FILE_PATH",
        options=RELATIVE,
    )


class HY3D_PT_texture(bpy.types.Panel):
    bl_label = "Texture from Picture"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Hunyuan3D"

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.hunyuan3d_texture
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "filepath")
        layout.prop(settings, "model", placeholder="From picture only")
        if settings.model:
            layout.prop(settings, "seed")
        layout.prop(settings, "texture_size")
        layout.prop(settings, "uvs")
        layout.prop(settings, "storage")
        row = layout.row()
        row.scale_y = 1.4
        row.enabled = bool(settings.filepath)
        button = row.operator("hunyuan3d.texture", text="Paint", icon="TEXTURE")
        button.filepath = settings.filepath
        copy_settings(settings, button, TextureSettings)


_CLASSES = (HY3D_PG_texture, HY3D_PT_texture)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.hunyuan3d_texture = PointerProperty(type=HY3D_PG_texture)


def unregister() -> None:
    del bpy.types.Scene.hunyuan3d_texture
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
