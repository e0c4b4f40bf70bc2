# SPDX-License-Identifier: GPL-3.0-or-later
"""Error sentences in the artist's language.

The worker and hy3dgen say what is wrong in English, values put in, for logs and scripts as much as
for artists. Here such a sentence is recognised by the words around its values; the values, which
can be sentences themselves, are put into the translation. What is not known stays English.
"""

import re
import string
from collections.abc import Callable
from functools import lru_cache

from bpy.app.translations import pgettext_iface, pgettext_rpt

from . import german_errors, german_mesh_errors, german_model_errors, german_setup_errors

GERMAN = {
    **german_errors.TEXTS,
    **german_mesh_errors.TEXTS,
    **german_model_errors.TEXTS,
    **german_setup_errors.TEXTS,
}
_ANY = "exit code {code}"  # tells whether errors are translated at all


def shown(text: str) -> str:
    """`text` for the interface, translated as far as it can be."""
    return _translated(text, pgettext_iface, pgettext_iface(_ANY))


def reported(text: str) -> str:
    """`text` for a report of an operator."""
    return _translated(text, pgettext_rpt, pgettext_rpt(_ANY))


@lru_cache(maxsize=512)  # for panels ask at each drawing
def _translated(text: str, give: Callable[[str], str], language: str) -> str:
    """`language`: what `give` says for `_ANY`."""
    whole = give(text)
    if whole != text or language == _ANY:
        return whole
    sentence = text.rstrip(".")  # some come with a full stop, some without
    for template, pattern in _patterns():
        if found := pattern.fullmatch(sentence):
            values = {
                name: _translated(value, give, language)
                for name, value in found.groupdict().items()
            }
            translation = give(template).rstrip(".").format(**values)
            return _capital(translation, text) + text[len(sentence) :]
    return text


def _capital(translation: str, text: str) -> str:
    """Begins with a capital letter where the sentence does."""
    return translation[:1].upper() + translation[1:] if text[:1].isupper() else translation


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """What says most in fixed words comes first; last what ends in a value, which takes all."""
    found = [(text[-1] != "}", len(_fixed(text)), text) for text in GERMAN]
    return [(text, _pattern(text.rstrip("."))) for *_, text in sorted(found, reverse=True)]


def _fixed(template: str) -> str:
    return "".join(words for words, *_ in string.Formatter().parse(template))


def _pattern(template: str) -> re.Pattern[str]:
    parts = []
    for words, name, *_ in string.Formatter().parse(template):
        parts.append(re.escape(words))
        parts.append(f"(?P<{name}>.*?)" if name else "")
    pattern = "".join(parts)
    if template[0].isalpha():  # a report has it as a capital letter
        pattern = f"[{template[0].lower()}{template[0].upper()}]{pattern[1:]}"
    return re.compile(pattern, re.DOTALL)
