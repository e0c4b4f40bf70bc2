# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue: which job is next, which worker does it.

Plain Python: knows workers and numpy arrays, nothing of Blender. Nothing here runs by itself:
whoever owns a `JobQueue` calls `pump()` now and then, from the thread that made it.
"""

import contextlib
import logging
import math
import time
from collections.abc import Generator, Hashable, Iterator
from typing import Any

from hy3dgen.errors import Hy3DError, ProtocolError, WorkerDiedError
from hy3dgen.worker.protocol import CancelledEvent, Failure, Hello, Preview, Progress, Result

from .forecast import Forecast
from .job import WAITING, Job, Report, State
from .warm_worker import Answer, WarmWorker, WorkerSpec, WorkerStatus

logger = logging.getLogger(__name__)

MAX_ENDED = 20  # ended jobs that are remembered
CANCEL_PATIENCE = 15.0  # seconds; a worker that has not obeyed by then is ended
_STRICKEN = (WorkerDiedError.__name__, ProtocolError.__name__)  # of a worker that is no more
_WITH_THE_SCENE = (State.READING, State.READY, State.WRITING)  # no worker has to do with these


class JobQueue:
    """Jobs in order, at most one at a time per worker, and the warm workers themselves."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []  # open ones, oldest first
        self.ended: list[Job] = []  # oldest first
        self.last: Job | None = None  # the one that ended last
        self._workers: dict[str, WarmWorker] = {}  # by role
        self._closing: list[WarmWorker] = []
        self._forecast = Forecast()

    def add(self, job: Job) -> Job:
        if job.read is not None:
            job.state = State.READING
        self.jobs.append(job)
        return job

    def find(self, number: int) -> Job | None:
        """The job of this number, open or ended."""
        return next((job for job in (*self.jobs, *self.ended) if job.number == number), None)

    def retry(self, job: Job) -> Job:
        """Queue an equal job in place of an ended one; Hy3DError if that cannot be made."""
        assert job.ended and job.again is not None
        new = self.add(job.again())
        self.remove(job)
        return new

    def remove(self, job: Job) -> None:
        """Forget an ended job."""
        self.ended = [other for other in self.ended if other is not job]
        if self.last is job:
            self.last = None

    def pump(self) -> None:
        """Take in every event that has arrived and send what can be sent. Never blocks long."""
        for worker in list(self._workers.values()):
            self._take_events(worker)
        for job in list(self.jobs):
            if job.state is State.CANCELLING:
                if time.monotonic() - job.cancelled_at > CANCEL_PATIENCE:
                    self.stop_worker(job.worker.role)
        roles_taken: set[str] = set()
        for job in list(self.jobs):
            if job.worker.role in roles_taken or job.state in _WITH_THE_SCENE:
                continue
            roles_taken.add(job.worker.role)
            if job.state in (State.QUEUED, State.STARTING):
                self._advance(job)
        self._closing = [worker for worker in self._closing if not worker.closed]

    def read(self, job: Job, seconds: float = math.inf) -> None:
        """Go on with `read` of a job in state READING for about so long."""
        with self._failing(job, "while its mesh was read"):
            if job.reading is None:
                assert job.read is not None
                job.reading = job.read()
            done, answer = _go_on(job.reading, time.monotonic() + seconds, job)
            if done:
                job.parts, job.finish = answer
                job.reading, job.state = None, State.QUEUED

    def complete(self, job: Job, seconds: float = math.inf) -> bool:
        """Go on with `finish` of a job in state READY or WRITING for about so long.

        True once the job has ended, as DONE or FAILED.
        """
        with self._failing(job, "after the worker was done"):
            done, reports = self._write(job, time.monotonic() + seconds)
            if done:
                self._forecast.learn(job.kind, job.size, job.stages, job.elapsed)
                self._end(job, State.DONE, reports)
        return job.ended

    def cancel(self, job: Job) -> None:
        """Ask a job to stop. One that the worker has not begun ends at once."""
        if job.ended or job.state is State.CANCELLING:
            return
        if job.state is State.RUNNING:
            job.state, job.cancelled_at = State.CANCELLING, time.monotonic()
            assert job.request is not None
            self._workers[job.worker.role].client.cancel(job.request)
        elif job.state is State.SENDING:
            job.state = State.CANCELLING
        else:
            self._end(job, State.CANCELLED, [("INFO", f"{job.title}: cancelled")])

    def time_left(self, job: Job) -> float | None:
        """Estimated seconds until the job's end, as far as earlier jobs of its kind tell."""
        if job.state is not State.RUNNING or len(job.parts) > 1:
            return None
        return self._forecast.left(job.kind, job.size, job.stages, job.stage, job.eta)

    def usual_seconds(self, kind: Hashable, size: float = 1.0) -> float | None:
        """How long a job of this kind takes in a warm worker; None if there was none yet."""
        return self._forecast.whole(kind, size)

    # -- workers -------------------------------------------------------------------------------

    def start_worker(self, spec: WorkerSpec) -> None:
        """Warm up a worker before there is a job for it."""
        worker = self._workers.get(spec.role)
        if worker is None or worker.spec != spec or worker.dead or worker.error is not None:
            self._drop(spec.role)
            self._workers[spec.role] = WarmWorker(spec)

    def stop_worker(self, role: str) -> None:
        """End a worker and its running job; waiting jobs will start another one."""
        for job in list(self.jobs):
            if job.worker.role == role and job.state in (
                State.STARTING,
                State.SENDING,
                State.RUNNING,
                State.CANCELLING,
            ):
                self._end(job, State.CANCELLED, [("INFO", f"{job.title}: cancelled")])
        self._drop(role)

    def status(self, role: str) -> WorkerStatus | None:
        """How the worker of this role is; None if there is none."""
        worker = self._workers.get(role)
        return worker.status() if worker else None

    def ask(self, spec: WorkerSpec, task: str, answer: Answer) -> bool:
        """Ask a warm worker that has nothing to do; see `WarmWorker.ask`. Starts none."""
        worker = self._workers.get(spec.role)
        if worker is None or worker.spec != spec or self._is_busy(spec.role):
            return False
        return worker.ask(task, answer)

    def cached_bytes(self) -> int:
        """What the workers keep for a second texture, as far as they have told."""
        memories = (worker.status().memory for worker in self._workers.values())
        return sum(memory.get("cache_bytes", 0) for memory in memories)

    def clear_caches(self) -> bool:
        """Have them forget it; False if one is busy and was not asked."""
        roles = [role for role in self._workers if not self._is_busy(role)]
        for role in roles:
            self._workers[role].clear_cache()
        return len(roles) == len(self._workers)

    def _is_busy(self, role: str) -> bool:
        return any(job.worker.role == role for job in self.jobs)

    def hello(self, role: str) -> Hello | None:
        """What the warm worker of this role said about itself, if there is one."""
        worker = self._workers.get(role)
        return worker.hello if worker else None

    def close_idle(self, seconds: float) -> None:
        """Close workers that had nothing to do for so long; their memory is free again."""
        busy = {job.worker.role for job in self.jobs}
        for role, worker in list(self._workers.items()):
            if role not in busy and time.monotonic() - worker.last_used >= seconds:
                self._drop(role)

    def close(self) -> None:
        """Cancel all, close every worker and wait. The queue can be used again afterwards."""
        for job in list(self.jobs):
            self._end(job, State.CANCELLED, [("INFO", f"{job.title}: cancelled")])
        for role in list(self._workers):
            self._drop(role)
        while self._closing:
            self._closing.pop().wait_closed()

    @property
    def has_workers(self) -> bool:
        return bool(self._workers)

    # -- inside --------------------------------------------------------------------------------

    def _drop(self, role: str) -> None:
        """Let go of a worker; it closes in a thread of its own, for that can take seconds."""
        worker = self._workers.pop(role, None)
        if worker is not None:
            worker.begin_close()
            self._closing.append(worker)

    def _end(self, job: Job, state: State, reports: list[Report]) -> None:
        job.end(state, reports)
        self.last = job
        if job in self.jobs:
            self.jobs.remove(job)
            self.ended = [*self.ended, job][-MAX_ENDED:]

    @contextlib.contextmanager
    def _failing(self, job: Job, when: str) -> Iterator[None]:
        """A job must end; the traceback is for the developers."""
        try:
            yield
        except Hy3DError as error:
            self._end(job, State.FAILED, [("ERROR", str(error))])
        except Exception as error:
            logger.exception("%s failed %s", job.title, when)
            text = f"{job.title} failed: {type(error).__name__}: {error}"
            self._end(job, State.FAILED, [("ERROR", text)])

    @staticmethod
    def _write(job: Job, until: float) -> tuple[bool, list[Report]]:
        if job.writing is None:
            job.state = State.WRITING
            finished = job.finish(job.results)
            if not isinstance(finished, Generator):
                return True, finished
            job.writing = finished
        return _go_on(job.writing, until)

    def _advance(self, job: Job) -> None:
        """Start the worker if needed, then send the job's next part."""
        worker = self._workers.get(job.worker.role)
        if worker is not None and (worker.spec != job.worker or worker.dead):
            self._drop(job.worker.role)
            worker = None
        try:
            if worker is None:
                worker = self._workers[job.worker.role] = WarmWorker(job.worker)
            if not worker.ready:
                job.state = State.STARTING
                return
            self._send(worker, job)
        except Hy3DError as error:
            self._fail(worker, job, type(error).__name__, str(error))
            if worker is not None and not worker.client.alive:
                self._drop(job.worker.role)

    def _send(self, worker: WarmWorker, job: Job) -> None:
        part = job.parts[len(job.results)]
        job.stage, job.step, job.total, job.eta = "", 0, 0, None
        if job.began is None:
            job.began = time.monotonic()
        job.state = State.SENDING
        job.sending = worker.send(part.task, part.params, part.arrays)
        self._take_sent(worker, job)

    @staticmethod
    def _take_sent(worker: WarmWorker, job: Job) -> None:
        """Go on with a job whose request has been handed over; raises why it could not be."""
        if job.sending is None or not job.sending.done:
            return
        sent, job.sending = job.sending, None
        job.request = sent.request()
        if job.state is State.CANCELLING:
            worker.client.cancel(job.request)
        else:
            job.state = State.RUNNING

    def _take_events(self, worker: WarmWorker) -> None:
        for job in list(self.jobs):
            if job.worker.role != worker.spec.role or job.sending is None:
                continue
            try:
                self._take_sent(worker, job)
            except Hy3DError as error:
                self._fail(worker, job, type(error).__name__, str(error))
            if job.sending is not None:  # an event could be of a request without a number yet
                return
        for event in worker.poll():
            job = self._job_of(worker, event.request)
            if job is not None:
                worker.last_used = time.monotonic()
                self._take(worker, job, event)

    def _job_of(self, worker: WarmWorker, request: int) -> Job | None:
        for job in self.jobs:
            if job.worker.role == worker.spec.role and job.request == request:
                return job
        return None

    def _take(self, worker: WarmWorker, job: Job, event: object) -> None:
        if isinstance(event, Progress):
            job.stage, job.step, job.total = event.stage, event.step, event.total
            job.eta = event.eta
            job.stages.setdefault(event.stage, job.elapsed)
        elif isinstance(event, Preview):
            if "views" in event.arrays:
                job.views = event.arrays["views"]
            else:
                job.preview = event.arrays
        elif isinstance(event, Result):
            self._take_result(worker, job, event)
        elif isinstance(event, Failure):
            self._fail(worker, job, event.kind, event.message)
        elif isinstance(event, CancelledEvent):
            self._end(job, State.CANCELLED, [("INFO", f"{job.title}: cancelled")])

    def _fail(self, worker: WarmWorker | None, job: Job, kind: str, words: str) -> None:
        """End a job; or have it done by a fresh worker if it met one that was stricken before."""
        stricken = worker is not None and worker.proven and kind in _STRICKEN
        untouched = not job.stages and not job.results and job.preview is None
        if stricken and untouched and not job.sent_again and job.state is not State.CANCELLING:
            logger.warning("%s is sent again to a fresh worker: %s", job.title, words)
            job.sent_again, job.state, job.request, job.sending = True, State.QUEUED, None, None
            self._drop(job.worker.role)
        else:
            self._end(job, State.FAILED, [("ERROR", words)])

    def _take_result(self, worker: WarmWorker, job: Job, result: Result) -> None:
        job.request = None
        if job.state is State.CANCELLING:  # it was too late to stop the work, not to drop it
            self._end(job, State.CANCELLED, [("INFO", f"{job.title}: cancelled")])
            return
        job.results.append(result)
        if len(job.results) == len(job.parts):
            job.state = State.READY
            worker.ask_status()
            return
        try:
            self._send(worker, job)
        except Hy3DError as error:
            self._end(job, State.FAILED, [("ERROR", str(error))])


def _go_on(steps: Generator, until: float, job: Job | None = None) -> tuple[bool, Any]:
    """Take steps until then; whether they are done, and what they return. They tell `job` how far
    they are.
    """
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            return True, stop.value
        if job is not None and isinstance(step, float):
            job.step, job.total = 10 * int(10 * step), 100  # each change is drawn, which costs time
        if time.monotonic() >= until or (step == WAITING and until < math.inf):
            return False, None
        if step == WAITING:
            time.sleep(0.002)
