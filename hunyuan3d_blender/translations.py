# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives Blender the extension's translations; a language is a module with `LOCALE` and `TEXTS`."""

import bpy

from . import german, german_errors

_LANGUAGES = (german, german_errors)
_CONTEXTS = ("*", "Operator")  # of the buttons of operators, Blender asks in the second one


def dictionary() -> dict[str, dict[tuple[str, str], str]]:
    """As `bpy.app.translations.register` takes it."""
    found: dict[str, dict[tuple[str, str], str]] = {}
    for language in _LANGUAGES:
        for text, translation in language.TEXTS.items():
            for context in _CONTEXTS:
                found.setdefault(language.LOCALE, {})[context, text] = translation
    return found


def register() -> None:
    bpy.app.translations.register(__package__, dictionary())


def unregister() -> None:
    bpy.app.translations.unregister(__package__)
