# SPDX-License-Identifier: Apache-2.0
"""The worker's log: what it writes to standard error, kept in bounded space."""

import os
import threading
from collections import deque
from pathlib import Path
from typing import BinaryIO

MAX_LOG_BYTES = 1 << 20  # of the file; one older file of this size is kept beside it as *.1
MAX_TAIL_BYTES = 16 << 10  # in memory, for error messages


class BoundedLog:
    """Keeps the last words in memory and, with a path, the last one to two MB in a file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._file: BinaryIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _open(path)

    def write(self, data: bytes) -> None:
        with self._lock:
            self._tail.append(data)
            self._tail_size += len(data)
            while self._tail_size - len(self._tail[0]) >= MAX_TAIL_BYTES:
                self._tail_size -= len(self._tail.popleft())
            if self._file is not None:
                self._write_file(self._file, data)

    def tail(self, lines: int) -> str:
        """The last `lines` lines that are not empty."""
        with self._lock:
            text = b"".join(self._tail).decode(errors="replace")
        return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _write_file(self, file: BinaryIO, data: bytes) -> None:
        assert self._path is not None
        try:
            file.write(data)
            if file.tell() >= MAX_LOG_BYTES:
                file.close()
                self._file = None
                os.replace(self._path, self._path.with_name(self._path.name + ".1"))
                self._file = _open(self._path)
        except OSError:  # a full disk must not end the worker; the tail in memory goes on
            if self._file is not None:
                self._file.close()
            self._file = None


def _open(path: Path) -> BinaryIO:
    """A new file is for this user only: paths and names of pictures stand in it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    return open(os.open(path, flags, 0o600), "ab", buffering=0)
