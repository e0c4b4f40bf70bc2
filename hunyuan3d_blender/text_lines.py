# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences in the interface, broken into lines where they would be cut off."""

import re
import textwrap

import bpy

from .error_words import shown

_PIXELS_PER_LETTER = 6.4  # of the interface font at scale 1
_ICON = 40  # pixels
_TABS = 20  # pixels at the sidebar's edge
_NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=(?:s|min|MB|GB|%)(?!\w))")


def draw_text(layout: bpy.types.UILayout, text: str, width: float, icon: str = "NONE") -> None:
    """Labels below each other, translated.

    `width` in pixels at scale 1, `icon` before the first line.
    """
    column = layout.column(align=True)
    column.scale_y = 0.8
    letters = max(int((width - _ICON) / _PIXELS_PER_LETTER), 16)
    whole = _NUMBER_AND_UNIT.sub("\N{NO-BREAK SPACE}", shown(text))
    for number, line in enumerate(textwrap.wrap(whole, letters)):
        column.label(
            text=line.replace("\N{NO-BREAK SPACE}", " "),
            icon="BLANK1" if number and icon != "NONE" else icon,
            translate=False,
        )


def width_of(context: bpy.types.Context) -> float:
    """Pixels at scale 1 that the region being drawn is wide."""
    width = context.region.width / context.preferences.system.ui_scale
    return width - _TABS if context.region.type == "UI" else width
