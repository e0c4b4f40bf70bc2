# SPDX-License-Identifier: Apache-2.0
"""Start a worker, hand it tasks, collect what comes back. numpy only; used inside Blender.

Four threads serve one worker and none calls user code: one starts it, reads its messages and
copies their arrays, one writes requests, one keeps the log, one looks whether a signal has stopped
it. The caller's threads never wait for a pipe. Every
request ends in exactly one of Result, Failure and CancelledEvent, also when the worker dies: then
`poll` gives a Failure of kind "WorkerDiedError" and `run` raises that error.
"""

import atexit
import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import hy3dgen
from hy3dgen.errors import (
    Cancelled,
    ProtocolError,
    TaskFailedError,
    WorkerDiedError,
    WorkerError,
    WorkerStartError,
)
from hy3dgen.worker import protocol
from hy3dgen.worker.command import worker_command
from hy3dgen.worker.inbox import Inbox
from hy3dgen.worker.json_lines import LineReader
from hy3dgen.worker.log import BoundedLog
from hy3dgen.worker.outbox import Outbox
from hy3dgen.worker.process import (
    STOPPED_PATIENCE,
    ChildProcess,
    child_environment,
    describe_exit,
    end_start,
)
from hy3dgen.worker.protocol import (
    CancelledEvent,
    Event,
    Failure,
    Hello,
    Preview,
    Progress,
    Result,
)
from hy3dgen.worker.shared_arrays import SharedArrays

__all__ = ["WorkerClient", "worker_command"]

_EXEC_PATIENCE = 10.0  # seconds until a child is another program; not until that says something


class WorkerClient:
    """One worker process. Not started yet; `start` does, `close` ends it for good.

    Parameters
    ----------
    command : see `worker_command`
    env : environment of the worker; without one, this process' own. Variables that point Python
        at another installation are dropped from it.
    log_path : file for what the worker prints, at most 1 MB and one older file. Without one only
        the last words are kept, for error messages.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        log_path: str | os.PathLike | None = None,
    ) -> None:
        self._command = list(command)
        self._environment = child_environment(env)
        self._log_path = None if log_path is None else Path(log_path)
        self._changed = threading.Condition()  # guards all that follows
        self._hello: Hello | None = None
        self._process: ChildProcess | None = None
        self._arrays: SharedArrays | None = None
        self._log: BoundedLog | None = None
        self._threads: list[threading.Thread] = []
        self._inbox = Inbox()
        self._next_request = 1
        self._closing = False
        self._gone: WorkerError | None = None  # why there is no worker any more
        self._outbox: Outbox | None = None
        self._verdict: WorkerError | None = None  # why this side ended the worker
        self._ending = threading.Lock()  # one close() at a time

    def __enter__(self) -> "WorkerClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def hello(self) -> Hello | None:
        """What the worker said of itself; None before `start`."""
        return self._hello

    @property
    def alive(self) -> bool:
        """Whether requests can be submitted."""
        return self._hello is not None and self._gone is None and not self._closing

    def log_tail(self, lines: int = 20) -> str:
        """The last lines the worker printed."""
        return self._log.tail(lines) if self._log else ""

    # --- start and end ----------------------------------------------------------------------------

    def start(self, timeout: float = 60.0) -> Hello:
        """Start the worker and compare versions. Started already: its Hello again.

        Raises
        ------
        WorkerStartError
            The program cannot be run, ends, stays silent for `timeout` seconds, is no worker, or
            is a worker of another version. Nothing is left running then.
        """
        if self._hello is not None and self.alive:
            return self._hello
        if self._threads or self._closing:
            raise WorkerStartError("this worker has ended; make a new WorkerClient to start again")
        self._arrays = SharedArrays.create()
        try:
            self._log = BoundedLog(self._log_path)
            atexit.register(self.close)
            self._start_thread(self._live, self._log)
            self._wait_for_hello(timeout)
        except OSError as error:
            self.close()
            raise WorkerStartError(
                f"the worker's log {self._log_path} cannot be written ({error.strerror}); "
                "choose another file"
            ) from error
        except RuntimeError as error:
            self.close()
            words = f"no thread for the worker could be started ({error}); close other programs"
            raise WorkerStartError(words) from error
        except BaseException:
            self.close()
            raise
        assert self._hello
        return self._hello

    def close(self) -> None:
        """End the worker: politely, then by force. Open requests end as cancelled. Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        with self._ending:
            if self._process is None:
                self._end_start(only_if_stopped=False)
            else:
                assert self._outbox
                with contextlib.suppress(WorkerDiedError):
                    self._outbox.put(protocol.encode(protocol.Close()))
                self._outbox.finish()
                self._process.end()
            for thread in self._threads:
                thread.join(2.0)
            if self._arrays is not None:
                self._arrays.close()
            if self._log is not None:
                self._log.close()
        atexit.unregister(self.close)

    # --- requests ---------------------------------------------------------------------------------

    def submit(
        self,
        task: str,
        params: Mapping[str, Any] | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
    ) -> int:
        """Hand over a task; returns the request's number at once. `arrays` are copied."""
        return self._submit(task, params, arrays, own=False)

    def cancel(self, request: int) -> None:
        """Ask for the end of a request. It may still finish; ended already: nothing happens."""
        if self._inbox.is_open(request):
            with contextlib.suppress(WorkerDiedError):
                self._send(protocol.Cancel(request))

    def poll(self) -> list[Event]:
        """Every event since the last call, oldest first; never blocks.

        Of several progress events of one request, or previews with the same names of arrays, only
        the last is kept.
        """
        return self._inbox.poll()

    def run(
        self,
        task: str,
        params: Mapping[str, Any] | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
        on_event: Callable[[Progress | Preview], None] | None = None,
    ) -> Result:
        """Hand over a task and wait. An exception from `on_event` cancels it and comes through.

        Raises
        ------
        TaskFailedError
            The worker reported an error; `kind` is its type there.
        Cancelled
            It was cancelled, or the client was closed meanwhile.
        WorkerDiedError, ProtocolError
            The worker ended, or sent nonsense and was ended.
        """
        request = self._submit(task, params, arrays, own=True)
        try:
            while True:
                for event in self._inbox.wait(request):
                    if isinstance(event, Result):
                        return event
                    if isinstance(event, CancelledEvent):
                        raise Cancelled(f"the task '{task}' was cancelled")
                    if isinstance(event, Failure):
                        if self._gone is not None and event.kind == type(self._gone).__name__:
                            raise type(self._gone)(str(self._gone))
                        raise TaskFailedError(event.message, event.kind)
                    if on_event is not None:
                        on_event(event)
        finally:
            self._inbox.drop(request)
            self.cancel(request)  # does nothing if it has ended

    def _submit(
        self,
        task: str,
        params: Mapping[str, Any] | None,
        arrays: Mapping[str, np.ndarray] | None,
        own: bool,
    ) -> int:
        with self._changed:
            if self._gone is not None:
                raise type(self._gone)(str(self._gone))
            if self._hello is None or self._closing or self._arrays is None:
                raise WorkerStartError("the worker is not running; call start() first")
            request = self._next_request
            self._next_request += 1
        descriptors = self._arrays.write(arrays or {})
        message = protocol.Request(request, task, dict(params or {}), descriptors)
        blocks = {descriptor.block for descriptor in descriptors}
        try:
            line = protocol.encode(message)
        except ProtocolError:
            self._free(blocks)
            raise
        self._inbox.register(request, own, lambda: self._free(blocks))
        try:
            self._post(line)
        except WorkerDiedError:
            # The thread that reads notices too and ends this request like the others.
            self._inbox.wait_until_ended(request, 10.0)
        return request

    # --- the channel ------------------------------------------------------------------------------

    def _send(self, message: protocol.Message) -> None:
        self._post(protocol.encode(message))

    def _post(self, line: bytes) -> None:
        assert self._outbox and self._process
        try:
            self._outbox.put(line)
        except BufferError:
            raise self._end_with(self._process, "reads no more requests") from None

    def _free(self, blocks: set[str]) -> None:
        assert self._arrays
        for block in blocks:
            self._arrays.release(block)

    def _start_thread(self, target: Callable, *arguments: object) -> threading.Thread:
        name = f"hy3dgen-{target.__name__.strip('_')}"
        thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)  # `close` joins those; it cannot one that is not started
        return thread

    def _live(self, log: BoundedLog) -> None:
        """Thread: start the worker, take its messages until its end, then settle what is open.

        Being its parent as Linux sees it, this thread must live as long as the worker.
        """
        try:
            reason = self._attend(ChildProcess(self._command, self._environment), log)
        except WorkerStartError as error:
            reason = error
        except Exception as error:  # no thread could be started, for one; nobody may wait for ever
            words = f"the worker could not be looked after ({error}); close other programs"
            reason = WorkerDiedError(words) if self._hello else WorkerStartError(words)
            if self._process is not None:
                self._process.end(patience=0.0)
                with contextlib.suppress(OSError):  # there may be no thread that would write
                    self._process.stdin.close()
        self._settle(reason)
        if self._process is not None:
            self._process.close_pipes()

    def _end_start(self, only_if_stopped: bool) -> None:
        live = self._threads[0] if self._threads else None
        if live is not None and live.is_alive() and live.native_id:
            end_start(live.native_id, only_if_stopped)

    def _attend(self, process: ChildProcess, log: BoundedLog) -> WorkerError | None:
        """Take its messages until its end; what was wrong, if anything was."""
        with self._changed:
            self._outbox = Outbox(process.stdin)
            self._process = process
            closing = self._closing
        if closing:
            process.end(patience=0.0)
        over = threading.Event()
        try:
            writer = self._start_thread(self._write_requests, process, self._outbox)
            pump = self._start_thread(self._pump_log, process, log)
            self._start_thread(self._watch_for_stops, process, over)
            reason = self._read_messages(process) or self._verdict
        finally:
            over.set()
            self._outbox.finish()
        process.end(patience=1.0 if reason is None else 0.0)
        pump.join(1.0)  # the log's last words
        writer.join(1.0)
        return reason

    @staticmethod
    def _write_requests(process: ChildProcess, outbox: Outbox) -> None:
        if not outbox.write_all():  # it reads no more: it ends, or we end it
            process.end(patience=1.0)

    def _watch_for_stops(self, process: ChildProcess, over: threading.Event) -> None:
        if process.wait_until_stopped(over):
            self._end_with(process, "was stopped by a signal from outside")

    def _end_with(self, process: ChildProcess, what: str) -> WorkerDiedError:
        verdict = WorkerDiedError(f"the worker {what} and has been ended; start again")
        self._verdict = verdict
        process.end(patience=0.0)
        return verdict

    @staticmethod
    def _pump_log(process: ChildProcess, log: BoundedLog) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := process.read_errors(65536):
                log.write(data)

    def _read_messages(self, process: ChildProcess) -> WorkerError | None:
        """Returns at the worker's end, or with what was wrong with a message."""
        lines = LineReader(process.read_output)
        try:
            while (line := lines.next_line()) is not None:
                if self._hello is None:
                    self._accept_hello(line)
                else:
                    self._take(protocol.decode(line, protocol.FROM_WORKER))
        except WorkerDiedError:  # while we answered; its exit code tells more
            return None
        except WorkerError as error:
            return error
        except (OSError, MemoryError) as error:
            return WorkerDiedError(f"an answer of the worker could not be taken in: {error!r}")
        return None

    def _accept_hello(self, line: bytes) -> None:
        number, version = protocol.versions_in(line)
        if (number, version) != (protocol.PROTOCOL, hy3dgen.__version__):
            raise WorkerStartError(
                f"the worker has hy3dgen {version} (protocol {number}), this side has "
                f"{hy3dgen.__version__} (protocol {protocol.PROTOCOL}); "
                "install the same version in both places"
            )
        assert self._arrays
        hello = protocol.decode(line, (Hello,))
        folders = tuple(str(folder) for folder in self._arrays.folders)
        self._send(protocol.Open(protocol.PROTOCOL, hy3dgen.__version__, folders))
        with self._changed:
            self._hello = hello
            self._changed.notify_all()

    def _wait_for_hello(self, timeout: float) -> None:
        began = time.monotonic()
        deadline = began + timeout
        with self._changed:
            while self._hello is None and self._gone is None and not self._closing:
                left = deadline - time.monotonic()
                if left <= 0:
                    words = self._with_last_words(f"the worker did not answer within {timeout:g} s")
                    raise WorkerStartError(
                        f"{words}; is its Python very slow to start, or something else than Python?"
                    )
                waited = time.monotonic() - began
                if self._process is None and waited > STOPPED_PATIENCE:
                    self._end_start(only_if_stopped=waited < _EXEC_PATIENCE)
                self._changed.wait(min(left, 0.2))
            if self._closing:
                raise WorkerStartError("the worker was closed while it started")
            if self._gone is not None:
                raise WorkerStartError(str(self._gone)) from self._gone

    def _take(self, event: Event) -> None:
        assert self._arrays
        if not self._inbox.is_open(event.request):
            raise ProtocolError(f"the worker speaks of request {event.request}, not an open one")
        if isinstance(event, (Preview, Result)):
            descriptors = protocol.descriptors_of(event)
            event = replace(event, arrays=self._arrays.read(descriptors))
            for block in {descriptor.block for descriptor in descriptors}:
                with contextlib.suppress(WorkerDiedError):
                    self._send(protocol.Release(block))
        self._inbox.deliver(event)

    def _settle(self, reason: WorkerError | None) -> None:
        """The worker has ended: free its blocks, end open requests."""
        assert self._arrays
        self._arrays.release_all("w")
        started = self._hello is not None
        if reason is None:
            code = self._process.exit_code() if self._process else None
            words = self._with_last_words(f"the worker ended with {describe_exit(code)}")
            if code == -9:
                words = f"{words}; the system may have run out of memory, so close other programs"
            if started:
                reason = WorkerDiedError(f"{words}; start again")
            else:
                reason = WorkerStartError(
                    f"{words}; choose another Python for it, or install its libraries again"
                )
        elif not started and isinstance(reason, ProtocolError):
            reason = WorkerStartError(
                f"'{self._command[0]}' did not answer as a worker does: {reason}"
            )
        elif isinstance(reason, ProtocolError):
            reason = ProtocolError(f"the worker was ended for what it sent ({reason}); start again")
        with self._changed:
            self._gone = reason
            self._changed.notify_all()
            for request in self._inbox.open_requests():
                if self._closing:
                    self._inbox.deliver(CancelledEvent(request))
                else:
                    self._inbox.deliver(Failure(request, type(reason).__name__, str(reason)))

    def _with_last_words(self, words: str) -> str:
        lines = self.log_tail(200).splitlines()
        # After a crash in C a list of stack frames follows the line that counts.
        crashes = [line for line in lines if line.startswith("Fatal Python error")]
        said = (crashes or lines or [""])[-1].strip()
        return f"{words}; its last words were: {said[:300]}" if said else words
