# SPDX-License-Identifier: GPL-3.0-or-later
"""A layout that writes down what it is asked to draw, for tests without a window.

It refuses what Blender's own would: unknown icons, properties and operators.
"""

import bpy

ICONS = bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items.keys()


class Layout:
    """Every text in `texts`, of buttons in `buttons` with whether they can be pressed."""

    def __init__(self, parent=None):
        self.texts = parent.texts if parent else []
        self.buttons = parent.buttons if parent else {}
        self.settings = parent.settings if parent else []
        self.pictures = parent.pictures if parent else []
        self.progresses = parent.progresses if parent else []
        self.parent, self.enabled = parent, True

    def _inside(self, **_):
        return Layout(self)

    box = column = row = split = _inside

    def separator(self, factor=1.0):
        pass

    def label(self, text="", icon="NONE", icon_value=0, translate=True):
        assert icon in ICONS
        self.texts.append(text)

    def prop(self, data, name, text="", icon="NONE", placeholder="", expand=False, slider=False):
        assert name in data.bl_rna.properties and icon in ICONS
        self.texts.append(text)
        self.settings.append(name)

    def menu(self, name, text="", translate=True):
        assert hasattr(bpy.types, name)
        self.texts.append(text)

    def template_icon(self, icon_value, scale):
        assert icon_value
        self.pictures.append(icon_value)

    def operator(self, name, text="", icon="NONE", emboss=True, translate=True):
        assert icon in ICONS
        category, _, function = name.partition(".")
        properties = getattr(getattr(bpy.ops, category), function).get_rna_type().properties
        self.buttons.setdefault(f"{function} {text}".strip(), []).append(self.pressable())
        return _Checked(properties)

    def progress(self, text, factor, type, translate=True):
        assert 0 <= factor <= 1
        self.progresses.append(text)

    def pressable(self):
        return self.enabled and (self.parent is None or self.parent.pressable())


class _Checked:
    """An operator's properties: only those that it has can be set."""

    def __init__(self, properties):
        object.__setattr__(self, "_names", properties.keys())

    def __setattr__(self, name, value):
        assert name in self._names, name


def said(layout) -> str:
    return " ".join(layout.texts)
