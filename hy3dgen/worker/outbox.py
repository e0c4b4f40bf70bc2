# SPDX-License-Identifier: Apache-2.0
"""Lines on their way into a pipe, written by a thread of their own.

A process that reads nothing fills its pipe after some 64 kB, and then a write waits, perhaps for
ever. Whoever has something to send (Blender's main thread, for one) must not.
"""

import contextlib
import threading
from collections import deque
from typing import BinaryIO

from hy3dgen.errors import WorkerDiedError

MAX_WAITING_BYTES = 64 << 20  # a process that is so far behind takes nothing any more


class Outbox:
    """Takes lines at once and writes them in order; owns the pipe and closes it at its end."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._changed = threading.Condition()
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._finished = False

    def put(self, line: bytes) -> None:
        """WorkerDiedError after the end, BufferError if the process is too far behind."""
        with self._changed:
            if self._finished:
                raise WorkerDiedError("the worker has ended")
            if self._size + len(line) > MAX_WAITING_BYTES:
                raise BufferError("the other side reads nothing")
            self._lines.append(line)
            self._size += len(line)
            self._changed.notify()

    def finish(self) -> None:
        """Nothing more will be put; what waits is still written, then the pipe is closed."""
        with self._changed:
            self._finished = True
            self._changed.notify()

    def write_all(self) -> bool:
        """The thread's work, until `finish`; False if the pipe broke before that."""
        try:
            while True:
                with self._changed:
                    while not self._lines and not self._finished:
                        self._changed.wait()
                    if not self._lines:
                        return True
                    line = self._lines.popleft()
                    self._size -= len(line)
                while line:
                    line = line[self._pipe.write(line) or 0 :]
        except OSError:
            return False
        finally:
            self.finish()
            with contextlib.suppress(OSError):
                self._pipe.close()
