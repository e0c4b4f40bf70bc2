# SPDX-License-Identifier: Apache-2.0
"""The worker's end of the channel: one task at a time, always ready to cancel or to end.

The main thread runs tasks. A second thread reads requests, so that a cancel, or the end of the
client, is noticed in the middle of a computation. Knows nothing of what tasks do: they are a table
of functions.
"""

import contextlib
import faulthandler
import gc
import math
import os
import platform
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np

import hy3dgen
from hy3dgen.errors import Cancelled, Hy3DError, ProtocolError, WorkerError
from hy3dgen.memory import give_back_freed, is_out_of_memory
from hy3dgen.worker import protocol
from hy3dgen.worker.json_lines import LineReader
from hy3dgen.worker.machine import total_memory_mb
from hy3dgen.worker.process import die_with_parent, watch_parent
from hy3dgen.worker.shared_arrays import SharedArrays

MAX_WAITING_REQUESTS = 64
PROGRESS_INTERVAL = 0.05  # seconds between two progress events of one stage
_COLLECT_SHARE = 0.01  # of the time may go into looking for garbage
_LOCK_PATIENCE = 1.0  # a dying client's file lock is dropped a little after its pipe


class TaskContext:
    """What a task gets to speak with its client."""

    def __init__(self, server: "Server", request: int) -> None:
        self._server = server
        self._request = request
        self._cancelled = threading.Event()
        self._stage: str | None = None
        self._stage_start = self._last_call = time.monotonic()
        self._first_step = 0
        self._last_sent = -math.inf

    def request_cancel(self) -> None:
        self._cancelled.set()

    def check_cancelled(self) -> None:
        """Raise Cancelled if the client asked for it."""
        if self._cancelled.is_set():
            raise Cancelled("cancelled by the client")

    def progress(self, stage: str, step: int, total: int) -> None:
        """Tell the client; cheap enough for every step of any loop. Raises Cancelled."""
        self.check_cancelled()
        now = time.monotonic()
        new_stage = stage != self._stage
        if new_stage:
            # A stage that reports only after its first step began when the last one reported;
            # one that starts further on goes on with earlier work, which took none of this time.
            self._stage, self._first_step = stage, step if step > 1 else 0
            self._stage_start = self._last_call if step == 1 else now
        self._last_call = now
        if new_stage or step >= total or now - self._last_sent >= PROGRESS_INTERVAL:
            self._last_sent = now
            eta = None
            if step > self._first_step:
                done = step - self._first_step
                eta = max(0.0, (now - self._stage_start) / done * (total - step))
            self._server.send(
                protocol.Progress(self._request, stage[:64], int(step), int(total), eta)
            )

    def preview(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Send arrays that show the state so far."""
        self.check_cancelled()
        self._server.send_arrays(protocol.Preview, arrays, request=self._request)


Task = Callable[
    [dict[str, Any], dict[str, np.ndarray], TaskContext],
    tuple[dict[str, Any], dict[str, np.ndarray]],
]


class Server:
    """Serves one client over this process' standard input and output, until it ends.

    Parameters
    ----------
    tasks : name -> function(params, arrays, context) -> (values, arrays)
    unavailable : name -> a sentence on why this worker cannot do that task
    device : for the Hello
    """

    def __init__(
        self, tasks: Mapping[str, Task], unavailable: Mapping[str, str], device: str
    ) -> None:
        self._tasks = dict(tasks)
        self._unavailable = dict(unavailable)
        self._device = device
        self._input, self._output = _take_channel()
        self._writing = threading.Lock()
        self._changed = threading.Condition()  # guards the two below
        self._waiting: deque[protocol.Request] = deque()
        self._running: tuple[int, TaskContext] | None = None
        self._arrays: SharedArrays | None = None
        self._next_collection = -math.inf

    def serve(self) -> NoReturn:
        """Answer requests until the client closes, ends or is killed."""
        faulthandler.enable()
        self.send(
            protocol.Hello(
                protocol.PROTOCOL,
                hy3dgen.__version__,
                tuple(self._tasks),
                self._device,
                platform.python_version(),
                total_memory_mb(),
                os.getpid(),
            )
        )
        watch_parent(lambda: self._exit(0, patience=_LOCK_PATIENCE))
        die_with_parent()  # in place of dying at once, so not before somebody watches
        threading.Thread(target=self._read_messages, name="read-messages", daemon=True).start()
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                request = self._waiting.popleft()
                context = TaskContext(self, request.request)
                self._running = (request.request, context)
            self._run(request, context)
            self._tidy()

    def _tidy(self) -> None:
        """Between two tasks a worker holds no more than it needs.

        By itself Python would look at old objects only when a quarter more have come: until then
        garbage stays, and in lists of its own it keeps up to 2,000 freed tuples of each length.
        Also if the next task waits already, which costs it 0.1 ms after a reduction and 2 ms after
        a picture: the more tasks in a row leave theirs, the more pages are touched, and the small
        objects that live then lie too far apart for these to be given back.
        """
        began = time.monotonic()
        if began >= self._next_collection:
            gc.collect()
            ended = time.monotonic()
            self._next_collection = ended + (ended - began) / _COLLECT_SHARE
        give_back_freed()

    # --- sending ----------------------------------------------------------------------------------

    def send(self, message: protocol.Message) -> None:
        line = protocol.encode(message)
        try:
            with self._writing:
                while line:
                    line = line[os.write(self._output, line) :]
        except OSError:  # nobody listens any more
            self._exit(0, patience=_LOCK_PATIENCE)

    def send_arrays(self, kind: type, arrays: Mapping[str, np.ndarray], **content: Any) -> None:
        """Send a message of `kind` with `arrays` in a block that the client will release."""
        assert self._arrays
        descriptors = self._arrays.write(arrays)
        try:
            self.send(kind(**content, arrays=descriptors))
        except ProtocolError:
            for block in {descriptor.block for descriptor in descriptors}:
                self._arrays.release(block)
            raise

    # --- running tasks (main thread) --------------------------------------------------------------

    def _run(self, request: protocol.Request, context: TaskContext) -> None:
        end: protocol.Message | None = None
        try:
            context.check_cancelled()
            task = self._find_task(request.task)
            assert self._arrays
            inputs = self._arrays.read(protocol.descriptors_of(request))
            values, arrays = task(request.params, inputs, context)
            self.send_arrays(protocol.Result, arrays, request=request.request, values=values)
        except Cancelled:
            end = protocol.CancelledEvent(request.request)
        except BaseException as error:  # also a library's sys.exit: the client must hear of it
            with contextlib.suppress(OSError):  # nobody may be listening any more
                traceback.print_exc()
            end = _failure(request.request, error)
        with self._changed:
            self._running = None
        if end is not None:
            self.send(end)

    def _find_task(self, name: str) -> Task:
        if name in self._tasks:
            return self._tasks[name]
        if name in self._unavailable:
            raise WorkerError(self._unavailable[name])
        raise WorkerError(
            f"this worker knows no task '{name[:64]}'; it can do {', '.join(self._tasks)}"
        )

    # --- reading requests (second thread) ---------------------------------------------------------

    def _read_messages(self) -> None:
        lines = LineReader(lambda size: os.read(self._input, size))
        try:
            line = lines.next_line()
            if line is not None:
                self._join(protocol.decode(line, (protocol.Open,)))
            while line is not None:
                line = lines.next_line()
                if line is not None:
                    self._take(protocol.decode(line, protocol.FROM_CLIENT))
        except Exception as error:  # nothing sensible can follow on this channel
            with contextlib.suppress(OSError):
                sys.stderr.write(f"the worker ends: {error}\n")
            self._exit(2)
        self._exit(0, patience=_LOCK_PATIENCE)

    def _join(self, message: Any) -> None:
        if message.protocol != protocol.PROTOCOL:
            raise ProtocolError(f"the client speaks protocol {message.protocol}")
        self._arrays = SharedArrays.join(message.folders)

    def _take(self, message: Any) -> None:
        assert self._arrays
        if isinstance(message, protocol.Close):
            self._exit(0)
        elif isinstance(message, protocol.Release):
            self._arrays.release(message.block)
        elif isinstance(message, protocol.Cancel):
            self._cancel(message.request)
        else:
            self._queue(message)

    def _queue(self, message: protocol.Request) -> None:
        with self._changed:
            if len(self._waiting) < MAX_WAITING_REQUESTS:
                self._waiting.append(message)
                self._changed.notify()
                return
        sentence = f"{MAX_WAITING_REQUESTS} requests are waiting already; wait for their results"
        self.send(protocol.Failure(message.request, "WorkerError", sentence))

    def _cancel(self, request: int) -> None:
        with self._changed:
            if self._running is not None and self._running[0] == request:
                self._running[1].request_cancel()
                return
            waiting = [message for message in self._waiting if message.request == request]
            for message in waiting:
                self._waiting.remove(message)
        for message in waiting:
            self.send(protocol.CancelledEvent(message.request))

    def _exit(self, code: int, patience: float | None = None) -> NoReturn:
        """End at once, in the middle of whatever the main thread does; free the blocks.

        With `patience`, the client may be dead or dying: then its folders go as well.
        """
        try:
            if self._arrays is not None:
                self._arrays.release_all()
                if patience is not None:
                    self._arrays.remove_if_abandoned(patience)
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
        finally:
            os._exit(code)


def _failure(request: int, error: BaseException) -> protocol.Failure:
    kind = type(error).__name__
    if isinstance(error, Hy3DError):
        sentence = str(error)
    elif is_out_of_memory(error):
        sentence = (
            "the memory is not enough for this task; use a lower resolution or close other programs"
        )
        kind = "OutOfMemoryError"
    else:
        reason = " ".join(str(error).split())[:500]
        sentence = f"an unexpected {kind} ended the task ({reason}); the worker's log tells where"
    return protocol.Failure(request, kind[:128], sentence[: protocol.MAX_MESSAGE_CHARACTERS])


def _take_channel() -> tuple[int, int]:
    """Move the channel to private descriptors; what anybody prints, also from C, goes to the log.

    Standard input becomes empty, so that no library waits for, or eats, our messages.
    """
    channel = os.dup(0), os.dup(1)  # not inherited by children
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    if os.name == "nt":
        import msvcrt

        for handle in channel:
            msvcrt.setmode(handle, os.O_BINARY)  # type: ignore[attr-defined]
    return channel
