# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives Blender the extension's translations; a language is a module with `LOCALE` and `TEXTS`."""

import bpy

from . import german

_LANGUAGES = (german,)
_CONTEXTS = ("*", "Operator")  # of the buttons of operators, Blender asks in the second one


def dictionary() -> dict[str, dict[tuple[str, str], str]]:
    """As `bpy.app.translations.register` takes it."""
    return {
        language.LOCALE: {
            (context, text): translation
            for text, translation in language.TEXTS.items()
            for context in _CONTEXTS
        }
        for language in _LANGUAGES
    }


def register() -> None:
    bpy.app.translations.register(__package__, dictionary())


def unregister() -> None:
    bpy.app.translations.unregister(__package__)
