# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels of the sidebar share."""

import bpy


class SidebarPanel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Hunyuan3D"


def split_column(panel: bpy.types.Panel) -> bpy.types.UILayout:
    """A column in which settings have their names on the left."""
    layout = panel.layout
    layout.use_property_split = True
    layout.use_property_decorate = False
    return layout.column()


def large(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    """A row for the button that the panel is about."""
    row = layout.row(align=True)
    row.scale_y = 1.4
    return row
