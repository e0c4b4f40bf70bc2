# SPDX-License-Identifier: Apache-2.0
"""Run another Python for minutes: line by line, cancellable, never longer-lived than this process.

The child is a leader of its own process group, so that all it starts ends with it. It watches its
parent (on Windows the worker's job object does that), and standard input is empty.
"""

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hy3dgen.errors import SetupError
from hy3dgen.worker.spawn import DEVNULL, STDOUT, Program, start_program

# Prepended to what the child runs. It ends its whole group, because what it started would go on,
# and without a word, because the main thread may be deep in a C function. On Linux the parent's
# death also lets it go on if a signal holds it (prctl 1 is PR_SET_PDEATHSIG). Until somebody
# watches, the parent's death kills it at once (`hy3dgen.worker.spawn`).
WATCH_PARENT = """
import os, signal, sys, threading, time
def _at_parents_death(number):
    if sys.platform.startswith("linux"):
        import ctypes
        ctypes.CDLL(None).prctl(1, number, 0, 0, 0)
def _watch(parent, watching):
    _at_parents_death(int(signal.SIGCONT))
    watching.set()
    while os.getppid() == parent:
        time.sleep(0.5)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
if os.name != "nt":
    _watching = threading.Event()
    threading.Thread(target=_watch, args=(os.getppid(), _watching), daemon=True).start()
    _watching.wait()
    _at_parents_death(0)
"""
_LONGEST_LINE = 10_000
_MOST_LINES = 1000  # held for the caller; a child that prints faster waits
_TICK = 0.2  # seconds between two calls of `tick`
_PATIENCE = 5.0  # seconds that a child gets to clean up after SIGTERM


_Lines = queue.Queue[str | None]


class SilenceError(SetupError):
    """The child said nothing for too long and was ended."""


def run_child(
    command: Sequence[str | os.PathLike[str]],
    environment: Mapping[str, str],
    on_line: Callable[[str], object],
    tick: Callable[[], object],
    silence: Callable[[], float],
    folder: Path | None = None,
) -> int:
    """Run `command` to its end; its exit code.

    Parameters
    ----------
    on_line : called with each line of its output and errors, without the line's end
    tick : called some times a second; what it raises ends the child and comes through
    silence : seconds without a line after which the child is ended, asked anew each time
    folder : working folder of the child

    Raises
    ------
    SetupError
        It could not be started.
    SilenceError
        It was silent for too long.
    """
    try:
        process = start_program(
            [os.fspath(part) for part in command],
            environment,
            stdin=DEVNULL,
            stderr=STDOUT,
            folder=folder,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SetupError(
            f"the program {os.fspath(command[0])} could not be started ({reason}); choose a "
            "Python interpreter"
        ) from error
    lines: _Lines = queue.Queue(_MOST_LINES)
    over = threading.Event()
    reader = threading.Thread(target=_read, args=(process, lines, over), daemon=True)
    reader.start()
    last_heard = time.monotonic()
    try:
        while True:
            tick()
            try:
                line = lines.get(timeout=_TICK)
            except queue.Empty:
                quiet = time.monotonic() - last_heard
                if quiet >= silence():
                    raise SilenceError(f"nothing was heard for {quiet:.0f} s") from None
                continue
            if line is None:
                break
            last_heard = time.monotonic()
            on_line(line)
        return process.wait()
    finally:
        over.set()
        _end(process)
        reader.join(1.0)


def _read(process: Program, lines: _Lines, over: threading.Event) -> None:
    """Thread: what the child prints, as lines, then None. Waits while too many are not taken."""

    def put(line: str | None) -> None:
        while not over.is_set():
            with contextlib.suppress(queue.Full):
                return lines.put(line, timeout=_TICK)

    assert process.stdout is not None
    with process.stdout:
        while raw := process.stdout.readline(_LONGEST_LINE):
            put(raw.decode("utf-8", errors="replace").rstrip("\r\n"))
    put(None)


def _end(process: Program) -> None:
    """Ask, then kill, and with it what it started."""
    if process.poll() is not None:  # its number may belong to another process by now
        return
    _signal(process, "SIGTERM")
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        _signal(process, "SIGKILL")
        process.wait()


def _signal(process: Program, name: str) -> None:
    if isinstance(process, subprocess.Popen) and os.name == "nt":
        with contextlib.suppress(OSError):
            process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, getattr(signal, name))
