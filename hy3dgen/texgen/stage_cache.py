# SPDX-License-Identifier: Apache-2.0
"""Results of stages kept in memory under a digest of all that they depend on.

A second texture of the same mesh or picture skips what did not change. Nothing goes to disk, so
nothing is left behind; the cache ends with its process.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

import numpy as np

MAX_BYTES = 600_000_000
_T = TypeVar("_T")


def digest(*parts: Any) -> str:
    """One name for arrays, texts and numbers; equal contents have equal names."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            found.update(f"{part.dtype} {part.shape} ".encode())
            found.update(np.ascontiguousarray(part).data)
        else:
            found.update(f"{type(part).__name__} {part!r} ".encode())
    return found.hexdigest()


class StageCache:
    """At most `max_bytes` of results; what was not used for longest goes first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._lock = Lock()  # stages run beside each other
        self._kept: OrderedDict[str, tuple[Any, int]] = OrderedDict()

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self._kept.values())

    def get(self, key: str, make: Callable[[], _T], size: Callable[[_T], int]) -> _T:
        """What is kept under `key`, or else what `make` gives; `size` tells its bytes."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        made = make()
        needed = size(made)
        with self._lock:
            if needed <= self.max_bytes and key not in self._kept:
                while self.bytes + needed > self.max_bytes:
                    self._kept.popitem(last=False)
                self._kept[key] = (made, needed)
        return made

    def clear(self) -> None:
        self._kept.clear()
