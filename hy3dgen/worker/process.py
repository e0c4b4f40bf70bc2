# SPDX-License-Identifier: Apache-2.0
"""Start a child process that cannot outlive its parent, and end it reliably.

Three nets, because each has a hole: the child's standard input ends when the parent does (not if
another process inherited the pipe), the parent's id changes (POSIX only, needs a thread that gets
to run), and the system kills the child (Linux: signals at the parent's death; Windows: a job
object). Knows nothing of messages.
"""

import contextlib
import ctypes
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from hy3dgen.errors import WorkerStartError
from hy3dgen.worker.spawn import start_program

# Set by an embedding program for its own Python, wrong for any other.
_FOREIGN_VARIABLES = (
    *("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "PYTHONPLATLIBDIR"),
    "__PYVENV_LAUNCHER__",
)

# The system has too little of something; nothing is wrong with the program.
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
STOPPED_PATIENCE = 2.0  # seconds; tools stop a process for a moment and let it go on
_LOOK_INTERVAL = 0.5


def child_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """`base` (this process' environment) without what points Python at another installation."""
    environment = dict(os.environ if base is None else base)
    for name in _FOREIGN_VARIABLES:
        environment.pop(name, None)
    return environment


class ChildProcess:
    """A running command with three unbuffered pipes, in a group (Windows: a job) of its own.

    Not in a session of its own: if a signal holds the group when its parent, of the same session,
    ends, POSIX has it told (SIGHUP) and let go on (SIGCONT). That holds from the first moment on.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        program = command[0] if command else ""
        try:
            process = start_program(command, environment, buffering=0)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            scarce = getattr(error, "errno", None) in _SCARCE
            raise WorkerStartError(
                f"the worker's program '{program}' could not be started ({reason}); "
                + ("close other programs" if scarce else "choose a Python interpreter that exists")
            ) from error
        except subprocess.SubprocessError as error:  # something else wrote into its pipe of errors
            raise WorkerStartError(
                f"the worker's program '{program}' was disturbed while it started; start again"
            ) from error
        self._process = process
        self.pid = process.pid
        assert process.stdin and process.stdout and process.stderr
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr
        self._job = _WindowsJob(cast("subprocess.Popen", process)) if os.name == "nt" else None
        self._end_lock, self._ended = threading.Lock(), False

    def read_output(self, size: int) -> bytes:
        """At least one byte of its standard output; empty at the end."""
        return os.read(self.stdout.fileno(), size)

    def read_errors(self, size: int) -> bytes:
        return os.read(self.stderr.fileno(), size)

    def exit_code(self) -> int | None:
        return self._process.poll()

    def is_stopped(self) -> bool:
        """Whether a signal (SIGSTOP) holds it at this moment. Only Linux tells.

        A debugger that holds it is another matter: the system tells that to the debugger alone.
        """
        return _is_stopped(self.pid)

    def wait_until_stopped(self, over: threading.Event) -> bool:
        """Whether it was stopped for STOPPED_PATIENCE seconds at a stretch, before `over`."""
        since = None
        while not over.wait(_LOOK_INTERVAL):
            if not self.is_stopped():
                since = None
            elif since is None:
                since = time.monotonic()
            elif time.monotonic() - since >= STOPPED_PATIENCE:
                return True
        return False

    def wait(self, timeout: float) -> bool:
        """Whether it has ended within `timeout` seconds."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self, patience: float = 1.0) -> None:
        """End it and all that it started: wait, ask, then kill. Only the first call does it."""
        with self._end_lock:
            if self._ended:  # by now its id may belong to another process
                return
            self._ended = True
            self._end(patience)

    def _end(self, patience: float) -> None:
        if self._job is None:
            if not self.wait(patience):
                self._signal_group(signal.SIGTERM)
                self.wait(patience)
            self._signal_group(signal.SIGKILL)  # also what it left behind
        else:
            self.wait(patience)
            self._job.close()
        self.wait(5.0)

    def close_pipes(self) -> None:
        """Those that we read from; `stdin` belongs to whoever writes."""
        for pipe in (self.stdout, self.stderr):
            with contextlib.suppress(OSError):
                pipe.close()

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def end_start(thread: int, only_if_stopped: bool) -> None:
    """Kill what this thread of ours starts and therefore waits for (Linux).

    It waits without an end for a child that a signal holds before it became another program, and
    for one that goes on although its pipe of errors was disturbed.

    Parameters
    ----------
    thread : the system's number for it
    """
    children = ""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/self/task/{thread}/children").read_text()
    for child in map(int, children.split()):
        if _is_stopped(child) or not only_if_stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def _is_stopped(child: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    # WNOWAIT: its exit code remains for whoever asks for that.
    flags = os.WSTOPPED | os.WNOHANG | os.WNOWAIT
    try:
        return os.waitid(os.P_PID, child, flags) is not None
    except ChildProcessError:  # ended
        return False


def describe_exit(code: int | None) -> str:
    """ "exit code 3", "signal 9 (SIGKILL)" and so on, for an error message."""
    if code is None:
        return "no exit code"
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {-code} ({signal.Signals(-code).name})"
    return f"signal {-code}"


# --- called in the child --------------------------------------------------------------------------


def watch_parent(on_gone: Callable[[], None], interval: float = 0.25) -> None:
    """Call `on_gone` from a thread soon after the parent has ended (POSIX).

    Linux: also if a signal holds us by then. SIGCONT lets a process go on, whoever handles it.
    """
    if os.name == "nt":
        return
    parent = os.getppid()
    watching = threading.Event()

    def watch() -> None:
        _ask_for_signal(signal.SIGCONT)
        watching.set()
        while os.getppid() == parent:
            time.sleep(interval)
        on_gone()

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()
    watching.wait()


def die_at_once_with_parent() -> None:
    """Linux: be killed at the parent's death. For a beginning that has nothing to clean up yet.

    `hy3dgen.worker.spawn` asks for that before we run; another parent may not have. The kernel
    signals at the death of the *thread* that started us, so the parent must start its children from
    a thread that outlives them.
    """
    _ask_for_signal(signal.SIGKILL)


def die_with_parent() -> None:
    """Linux: be killed one second after the parent's death, even where no thread gets to run.

    That happens while a C function computes without letting go of Python's lock; otherwise
    `watch_parent` and the end of standard input are quicker and clean up. The handler must run
    without Python: SIGHUP has the number 1, and libc's `alarm`, called as its handler, so means
    "SIGALRM in one second".
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    libc.signal.restype = ctypes.c_void_p
    libc.signal(signal.SIGHUP, ctypes.cast(libc.alarm, ctypes.c_void_p))
    libc.signal(signal.SIGALRM, None)  # the default action, which ends us
    _ask_for_signal(signal.SIGHUP)


def _ask_for_signal(number: signal.Signals) -> None:
    """Linux: the process gets this signal when its parent dies. Each thread may ask for one."""
    if sys.platform.startswith("linux"):
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


# --- Windows --------------------------------------------------------------------------------------


class _WindowsJob:
    """A job object that kills its processes when its last handle closes, however we end."""

    _KILL_ON_JOB_CLOSE = 0x2000
    _EXTENDED_LIMIT_INFORMATION = 9

    def __init__(self, process: subprocess.Popen) -> None:
        from ctypes import wintypes

        class BasicLimits(ctypes.Structure):
            _fields_ = (
                ("PerProcessUserTimeLimit", ctypes.c_int64),
                ("PerJobUserTimeLimit", ctypes.c_int64),
                ("LimitFlags", wintypes.DWORD),
                ("MinimumWorkingSetSize", ctypes.c_size_t),
                ("MaximumWorkingSetSize", ctypes.c_size_t),
                ("ActiveProcessLimit", wintypes.DWORD),
                ("Affinity", ctypes.c_size_t),
                ("PriorityClass", wintypes.DWORD),
                ("SchedulingClass", wintypes.DWORD),
            )

        class ExtendedLimits(ctypes.Structure):
            _fields_ = (
                ("BasicLimitInformation", BasicLimits),
                ("IoInfo", ctypes.c_uint64 * 6),
                ("ProcessMemoryLimit", ctypes.c_size_t),
                ("JobMemoryLimit", ctypes.c_size_t),
                ("PeakProcessMemoryUsed", ctypes.c_size_t),
                ("PeakJobMemoryUsed", ctypes.c_size_t),
            )

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
        kernel.CreateJobObjectW.argtypes = (ctypes.c_void_p, wintypes.LPCWSTR)
        kernel.CreateJobObjectW.restype = wintypes.HANDLE
        kernel.SetInformationJobObject.argtypes = (
            *(wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD),
        )
        kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
        kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
        self._kernel = kernel
        self._process = process
        self._handle = kernel.CreateJobObjectW(None, None)
        limits = ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = self._KILL_ON_JOB_CLOSE
        done = self._handle and kernel.SetInformationJobObject(
            self._handle,
            self._EXTENDED_LIMIT_INFORMATION,
            ctypes.byref(limits),
            ctypes.sizeof(limits),
        )
        # A process that is in a job which forbids another one still has its end of input.
        if done:
            kernel.AssignProcessToJobObject(self._handle, int(process._handle))  # type: ignore[attr-defined]

    def close(self) -> None:
        """Kill what is left in the job."""
        if self._handle:
            self._kernel.CloseHandle(self._handle)
            self._handle = None
        with contextlib.suppress(OSError):
            self._process.kill()
