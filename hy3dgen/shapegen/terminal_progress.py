# SPDX-License-Identifier: Apache-2.0
"""A call's progress as one line of the terminal, for scripts that take no care of it themselves."""

import sys
import time
from typing import TextIO

_SECONDS = 0.1  # between two updates, so that a slow terminal does not slow down the work
_CLEAR = "\r\033[K"


class TerminalProgress:
    """Callable as `progress(stage, step, total)`; silent where `stream` is no terminal.

    The line goes when a stage is done, and whatever is written while it stands takes its place.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._on = self._stream is not None and self._stream.isatty()
        self._next = 0.0

    def __call__(self, stage: str, step: int, total: int) -> None:
        now = time.monotonic()
        done = step >= total
        if not self._on or (now < self._next and not done):
            return
        self._next = now + _SECONDS
        share = f" {step / total:4.0%}" if total > 1 else ""
        self._stream.write(_CLEAR if done else f"{_CLEAR}{stage}{share}\r")
        self._stream.flush()
