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

from . import german_errors


def shown(text: str) -> str:
    """`text` for the interface, translated as far as it can be."""
    return _translated(text, pgettext_iface)


def reported(text: str) -> str:
    """`text` for a report of an operator."""
    return _translated(text, pgettext_rpt)


def _translated(text: str, give: Callable[[str], str]) -> str:
    whole = give(text)
    if whole != text:
        return whole
    for template, pattern in _patterns():
        if give(template) == template:
            return text  # another language, or English
        if found := pattern.fullmatch(text):
            values = {name: _translated(value, give) for name, value in found.groupdict().items()}
            return _capital(give(template).format(**values), text)
    return text


def _capital(translation: str, text: str) -> str:
    """Begins with a capital letter where the sentence does."""
    return translation[:1].upper() + translation[1:] if text[:1].isupper() else translation


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """What says most in fixed words comes first; last what ends in a value, which takes all."""
    found = [(text[-1] != "}", len(_fixed(text)), text) for text in german_errors.TEXTS]
    return [(text, _pattern(text)) for *_, text in sorted(found, reverse=True)]


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
