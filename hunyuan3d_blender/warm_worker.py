# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker process that stays warm between jobs. Plain Python, knows nothing of jobs.

Starting and closing take up to seconds, so both happen in threads of their own.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hy3dgen.errors import WorkerError, WorkerStartError
from hy3dgen.worker.client import WorkerClient
from hy3dgen.worker.protocol import CancelledEvent, Event, Failure, Hello, Result

logger = logging.getLogger(__name__)

LARGE = 4_000_000  # bytes of arrays that are copied in a thread
Answer = Callable[[Mapping[str, Any] | None], object]
START_TIMEOUT = 60.0  # seconds; a first start reads numpy from a cold disk


@dataclass(frozen=True)
class WorkerSpec:
    """How to start a worker. Jobs with equal specs share one warm worker."""

    role: str  # "mesh" or "generation"; one worker per role is kept
    command: tuple[str, ...]
    log_path: str | None = None


class Sending:
    """A request on its way. Copying the arrays of 2 million triangles takes 0.1 s, so large ones go
    in a thread; the client can be used by several.
    """

    def __init__(self, submit: Callable[[], int], large: bool) -> None:
        self._submit = submit
        self._request: int | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="hy3d-send", daemon=True)
        if large:
            self._thread.start()
        else:
            self._run()

    def _run(self) -> None:
        try:
            self._request = self._submit()
        except Exception as error:  # raised again where the answer is asked for
            self._error = error

    @property
    def done(self) -> bool:
        return self._request is not None or self._error is not None

    def request(self) -> int:
        """The request's number, once done; raises why it could not be sent."""
        if self._error is not None:
            raise self._error
        assert self._request is not None
        return self._request


@dataclass(frozen=True)
class WorkerStatus:
    """What the panel tells of a worker."""

    hello: Hello | None  # None: it is still starting, or could not be started
    error: str  # why it could not be started, or ""
    memory: dict[str, Any]  # answer to the last "status": megabytes that are free
    since: float  # seconds without work


class WarmWorker:
    """A client and the thread that starts it, so that starting never blocks the caller."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.last_used = time.monotonic()
        self.hello: Hello | None = None
        self.error: WorkerError | None = None
        self.proven = False  # it has done a job
        self.client = WorkerClient(spec.command, log_path=spec.log_path)
        self._memory: dict[str, Any] = {}
        self._questions: dict[int, Answer] = {}  # requests of our own
        self._asked = False
        self._closer: threading.Thread | None = None
        self._thread = threading.Thread(target=self._start, name="hy3d-start", daemon=True)
        self._thread.start()

    def _start(self) -> None:
        try:
            self.hello = self.client.start(timeout=START_TIMEOUT)
        except WorkerError as error:
            self.error = error
        except Exception as error:  # else its job would wait for ever
            logger.exception("the worker could not be started")
            self.error = WorkerStartError(f"the worker could not be started: {error}")

    @property
    def ready(self) -> bool:
        """Whether requests can be sent; raises what went wrong while starting."""
        if self.error is not None:
            raise self.error
        return self.hello is not None

    @property
    def dead(self) -> bool:
        """Whether it was started and has ended since; its last words were the last job's error."""
        return self.hello is not None and not self.client.alive

    def poll(self) -> list[Event]:
        """The events of requests that others submitted; those of questions end here."""
        if self.hello is None:
            return []
        if not self._asked:
            self.ask_status()
        events = []
        for event in self.client.poll():
            if event.request not in self._questions:
                events.append(event)
                self.proven |= isinstance(event, Result)
            elif isinstance(event, Result):
                self._questions.pop(event.request)(event.values)
            elif isinstance(event, CancelledEvent):
                self._questions.pop(event.request)(None)
            elif isinstance(event, Failure):
                logger.info("a question was not answered: %s", event.message)
                del self._questions[event.request]
        return events

    def send(
        self, task: str, params: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> Sending:
        """Submit a job's part; questions make way for it."""
        for question in self._questions:
            self.client.cancel(question)
        large = sum(array.nbytes for array in arrays.values()) > LARGE
        return Sending(lambda: self.client.submit(task, dict(params), dict(arrays)), large)

    def ask(self, task: str, answer: Answer) -> bool:
        """Ask something beside the jobs. True if it was asked.

        `answer` gets the result's values from a later `poll`, or None if a job came in between; of
        a failure it hears nothing.
        """
        if self.hello is None or self.dead or task not in self.hello.tasks:
            return False
        try:
            self._questions[self.client.submit(task)] = answer
        except WorkerError:  # it has ended; the next job hears of it
            return False
        return True

    def ask_status(self) -> None:
        """Ask how much memory is free; the answer comes with a later `poll`."""
        self._asked = True
        self.ask("status", self._take_memory)

    def clear_cache(self) -> None:
        """Let go of what is kept for a second texture."""
        self.ask("clear_cache", lambda values: self.ask_status())

    def _take_memory(self, values: Mapping[str, Any] | None) -> None:
        self._memory = dict(values or self._memory)

    def status(self) -> WorkerStatus:
        return WorkerStatus(
            None if self.dead else self.hello,
            str(self.error or ""),
            self._memory,
            time.monotonic() - self.last_used,
        )

    def begin_close(self) -> None:
        """End the process in the background."""
        while self._questions:
            self._questions.popitem()[1](None)
        self._closer = threading.Thread(target=self._close, name="hy3d-close", daemon=True)
        self._closer.start()

    def _close(self) -> None:
        self.client.close()
        self._thread.join(START_TIMEOUT)

    @property
    def closed(self) -> bool:
        return self._closer is not None and not self._closer.is_alive()

    def wait_closed(self) -> None:
        assert self._closer is not None
        self._closer.join()
