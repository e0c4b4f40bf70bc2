# SPDX-License-Identifier: GPL-3.0-or-later
"""Panel: a picture, a model, how good, how many; and the button."""

from typing import ClassVar

import bpy
from bpy.app.translations import pgettext_iface as _

from .. import (
    generation,
    model_facts,
    picture_check,
    preferences,
    progress_text,
    properties,
    quality,
    thumbnails,
)
from ..job import sentence
from ..properties import HY3D_PG_generate
from ..text_lines import draw_text, width_of
from .sidebar import SidebarPanel, large, split_column

_THUMBNAIL = 6.0  # widget heights


class HY3D_PT_generate(SidebarPanel, bpy.types.Panel):
    bl_label = "Mesh from Picture"

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.hunyuan3d.generate
        column = split_column(self)
        facts = model_facts.of(context, settings.model)
        given = _draw_picture(column, context, settings)
        if given and facts.several_views:
            _draw_views(column, settings, width_of(context))
        column.separator()
        _draw_model(column, context, settings, facts)
        column.separator()
        _draw_quality(column, settings, facts, width_of(context))
        _draw_amount(column, settings)
        column.separator()
        row = large(column)
        row.enabled = given and not facts.problem
        button = row.operator("hunyuan3d.generate", text=_button(settings), icon="MESH_MONKEY")
        properties.give_generate(settings, button)


class HY3D_PT_advanced(SidebarPanel, bpy.types.Panel):
    bl_label = "Advanced"
    bl_parent_id = "HY3D_PT_generate"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.hunyuan3d.generate
        column = split_column(self)
        facts = model_facts.of(context, settings.model)
        chosen = model_facts.choice(settings, facts).settings
        for name in ("num_inference_steps", "octree_resolution", "guidance_scale"):
            split = column.split(factor=0.7)
            split.use_property_split = True
            split.prop(settings, name)
            cell = split.row()
            cell.active = False
            if not getattr(settings, name):
                cell.label(text=_automatic(chosen.get(name)))
        text = _("0 leaves a setting to the slider and the model")
        draw_text(column, text, width_of(context), "INFO")


# --- picture --------------------------------------------------------------------------------------


def _draw_picture(
    layout: bpy.types.UILayout, context: bpy.types.Context, settings: HY3D_PG_generate
) -> bool:
    """True if there is one."""
    row = layout.row(align=True)
    row.use_property_split = False
    row.prop(settings, "source", expand=True)
    row.operator("hunyuan3d.paste_picture", text="", icon="PASTEDOWN")
    column = layout.column()
    column.use_property_split = False
    if settings.source == "IMAGE":
        column.prop(settings, "image", text="")
        image = settings.image
        icon = thumbnails.icon_of_image(image) if image else 0
        given = image is not None
        wrong = picture_check.problem_of_image(image) if given else ""
    else:
        column.prop(settings, "filepath", text="", placeholder="PNG or JPEG")
        icon = thumbnails.icon_of_file(settings.filepath) if settings.filepath else 0
        given = bool(settings.filepath)
        wrong = picture_check.problem(settings.filepath) if given else ""
    if icon and not wrong:
        box = column.box()
        box.template_icon(icon_value=icon, scale=_THUMBNAIL)
    if wrong:
        draw_text(column, wrong, width_of(context), "ERROR")
    elif not given:
        text = _("Choose a picture of one object, or paste one from the clipboard")
        draw_text(column, text, width_of(context), "INFO")
    return given and not wrong


def _draw_views(layout: bpy.types.UILayout, settings: HY3D_PG_generate, width: float) -> None:
    column = layout.column(align=True)
    column.label(text="Other Views of the Same Object")
    for view in generation.VIEWS:
        path = getattr(settings, f"filepath_{view}")
        row = column.row(align=True)
        row.prop(settings, f"filepath_{view}")
        wrong = picture_check.problem(path) if path else ""
        icon = thumbnails.icon_of_file(path) if path and not wrong else 0
        if icon:
            row.label(text="", icon_value=icon)
        if wrong:
            draw_text(column, wrong, width, "ERROR")


# --- model and settings ---------------------------------------------------------------------------


def _draw_model(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    settings: HY3D_PG_generate,
    facts: model_facts.ModelFacts,
) -> None:
    split = layout.split(factor=0.4)
    name = split.row()
    name.alignment = "RIGHT"
    name.label(text="Model")
    split.menu("HY3D_MT_model", text=facts.name, translate=False)
    if facts.problem:
        draw_text(layout, facts.problem, width_of(context), "ERROR")
        row = layout.row()
        row.operator(
            "preferences.addon_show", text="Models and Python…", icon="PREFERENCES"
        ).module = preferences.PACKAGE


def _draw_quality(
    layout: bpy.types.UILayout,
    settings: HY3D_PG_generate,
    facts: model_facts.ModelFacts,
    width: float,
) -> None:
    ends = layout.row()
    ends.use_property_split = False
    ends.active = False
    left, right = ends.row(), ends.row()
    left.label(text="Faster")
    right.alignment = "RIGHT"
    right.label(text="Better")
    row = layout.row()
    row.use_property_split = False
    row.prop(settings, "better", text="", slider=True)
    choice = model_facts.choice(settings, facts)
    if choice.problem:
        draw_text(layout, sentence(choice.problem), width, "ERROR")
    else:
        line = layout.row()
        line.alignment = "CENTER"
        line.active = False
        line.label(text=_numbers(choice), translate=False)
    layout.separator()


def _numbers(choice: quality.Choice) -> str:
    """As measured, with the time it takes; else what it will be about, and that it is a guess."""
    names = ("num_inference_steps", "octree_resolution")
    if any(name not in choice.settings for name in names):
        return _("Steps and grid as the model has them")
    steps, resolution = (choice.settings[name] for name in names)
    words = _("{steps} steps, grid of {resolution}")
    if not choice.measured:
        words = _("Estimate: {steps} steps, grid of {resolution}")
    text = words.format(steps=steps, resolution=resolution)
    if choice.seconds is None:
        return text
    return f"{text} · " + _("about {time}").format(time=progress_text.duration(choice.seconds))


def _draw_amount(layout: bpy.types.UILayout, settings: HY3D_PG_generate) -> None:
    row = layout.row(align=True)
    row.prop(settings, "seed")
    row.operator("hunyuan3d.roll_seed", text="", icon="FILE_REFRESH")
    _draw_optional(layout, settings, "face_count", _("all"))
    _draw_optional(layout, settings, "texture_size", _("none"))
    layout.prop(settings, "batch_count")


def _draw_optional(
    layout: bpy.types.UILayout, settings: HY3D_PG_generate, name: str, nothing: str
) -> None:
    """A number, and in words what it means to leave it at 0."""
    row = layout.row(align=True)
    row.prop(settings, name)
    if not getattr(settings, name):
        words = row.row()
        words.active = False
        words.ui_units_x = 2.5
        words.label(text=nothing, translate=False)


def _button(settings: HY3D_PG_generate) -> str:
    if settings.batch_count == 1:
        return _("Generate")
    return _("Generate {number}").format(number=settings.batch_count)


def _automatic(value: float | None) -> str:
    return _("model's own") if value is None else f"→ {value:g}"


_CLASSES = (HY3D_PT_generate, HY3D_PT_advanced)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
