# SPDX-License-Identifier: Apache-2.0
"""What commands print: words and progress to standard error, JSON lines to standard output."""

import argparse
import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hy3dgen.errors import Hy3DError, InvalidSettingError
from hy3dgen.mesh.files import check_format

_REPORT_SECONDS = 0.2


class ProgressLine:
    """One line of a terminal, written over and over.

    Elsewhere, as in a log, a line for each new stage; nothing at all if `quiet`.
    """

    def __init__(self, label: str, quiet: bool) -> None:
        self._label = label
        self._on = not quiet
        self._terminal = sys.stderr.isatty()
        self._last = 0.0
        self._stage = ""

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, *_: Any) -> None:
        if self._on and self._terminal:
            sys.stderr.write("\r\033[K")  # clears the line
            sys.stderr.flush()

    def stage(self, name: str, step: int = 0, total: int = 1) -> None:
        """Step `step` of `total` of a stage."""
        now = time.monotonic()
        new = name != self._stage
        if not self._on or not (new or (self._terminal and now - self._last >= _REPORT_SECONDS)):
            return
        self._stage, self._last = name, now
        if self._terminal:
            done = f" {step / total:4.0%}" if total > 1 else ""
            sys.stderr.write(f"\r\033[K{self._label}: {name}{done}")
        else:
            sys.stderr.write(f"{self._label}: {name}\n")
        sys.stderr.flush()

    def fraction(self, done: float) -> None:
        """How much of the only stage is done; told to terminals."""
        if self._terminal:
            self.stage("reduce", round(1000 * done), 1000)


class Interrupts:
    """Notices every Ctrl-C, also one that a library swallows.

    Some catch everything around the imports of what they could do without.
    """

    def __init__(self) -> None:
        self._seen = False
        self._before: Any = None

    def __enter__(self) -> "Interrupts":
        with contextlib.suppress(ValueError):  # not the main thread, so none arrives here
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: Any) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, *_: Any) -> None:
        self._seen = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if there was one."""
        if self._seen:
            raise KeyboardInterrupt


def say(text: str) -> None:
    """A sentence for people."""
    sys.stderr.write(f"{text}\n")


def tell(values: Mapping[str, Any]) -> None:
    """A line of JSON for programs."""
    print(json.dumps(values, default=str), flush=True)  # noqa: T201


def report_failure(label: str, error: BaseException, source: Path, as_json: bool) -> None:
    """Say why an input failed, and tell it as JSON if wanted."""
    sentence = str(error) or "there is not enough memory for this"
    say(f"{label}: {sentence}")
    if as_json:
        tell({"input": source, "error": sentence, "kind": type(error).__name__})


def labelled(sources: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Inputs with what to call them: their names, numbered if there are several."""
    sources = list(sources)
    for number, source in enumerate(sources, 1):
        prefix = f"[{number}/{len(sources)}] " if len(sources) > 1 else ""
        yield prefix + source.name, source


def count(text: str) -> int:
    """For argparse: a whole number of at least 1."""
    with contextlib.suppress(ValueError):
        if (number := int(text)) >= 1:
            return number
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")


def byte_count(text: str) -> float:
    """For argparse: bytes, as a number or with an ending, such as 3.5G or 800MB."""
    number = text.strip().upper().removesuffix("B")
    power = 3 * (1 + "KMGT".find(number[-1:])) if number[-1:].isalpha() else 0
    with contextlib.suppress(ValueError):
        found = float(number[:-1] if power else number) * 10.0**power
        if 1 <= found < float("inf"):
            return found
    raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes; give one such as 4G or 800M")


def files_in(folder: Path, suffixes: Iterable[str], what: str) -> list[Path]:
    """The files of a folder with one of the endings, by name."""
    suffixes = tuple(suffixes)
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.is_file())
    if not found:
        raise InvalidSettingError(
            f"The folder {folder} has no {what} in it ({', '.join(suffixes)}); is it the right one?"
        )
    return found


def make_folder(folder: Path) -> None:
    """Make a folder to write into, or say why there is none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidSettingError(
            f"The folder {folder} cannot be made ({error.strerror}); choose another place."
        ) from error


def is_mesh_name(path: Path) -> bool:
    """Whether a name ends as a mesh file that can be written."""
    try:
        check_format(path)
    except Hy3DError:
        return False
    return True
