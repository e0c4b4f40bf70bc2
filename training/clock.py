# SPDX-License-Identifier: Apache-2.0
"""Keeps a training loop's time: how far it is, and when something is due again."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

COMPILED_AFTER = 3  # steps; compiling is not counted as training time


class TrainingClock:
    """Iterating gives the seconds so far, once per step, until the time or the steps are up."""

    def __init__(self, seconds: float, device: torch.device, max_steps: int | None = None) -> None:
        self.seconds, self.device, self.max_steps = seconds, device, max_steps
        self.elapsed, self.step = 0.0, 0
        self._last: dict[str, float] = {}

    def __iter__(self) -> Iterator[float]:
        started = None
        while self.elapsed < self.seconds and self.step != self.max_steps:
            yield self.elapsed
            self.step += 1
            if self.step == COMPILED_AFTER:
                if self.device.type == "cuda":
                    torch.cuda.synchronize()
                started = time.perf_counter()
            self.elapsed = 0.0 if started is None else time.perf_counter() - started

    @property
    def progress(self) -> float:
        """Share of the time that is over, for learning-rate schedules."""
        return self.elapsed / self.seconds

    def due(self, what: str, every: float) -> bool:
        """Whether `every` seconds have passed since `what` was last due (or since the start)."""
        if self.elapsed - self._last.get(what, 0.0) <= every:
            return False
        self._last[what] = self.elapsed
        return True
