# SPDX-License-Identifier: GPL-3.0-or-later
"""One job: what was asked for and how far it is. Plain Python.

The state lives in Python objects, not in Blender properties, because undo and file load would
revert those in the middle of a job.
"""

import math
import re
import time
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import count
from typing import Any

import numpy as np

from hy3dgen.worker.protocol import Result

from .warm_worker import Sending, WorkerSpec

Report = tuple[str, str]  # Blender's level ("INFO", "WARNING", "ERROR") and one sentence
WAITING = "waiting"  # yielded by steps that wait for a thread and have nothing to do meanwhile
Finish = Callable[[list[Result]], list[Report] | Generator[str | None, None, list[Report]]]


class State(Enum):
    READING = "reading the mesh"
    QUEUED = "waiting"
    STARTING = "starting the worker"
    SENDING = "handing over"
    RUNNING = "running"
    CANCELLING = "cancelling"
    READY = "ready"  # every result is here; `complete` has not been called yet
    WRITING = "writing the mesh"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({State.DONE, State.FAILED, State.CANCELLED})


@dataclass(frozen=True)
class Part:
    """One request to the worker; `name` is what the artist calls its subject."""

    name: str
    task: str
    params: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


# Yields the share that is done; returns the parts, with arrays now, and what is done at the end.
Read = Callable[[], Generator[float | str, None, tuple[Sequence[Part], Finish]]]
_numbers = count(1)


@dataclass(eq=False)
class Job:
    """Parts done one after the other, then `finish` once with all their results.

    `finish` runs in the caller of `JobQueue.complete` (Blender's main thread) and returns what to
    tell the user. It may be a generator that yields wherever it can be interrupted; it must not
    show anything in the scene before its end. So a job changes the scene once, with everything at
    hand, or not at all.

    Parameters
    ----------
    read : what has to be taken out of the scene before the first part can be sent; called and gone
        on with where `finish` is, and like that in steps
    picture : key of the thumbnail that stands for the job, if it has one
    again : makes an equal job; without it the job cannot be retried
    place : where the result goes; a job that has one shows previews there
    kind, size : jobs of one kind take times in proportion to their sizes; for the time left
    """

    title: str
    worker: WorkerSpec
    parts: Sequence[Part]
    finish: Finish
    read: Read | None = None
    picture: str = ""
    again: Callable[[], "Job"] | None = None
    place: Any = None
    writes_scene: bool = True  # so `finish` has to wait for a good moment
    kind: Hashable = None
    size: float = 1.0
    number: int = field(default_factory=lambda: next(_numbers))
    state: State = State.QUEUED
    stage: str = ""
    step: int = 0
    total: int = 0
    eta: float | None = None  # seconds left in this stage
    stages: dict[str, float] = field(default_factory=dict)  # when each began
    preview: Mapping[str, np.ndarray] | None = None  # the last coarse mesh that came
    views: np.ndarray | None = None  # (N, S, S, 4) uint8, small pictures of the state so far
    made: list[int] = field(default_factory=list)  # session_uid of the objects of a done job
    hint: str = ""  # why a READY job is not written yet
    reports: list[Report] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    began: float | None = None
    seconds: float = 0.0  # once ended
    cancelled_at: float = math.inf
    sent_again: bool = False  # to a fresh worker, because a kept one died before its first words
    request: int | None = None
    sending: Sending | None = None
    reading: Generator[float | str, None, tuple[Sequence[Part], Finish]] | None = None
    writing: Generator[str | None, None, list[Report]] | None = None

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def elapsed(self) -> float:
        """Seconds since the worker began, or all of them once ended; 0 while waiting."""
        if self.ended:
            return self.seconds
        return 0.0 if self.began is None else time.monotonic() - self.began

    @property
    def fraction(self) -> float:
        """Progress of the current stage in [0, 1], spread over the parts if there are several."""
        if self.state in (State.READY, State.WRITING):
            return 1.0
        within = self.step / self.total if self.total else 0.0
        if self.state is State.READING:
            return within
        return min((len(self.results) + within) / len(self.parts), 1.0)

    def end(self, state: State, reports: list[Report]) -> None:
        self.seconds = self.elapsed
        self.state, self.request, self.sending = state, None, None
        self.reports = [(level, sentence(text)) for level, text in reports]
        # An ended job is remembered, but not the arrays that it was about.
        self.parts = [replace(part, arrays={}) for part in self.parts[:1]]
        self.results, self.preview, self.finish, self.read = [], None, list, None
        for steps in (self.reading, self.writing):
            if steps is not None:
                steps.close()
        self.reading = self.writing = None


def sentence(text: str) -> str:
    """One line that stands alone; errors begin in lower case so that they can be joined."""
    line = " ".join(text.split())
    if re.search(r"_|\w\.\w", line.partition(" ")[0]):  # a name from a script, or an address
        return line
    return line[:1].upper() + line[1:]
