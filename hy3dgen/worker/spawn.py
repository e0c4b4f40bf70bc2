# SPDX-License-Identifier: Apache-2.0
"""Start a program in a process group of its own, on Linux bound to this process from its birth.

There the system is told, before the program runs, to kill it when the thread that started it ends
(`native/spawn.cpp`): a program that asks for that itself does so too late if a signal holds it in
its first moments. Elsewhere, and without the kernel's library, it is `subprocess.Popen`.
"""

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import BinaryIO, cast

from hy3dgen.errors import MissingDependencyError

PIPE, DEVNULL, STDOUT = subprocess.PIPE, subprocess.DEVNULL, subprocess.STDOUT
_LONGEST_NAP = 0.05  # seconds between two looks whether it has ended


class GuardedProgram:
    """A started program; as far as it goes like `subprocess.Popen`."""

    def __init__(
        self,
        pid: int,
        stdin: BinaryIO | None,
        stdout: BinaryIO,
        stderr: BinaryIO | None,
    ) -> None:
        self.pid = pid
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self._code: int | None = None
        self._asking = threading.Lock()

    def poll(self) -> int | None:
        """Its exit code, minus a signal's number, or None while it runs."""
        with self._asking:
            if self._code is None:
                try:
                    ended, status = os.waitpid(self.pid, os.WNOHANG)
                except ChildProcessError:  # somebody else in this process was told
                    self._code = 0
                else:
                    self._code = os.waitstatus_to_exitcode(status) if ended else None
            return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; subprocess.TimeoutExpired if it goes on for longer."""
        began, nap = time.monotonic(), 0.0005
        while (code := self.poll()) is None:
            left = nap if timeout is None else began + timeout - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            time.sleep(min(nap, left))
            nap = min(2 * nap, _LONGEST_NAP)
        return code


Program = GuardedProgram | subprocess.Popen


def start_program(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: int = PIPE,
    stderr: int = PIPE,
    buffering: int = -1,
    folder: str | os.PathLike[str] | None = None,
) -> Program:
    """Start `command`; the calling thread must live as long as it (Linux).

    Parameters
    ----------
    stdin : PIPE or DEVNULL
    stderr : PIPE or STDOUT; its output is always a pipe
    buffering : of the pipes, as for `open`

    Raises
    ------
    OSError, ValueError, subprocess.SubprocessError
        It was not started; nothing is left.
    """
    if sys.platform.startswith("linux"):
        with contextlib.suppress(MissingDependencyError):
            return _start_guarded(command, environment, stdin, stderr, buffering, folder)
    options: dict = {"process_group": 0}
    if os.name == "nt":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        options = {"creationflags": flags}
    return subprocess.Popen(
        list(command),
        stdin=stdin,
        stdout=PIPE,
        stderr=stderr,
        bufsize=buffering,
        env=dict(environment),
        cwd=folder,
        **options,
    )


def _start_guarded(
    command: Sequence[str],
    environment: Mapping[str, str],
    stdin: int,
    stderr: int,
    buffering: int,
    folder: str | os.PathLike[str] | None,
) -> GuardedProgram:
    # Here, so that a worker, which starts no other at once, need not wait for numpy.
    from hy3dgen.mesh.native import loader

    program = command[0] if command else ""
    path = program
    if not os.path.dirname(program):
        path = shutil.which(program, path=os.pathsep.join(os.get_exec_path(environment))) or ""
    if not path:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:

        def pipe(mode: str) -> tuple[int, BinaryIO]:
            ends = os.pipe()
            given, kept = ends if mode == "wb" else ends[::-1]
            theirs.callback(os.close, given)
            file = cast("BinaryIO", open(kept, mode, buffering=buffering))
            return given, ours.enter_context(file)

        if stdin == PIPE:
            their_input, our_input = pipe("wb")
        else:
            their_input, our_input = os.open(os.devnull, os.O_RDONLY), None
            theirs.callback(os.close, their_input)
        their_output, our_output = pipe("rb")
        their_errors, our_errors = pipe("rb") if stderr == PIPE else (their_output, None)
        streams = (their_input, their_output, their_errors)
        pid = loader.spawn(path, command, environment, folder, streams)
        ours.pop_all()
    return GuardedProgram(pid, our_input, our_output, our_errors)
