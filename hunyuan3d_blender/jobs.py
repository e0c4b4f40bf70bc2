# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs: what was asked for, which worker does it, how far it is.

Plain Python: knows workers and numpy arrays, nothing of Blender. Nothing here runs by itself:
whoever owns a `JobQueue` calls `pump()` now and then, from the thread that made it. The state lives
in Python objects, not in Blender properties, because undo and file load would revert those in the
middle of a job.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import Any

import numpy as np

from hy3dgen.errors import Hy3DError, WorkerError, WorkerStartError
from hy3dgen.worker.client import WorkerClient
from hy3dgen.worker.protocol import CancelledEvent, Failure, Hello, Progress, Result

logger = logging.getLogger(__name__)

START_TIMEOUT = 60.0  # seconds; a first start reads numpy from a cold disk
Report = tuple[str, str]  # Blender's level ("INFO", "WARNING", "ERROR") and one sentence


class State(Enum):
    QUEUED = "waiting"
    STARTING = "starting the worker"
    RUNNING = "running"
    CANCELLING = "cancelling"
    READY = "ready"  # every result is here; `complete` has not been called yet
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({State.DONE, State.FAILED, State.CANCELLED})


@dataclass(frozen=True)
class WorkerSpec:
    """How to start a worker. Jobs with equal specs share one warm worker."""

    role: str  # "mesh" or "generation"; one worker per role is kept
    command: tuple[str, ...]
    log_path: str | None = None


@dataclass(frozen=True)
class Part:
    """One request to the worker; `name` is what the artist calls its subject."""

    name: str
    task: str
    params: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


_numbers = count(1)


@dataclass(eq=False)
class Job:
    """Parts done one after the other, then `finish` once with all their results.

    `finish` runs in the caller of `JobQueue.complete` (Blender's main thread) and returns what to
    tell the user. So a job either changes the scene once, with everything at hand, or not at all.
    """

    title: str
    worker: WorkerSpec
    parts: Sequence[Part]
    finish: Callable[[list[Result]], list[Report]]
    number: int = field(default_factory=lambda: next(_numbers))
    state: State = State.QUEUED
    stage: str = ""
    step: int = 0
    total: int = 0
    eta: float | None = None
    reports: list[Report] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    request: int | None = None

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def fraction(self) -> float:
        """Progress of the current stage in [0, 1], spread over the parts if there are several."""
        within = self.step / self.total if self.total else 0.0
        return min((len(self.results) + within) / len(self.parts), 1.0)

    def describe(self) -> str:
        """One short line for a progress bar."""
        if self.state is not State.RUNNING:
            return self.state.value.capitalize()
        words = [self.stage.replace("_", " ").capitalize() or "Running"]
        if self.total >= 100:
            words.append(f"{100 * self.step // self.total} %")
        elif self.total > 1:
            words.append(f"{self.step}/{self.total}")
        if len(self.parts) > 1:
            words.append(f"of {self.parts[len(self.results)].name}")
        if self.eta is not None and self.eta >= 1:
            left = f"{self.eta:.0f} s" if self.eta < 100 else f"{self.eta / 60:.0f} min"
            words.append(f"· {left} left")
        return " ".join(words)

    def end(self, state: State, reports: list[Report]) -> None:
        self.state, self.request = state, None
        self.reports = [(level, sentence(text)) for level, text in reports]
        self.seconds = time.monotonic() - self.started
        self.parts, self.results = self.parts[:1], []  # lets go of the arrays


class _Worker:
    """A client and the thread that starts it, so that starting never blocks the caller."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.last_used = time.monotonic()
        self.hello: Hello | None = None
        self.error: WorkerError | None = None
        self.client = WorkerClient(spec.command, log_path=spec.log_path)
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

    def close(self) -> None:
        self.client.close()
        self._thread.join(START_TIMEOUT)


class JobQueue:
    """Jobs in order, at most one at a time per worker, and the warm workers themselves."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []  # open ones, oldest first
        self.last: Job | None = None  # the one that ended last
        self._workers: dict[str, _Worker] = {}  # by role

    def add(self, job: Job) -> Job:
        self.jobs.append(job)
        return job

    def find(self, number: int) -> Job | None:
        return next((job for job in self.jobs if job.number == number), None)

    def pump(self) -> None:
        """Take in every event that has arrived and send what can be sent. Never blocks long."""
        for worker in list(self._workers.values()):
            self._take_events(worker)
        roles_taken: set[str] = set()
        for job in list(self.jobs):
            if job.worker.role in roles_taken or job.state is State.READY:
                continue
            roles_taken.add(job.worker.role)
            if job.state in (State.QUEUED, State.STARTING):
                self._advance(job)

    def complete(self, job: Job) -> None:
        """Call `finish` of a job in state READY, which ends it as DONE or FAILED."""
        results = job.results
        try:
            reports = job.finish(results)
        except Hy3DError as error:
            self._end(job, State.FAILED, [("ERROR", str(error))])
        except Exception as error:  # a job must end; the traceback is for the developers
            logger.exception("%s failed after the worker was done", job.title)
            text = f"{job.title} failed: {type(error).__name__}: {error}"
            self._end(job, State.FAILED, [("ERROR", text)])
        else:
            self._end(job, State.DONE, reports)

    def cancel(self, job: Job) -> None:
        """Ask a job to stop. One that the worker has not begun ends at once."""
        if job.ended or job.state is State.CANCELLING:
            return
        if job.state is State.RUNNING:
            job.state = State.CANCELLING
            assert job.request is not None
            self._workers[job.worker.role].client.cancel(job.request)
        else:
            self._end(job, State.CANCELLED, [("INFO", f"{job.title}: cancelled")])

    def hello(self, role: str) -> Hello | None:
        """What the warm worker of this role said about itself, if there is one."""
        worker = self._workers.get(role)
        return worker.hello if worker else None

    def close_idle(self, seconds: float) -> None:
        """Close workers that had nothing to do for so long; their memory is free again."""
        busy = {job.worker.role for job in self.jobs}
        for role, worker in list(self._workers.items()):
            if role not in busy and time.monotonic() - worker.last_used >= seconds:
                self._workers.pop(role).close()

    def close(self) -> None:
        """Cancel everything and close every worker. The queue can be used again afterwards."""
        for job in list(self.jobs):
            self._end(job, State.CANCELLED, [("INFO", f"{job.title}: cancelled")])
        while self._workers:
            self._workers.popitem()[1].close()

    @property
    def has_workers(self) -> bool:
        return bool(self._workers)

    # -- inside --------------------------------------------------------------------------------

    def _end(self, job: Job, state: State, reports: list[Report]) -> None:
        job.end(state, reports)
        self.last = job
        if job in self.jobs:
            self.jobs.remove(job)

    def _advance(self, job: Job) -> None:
        """Start the worker if needed, then send the job's next part."""
        worker = self._workers.get(job.worker.role)
        if worker is not None and (worker.spec != job.worker or worker.dead):
            self._workers.pop(job.worker.role).close()
            worker = None
        try:
            if worker is None:
                worker = self._workers[job.worker.role] = _Worker(job.worker)
            if not worker.ready:
                job.state = State.STARTING
                return
            self._send(worker, job)
        except Hy3DError as error:
            self._end(job, State.FAILED, [("ERROR", str(error))])
            if worker is not None and not worker.client.alive:
                del self._workers[job.worker.role]
                worker.close()

    def _send(self, worker: _Worker, job: Job) -> None:
        part = job.parts[len(job.results)]
        job.stage, job.step, job.total, job.eta = "", 0, 0, None
        job.request = worker.client.submit(part.task, dict(part.params), dict(part.arrays))
        job.state = State.RUNNING

    def _take_events(self, worker: _Worker) -> None:
        if worker.hello is None:
            return
        for event in worker.client.poll():
            job = self._job_of(worker, event.request)
            if job is not None:
                worker.last_used = time.monotonic()
                self._take(worker, job, event)

    def _job_of(self, worker: _Worker, request: int) -> Job | None:
        for job in self.jobs:
            if job.worker.role == worker.spec.role and job.request == request:
                return job
        return None

    def _take(self, worker: _Worker, job: Job, event: object) -> None:
        if isinstance(event, Progress):
            job.stage, job.step, job.total = event.stage, event.step, event.total
            job.eta = event.eta
        elif isinstance(event, Result):
            self._take_result(worker, job, event)
        elif isinstance(event, Failure):
            self._end(job, State.FAILED, [("ERROR", event.message)])
        elif isinstance(event, CancelledEvent):
            self._end(job, State.CANCELLED, [("INFO", f"{job.title}: cancelled")])

    def _take_result(self, worker: _Worker, job: Job, result: Result) -> None:
        job.request = None
        if job.state is State.CANCELLING:  # it was too late to stop the work, not to drop it
            self._end(job, State.CANCELLED, [("INFO", f"{job.title}: cancelled")])
            return
        job.results.append(result)
        if len(job.results) == len(job.parts):
            job.state = State.READY
            return
        try:
            self._send(worker, job)
        except Hy3DError as error:
            self._end(job, State.FAILED, [("ERROR", str(error))])


def sentence(text: str) -> str:
    """One line that stands alone; errors begin in lower case so that they can be joined."""
    line = " ".join(text.split())
    return line[:1].upper() + line[1:]
