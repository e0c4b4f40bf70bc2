# SPDX-License-Identifier: GPL-3.0-or-later
"""What may happen to a worker, through the system's own means (Linux)."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from trial_client import children

FLOOD_BYTES = 4 << 20


def kill(worker: int) -> None:
    os.kill(worker, signal.SIGKILL)


def stop(worker: int) -> None:
    os.kill(worker, signal.SIGSTOP)


def crash(worker: int) -> None:
    os.kill(worker, signal.SIGSEGV)


def fill_requests(worker: int) -> None:
    """It reads no more, and its pipe is full up to the last byte."""
    os.kill(worker, signal.SIGSTOP)
    for path in _common_pipes(worker, os.O_WRONLY):
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(pipe, b" " * 512)
        os.close(pipe)


def flood_answers(worker: int) -> None:
    """Garbage without an end comes through the pipe of its answers, perhaps within one."""
    for path in _common_pipes(worker, os.O_RDONLY):
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        sent, until = 0, time.monotonic() + 2.0
        with contextlib.suppress(BrokenPipeError):
            while sent < FLOOD_BYTES and time.monotonic() < until:
                try:
                    sent += os.write(pipe, b"x" * 4096)
                except BlockingIOError:
                    time.sleep(0.001)
        os.close(pipe)


FAULTS: dict[str, Callable[[int], None]] = {
    "SIGKILL": kill,
    "SIGSTOP": stop,
    "SIGSEGV": crash,
    "full pipe": fill_requests,
    "flooded pipe": flood_answers,
}


class Fault(threading.Thread):
    """Does something to the first worker that is there `delay` seconds from now, or later."""

    def __init__(self, name: str, delay: float) -> None:
        super().__init__(name="fault", daemon=True)
        self._do, self._delay = FAULTS[name], delay
        self._others = children()
        self._over = threading.Event()
        self.at: float | None = None  # when it struck; None: it never did

    def run(self) -> None:
        if self._over.wait(self._delay):
            return
        while not self._over.is_set():
            workers = children() - self._others
            if workers:
                # Gone in the meantime: the job was quicker.
                with contextlib.suppress(ProcessLookupError, FileNotFoundError, PermissionError):
                    self._do(min(workers))
                    self.at = time.monotonic()
                return
            time.sleep(0.002)

    def end(self) -> None:
        self._over.set()
        self.join()


def _common_pipes(worker: int, our_end: int) -> list[str]:
    """Pipes between us and `worker` that we hold with access `our_end`, as paths to open."""
    ours = {}
    for entry in Path("/proc/self/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            access = int(entry.read_text().partition("flags:")[2].split()[0], 8) & os.O_ACCMODE
            target = os.readlink(f"/proc/self/fd/{entry.name}")
            if access == our_end and target.startswith("pipe:"):
                ours[target] = f"/proc/self/fd/{entry.name}"
    log = os.readlink(f"/proc/{worker}/fd/2")  # takes anything
    found = set()
    for entry in Path(f"/proc/{worker}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = os.readlink(entry)
            if target in ours and target != log:
                found.add(ours[target])
    return sorted(found)
