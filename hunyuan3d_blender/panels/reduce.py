# SPDX-License-Identifier: GPL-3.0-or-later
"""Panel: fewer faces for what is selected, with what it holds and what it would become."""

import bpy
from bpy.app.translations import pgettext_iface as _

from ..properties import HY3D_PG_reduce, ReduceSettings, copy_settings
from ..replaceable import triangles_of
from ..text_lines import draw_text, width_of
from .sidebar import SidebarPanel, large, split_column


class HY3D_PT_reduce(SidebarPanel, bpy.types.Panel):
    bl_label = "Reduce Faces"

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.hunyuan3d.reduce
        column = split_column(self)
        methods = column.row(align=True)
        methods.use_property_split = False
        methods.prop(settings, "method", expand=True)
        column.prop(settings, "use_ratio")
        column.prop(settings, "ratio" if settings.use_ratio else "face_count")
        column.prop(settings, "keep_original")
        column.separator()
        some_to_do = _draw_selection(column, context, settings)
        row = large(column)
        row.enabled = some_to_do
        button = row.operator("hunyuan3d.reduce_faces", icon="MOD_DECIM")
        copy_settings(settings, button, ReduceSettings)


def _draw_selection(
    layout: bpy.types.UILayout, context: bpy.types.Context, settings: HY3D_PG_reduce
) -> bool:
    """True if a mesh would become smaller. One that several objects show is one here too."""
    found = {obj.data.session_uid: obj.data for obj in context.selected_objects
             if obj.type == "MESH"}  # fmt: skip
    if not found:
        text = _("Select one or more meshes to reduce them")
        draw_text(layout, text, width_of(context), "INFO")
        return False
    counts = [triangles_of(mesh) for mesh in found.values()]
    before, after = sum(counts), sum(_target(count, settings) for count in counts)
    text = _("Selected: {faces} triangles").format(faces=f"{before:,}")
    if len(counts) > 1:
        text = _("Selected: {faces} triangles in {number} meshes").format(
            faces=f"{before:,}", number=len(counts)
        )
    draw_text(layout, text, width_of(context), "MESH_DATA")
    if after < before:
        text = _("Will be: {faces} triangles").format(faces=f"{after:,}")
        draw_text(layout, f"{text} ({100 * after / before:.3g} %)", width_of(context), "BLANK1")
    else:
        draw_text(layout, _("Small enough already"), width_of(context), "CHECKMARK")
    return after < before


def _target(count: int, settings: HY3D_PG_reduce) -> int:
    wanted = round(count * settings.ratio) if settings.use_ratio else settings.face_count
    return min(count, max(wanted, 4))


def register() -> None:
    bpy.utils.register_class(HY3D_PT_reduce)


def unregister() -> None:
    bpy.utils.unregister_class(HY3D_PT_reduce)
