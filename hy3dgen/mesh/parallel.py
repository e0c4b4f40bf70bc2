# SPDX-License-Identifier: Apache-2.0
"""Runs independent pieces of work on several threads: order, progress and an end in between.

The pieces must release the GIL for their long parts, as the mesh kernel does.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from numbers import Integral
from typing import TypeVar

from ..errors import Cancelled, InvalidSettingError

T = TypeVar("T")
Progress = Callable[[float], object]

_LOOK_SECONDS = 0.05  # how often the calling thread reports, and so learns of a cancel


def run_all(
    jobs: Sequence[Callable[[Progress], T]],
    weights: Sequence[float],
    progress: Progress | None = None,
    threads: int | None = None,
) -> list[T]:
    """The results of `jobs`, in their order.

    The first error, in the order of time, ends all of them and is raised; so is whatever `progress`
    raises, and KeyboardInterrupt. No job runs any more when the call returns or raises.

    Parameters
    ----------
    jobs : each is called with a function that it must call often, with its fraction done; that
        function raises Cancelled once the work is to end
    weights : how much each job counts in the whole
    progress : called on the calling thread with the whole's fraction, every 0.05 s
    threads : at most so many jobs at once; None: one per core
    """
    count = thread_count(threads)
    total = float(sum(weights)) or 1.0
    fractions = [0.0] * len(jobs)
    stopping = threading.Event()

    def run(index: int) -> T:
        def report(fraction: float) -> None:
            if stopping.is_set():
                raise Cancelled("The work on several meshes was stopped.")
            fractions[index] = fraction

        report(0.0)
        result = jobs[index](report)
        fractions[index] = 1.0
        return result

    def done() -> float:
        return sum(f * w for f, w in zip(fractions, weights, strict=True)) / total

    with ThreadPoolExecutor(max_workers=min(count, max(1, len(jobs)))) as pool:
        futures: list[Future[T]] = [pool.submit(run, index) for index in range(len(jobs))]
        try:
            open_ = set(futures)
            while open_:
                finished, open_ = wait(open_, _LOOK_SECONDS, FIRST_COMPLETED)
                for future in finished:
                    future.result()
                if progress is not None:
                    progress(done() if open_ else 1.0)
        except BaseException:
            stopping.set()
            for future in futures:
                future.cancel()
            raise
    return [future.result() for future in futures]


def thread_count(threads: int | None) -> int:
    """`threads`, checked; None: as many as this process may use cores."""
    if threads is None:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if not isinstance(threads, Integral) or isinstance(threads, bool) or threads < 1:
        raise InvalidSettingError(
            f"threads is {threads!r}, but None or a whole number of at least 1 is wanted."
        )
    return int(threads)
