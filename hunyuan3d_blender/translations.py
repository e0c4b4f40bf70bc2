# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives Blender the extension's translations."""

import bpy

from . import error_words, german

_LANGUAGES = {german.LOCALE: {**german.TEXTS, **error_words.GERMAN}}
_CONTEXTS = ("*", "Operator")  # of the buttons of operators, Blender asks in the second one


def dictionary() -> dict[str, dict[tuple[str, str], str]]:
    """As `bpy.app.translations.register` takes it."""
    found: dict[str, dict[tuple[str, str], str]] = {}
    for locale, texts in _LANGUAGES.items():
        found[locale] = {
            (context, text): translation
            for text, translation in texts.items()
            for context in _CONTEXTS
        }
    return found


def register() -> None:
    bpy.app.translations.register(__package__, dictionary())


def unregister() -> None:
    bpy.app.translations.unregister(__package__)
