# SPDX-License-Identifier: Apache-2.0
"""JSON objects as lines of bounded length; knows nothing of what the objects mean."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from hy3dgen.errors import ProtocolError

MAX_LINE_BYTES = 1 << 20


def format_line(content: dict[str, Any]) -> bytes:
    """`content` as one line, its newline included. ProtocolError if JSON cannot carry it."""
    try:
        line = json.dumps(content, allow_nan=False, default=_plain).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise ProtocolError(
            f"a message holds a value that JSON cannot carry ({error}); use finite numbers, "
            "texts, lists and dictionaries, and pass arrays as arrays"
        ) from error
    if len(line) > MAX_LINE_BYTES:
        raise ProtocolError(
            f"a message is {len(line)} bytes long, the limit is {MAX_LINE_BYTES}; "
            "pass large data as arrays"
        )
    return line


def parse_line(line: bytes) -> dict[str, Any]:
    """The object in `line`. ProtocolError for anything but one plain JSON object."""
    if len(line) > MAX_LINE_BYTES:
        raise ProtocolError(f"a line of more than {MAX_LINE_BYTES} bytes arrived")
    try:
        content = json.loads(
            line.decode(), parse_constant=_refuse_constant, object_pairs_hook=_unique
        )
    except (ValueError, RecursionError) as error:  # bad UTF-8 and bad JSON are ValueErrors
        raise ProtocolError(f"a line that is not a message arrived: {quote(line)}") from error
    if not isinstance(content, dict):
        raise ProtocolError(f"a line that is not a message arrived: {quote(line)}")
    return content


def quote(value: object) -> str:
    """Foreign data for an error message: printable, short."""
    text = value[:400].decode(errors="replace") if isinstance(value, bytes) else str(value)
    text = "".join(c if c.isprintable() else "?" for c in text[:81])
    return f"'{text[:80]}…'" if len(text) > 80 else f"'{text}'"


class LineReader:
    """Splits what `read` returns into lines, never holding more than one of the allowed length."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._rest = bytearray()

    def next_line(self) -> bytes | None:
        """The next line without its newline; None at the end, half a line before it is dropped."""
        searched = 0
        while True:
            end = self._rest.find(b"\n", searched)
            if end >= 0:
                line = bytes(self._rest[:end])
                del self._rest[: end + 1]
                return line
            if len(self._rest) > MAX_LINE_BYTES:
                raise ProtocolError(f"a line of more than {MAX_LINE_BYTES} bytes arrived")
            searched = len(self._rest)
            chunk = self._read(65536)
            if not chunk:
                return None
            self._rest += chunk


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a field comes twice")
    return content


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")
