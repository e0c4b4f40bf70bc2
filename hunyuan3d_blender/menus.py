# SPDX-License-Identifier: GPL-3.0-or-later
"""Menu entries: where artists look for things, and the only place where F3 finds operators."""

import bpy

from .operators.texture import TextureSettings
from .properties import GenerateSettings, ReduceSettings, copy_settings, speed_priority


def _draw_add(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    self.layout.separator()
    # Without a picture the operator opens the file browser.
    entry = self.layout.operator("hunyuan3d.generate", text="Mesh from Picture…", icon="IMAGE_DATA")
    settings = context.scene.hunyuan3d.generate
    copy_settings(settings, entry, GenerateSettings)
    entry.speed_priority = speed_priority(settings)


def _draw_object(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    self.layout.separator()
    entry = self.layout.operator("hunyuan3d.reduce_faces", text="Reduce Faces", icon="MOD_DECIM")
    copy_settings(context.scene.hunyuan3d.reduce, entry, ReduceSettings)
    # Without a picture the operator opens the file browser.
    entry = self.layout.operator("hunyuan3d.texture", text="Texture from Picture…", icon="TEXTURE")
    copy_settings(context.scene.hunyuan3d_texture, entry, TextureSettings)
    self.layout.operator("hunyuan3d.cancel", text="Cancel Hunyuan3D Jobs", icon="X")


def register() -> None:
    bpy.types.VIEW3D_MT_mesh_add.append(_draw_add)
    bpy.types.VIEW3D_MT_object.append(_draw_object)


def unregister() -> None:
    bpy.types.VIEW3D_MT_object.remove(_draw_object)
    bpy.types.VIEW3D_MT_mesh_add.remove(_draw_add)
