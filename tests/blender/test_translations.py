# SPDX-License-Identifier: GPL-3.0-or-later
"""Every string that an artist can read has a translation, and Blender gives it."""

import string
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from ui_strings import sources, strings_of  # noqa: E402

SOURCES = Path(__file__).parents[2] / "hunyuan3d_blender"
# Proper names and addresses, the same in every language.
NAMES = {"Python", "PyTorch", "Apache-2.0", "pypi.org", "download.pytorch.org"}
NAMES |= {"…/venv/bin/python", "f'PyTorch: {build.label}'"}
# Says what happened in the code; for whoever reads the log.
NAMES |= {"f'{job.title} failed: {type(error).__name__}: {error}'"}


def shown() -> set[str]:
    return {text for source in sources(SOURCES).values() for text in strings_of(source)} - NAMES


@pytest.fixture
def texts(module):
    return module("german").TEXTS


@pytest.fixture
def errors(module):
    return module("error_words").GERMAN


def test_the_search_finds_every_kind_of_string():
    source = '''
class HY3D_OT_x(Operator):
    """A tooltip"""
    bl_label = "A name"
    size: IntProperty(name="Size", description="How large")
    kind: EnumProperty(items=(("A", "First", "The first"),))
    def draw(self, layout):
        layout.label(text="Yes" if self.size else "No")
        layout.operator("x.y", text=_("{n} things").format(n=2))
        layout.label(text=f"{self.size} pixels")
        text = "Later"
'''
    assert strings_of(source) == {
        *("A tooltip", "A name", "Size", "How large", "First", "The first", "Yes", "No"),
        *("{n} things", "Later", "f'{self.size} pixels'"),
    }


def test_nothing_lacks_a_translation(texts):
    assert len(shown()) > 200
    assert shown() - texts.keys() == set()


def test_nothing_is_translated_that_is_not_there(texts):
    assert texts.keys() - shown() == set()


def test_errors_with_their_values_are_translated(module, errors, monkeypatch):
    words = module("error_words")
    monkeypatch.setattr(words, "pgettext_iface", lambda text: errors.get(text, text))
    words._translated.cache_clear()
    killed = (
        "The worker ended with signal 9 (SIGKILL); the system may have run out of memory, so close "
        "other programs; start again"
    )
    ended = errors["signal {number} ({name})"].format(number=9, name="SIGKILL")
    ended = errors["the worker ended with {how}"].format(how=ended)
    ended = errors[
        "{words}; the system may have run out of memory, so close other programs"
    ].format(words=ended)
    assert words.shown(killed) == errors["{words}; start again"].format(words=ended)
    gone = "picture '/a; b/c.png' does not exist; choose a PNG or JPEG file"
    template = "picture '{path}' {what}; choose a PNG or JPEG file"
    german = errors[template].format(path="/a; b/c.png", what=errors["does not exist"])
    assert words.shown(gone) == german and words.shown(gone.capitalize()[:1] + gone[1:]) == german
    assert words.shown("something new happened; do this") == "something new happened; do this"


def test_errors_stay_english_in_an_english_blender(module):
    shown = module("error_words").shown
    text = "The worker ended with exit code 3; start again"
    assert shown(text) == text


def test_translations_keep_their_fields_and_have_no_full_stop_added(texts, errors):
    def fields(text):
        return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)

    for text, translation in {**texts, **errors}.items():
        assert fields(text) == fields(translation), text
        assert translation.strip() == translation and translation, text
        assert translation.endswith(".") == text.endswith("."), text


def test_what_blender_knows_of_the_settings_is_translated(extension, texts):
    """Names and tooltips as registered, however they are put together."""
    kinds = [getattr(bpy.types, name).bl_rna for name in dir(bpy.types) if "HY3D_PG_" in name]
    names = [name for name in dir(bpy.ops.hunyuan3d) if not name.startswith("_")]
    kinds += [getattr(bpy.ops.hunyuan3d, name).get_rna_type() for name in names]
    own = [
        setting
        for kind in kinds
        for setting in kind.properties
        if setting.identifier not in ("rna_type", "name") and not setting.is_hidden
    ]
    assert len(own) > 30
    found = {text for setting in own for text in (setting.name, setting.description)}
    assert {text for text in found if " " in text} - texts.keys() == set()


def test_blender_gives_the_german_words(extension, texts):
    translations = bpy.app.translations
    if not bpy.app.build_options.international or "de_DE" not in translations.locales:
        pytest.skip(
            "this Blender was built without languages; the driven test asks one with a window"
        )
    view = bpy.context.preferences.view
    before = view.language
    view.language = "de_DE"
    view.use_translate_interface = True
    try:
        for text, translation in texts.items():
            assert translations.pgettext_iface(text) == translation
    finally:
        view.language = before
