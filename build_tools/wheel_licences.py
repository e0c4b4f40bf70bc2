# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether every wheel that goes into the extension's zip may go there. Standard library only.

The extension is GPL-3.0-or-later, so a wheel's licence must be compatible with that, be named by
its SPDX identifier, and come with its text.
"""

import re
import zipfile
from email.parser import Parser
from pathlib import Path

# SPDX identifiers that may be combined into a work under GPL-3.0-or-later.
COMPATIBLE = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0"),
        *("GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "HPND", "ISC"),
        *("LGPL-2.1-or-later", "LGPL-3.0-or-later", "MIT", "MIT-CMU", "MPL-2.0"),
        *("PSF-2.0", "Python-2.0", "Unlicense", "Zlib"),
    }
)


def check_licence(wheel: Path) -> str:
    """The licence expression of `wheel`; SystemExit says why it must not be bundled."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        fields = Parser().parsestr(archive.read(metadata).decode("utf-8"))
        info = metadata.rpartition("/")[0]
        texts = [
            text
            for name in fields.get_all("License-File") or ()
            for text in (f"{info}/licenses/{name}", f"{info}/{name}")
            if text in names and archive.getinfo(text).file_size > 0
        ]
    expression = fields.get("License-Expression", "")
    if not expression:
        raise SystemExit(
            f"{wheel.name} does not name its licence as an SPDX expression; do not bundle it, or "
            "ask its makers for one"
        )
    if not _is_compatible(expression):
        raise SystemExit(
            f"{wheel.name} is under '{expression}', which is not on the list of what goes together "
            "with GPL-3.0-or-later (build_tools/wheel_licences.py); do not bundle it"
        )
    if not texts:
        raise SystemExit(f"{wheel.name} lacks the text of its licence; do not bundle it")
    return expression


def _is_compatible(expression: str) -> bool:
    """Of alternatives one must be compatible, of parts that hold together all."""
    if "(" in expression or re.search(r"\bWITH\b", expression):
        return False  # for a person to decide
    return any(
        all(part.strip() in COMPATIBLE for part in alternative.split(" AND "))
        for alternative in expression.split(" OR ")
    )
