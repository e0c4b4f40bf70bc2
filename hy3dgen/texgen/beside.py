# SPDX-License-Identifier: Apache-2.0
"""Work of a processor beside that of a network."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ..errors import Cancelled


@contextmanager
def beside(function: Callable[[Callable[[], None]], Any]) -> Iterator[Future]:
    """Runs `function(check)` in a thread; `check` raises once the block has ended with an error."""
    stopped = threading.Event()

    def check() -> None:
        if stopped.is_set():
            raise Cancelled("the texture was given up")

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(function, check)
        try:
            yield future
        except BaseException:
            stopped.set()
            raise
