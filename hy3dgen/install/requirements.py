# SPDX-License-Identifier: Apache-2.0
"""What the worker's environment is made of: the pinned list, as text and by parts."""

from dataclasses import dataclass
from pathlib import Path

import hy3dgen
from hy3dgen.errors import SetupError


@dataclass(frozen=True)
class Requirements:
    torch: str  # "torch==2.13.0"
    libraries: tuple[str, ...]  # the others, one requirement each


def worker_requirements() -> Requirements:
    """The list that this hy3dgen came with; in a source checkout the one in requirements/."""
    assert hy3dgen.__file__
    package = Path(hy3dgen.__file__).parent
    for path in (
        package / "assets" / "requirements" / "worker.txt",
        package.parent / "requirements" / "worker.txt",
    ):
        if path.is_file():
            return parse(path.read_text(encoding="utf-8"))
    raise SetupError(
        "this installation of hy3dgen lacks its list of requirements; install the extension again"
    )


def parse(text: str) -> Requirements:
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    torch = [line for line in lines if line.startswith("torch==")]
    if len(torch) != 1 or any(line.startswith("-") for line in lines):
        raise SetupError(
            "the list of requirements does not pin torch, or names other lists; install the "
            "extension again"
        )
    return Requirements(torch[0], tuple(line for line in lines if line != torch[0]))
