# SPDX-License-Identifier: Apache-2.0
"""Results of stages kept in memory under a digest of all that they depend on.

A second texture of the same mesh or picture skips what did not change. No result goes to disk, so
nothing is left behind; the cache ends with its process. `clear_everywhere` reaches those of other
processes: it marks a file whose time every cache looks at.
"""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from ..errors import SetupError
from ..install.places import data_folder

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


def stamp_of(folder: str | os.PathLike[str]) -> tuple:
    """Changes when files in the folder do; empty if it is not on this machine."""
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    found = ((str(path.relative_to(folder)), path.stat()) for path in files)
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)


def clear_everywhere() -> None:
    """Every cache of this user, in whatever process, is empty from its next use on.

    Raises
    ------
    SetupError
        The mark cannot be written.
    """
    mark = _mark()
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_bytes(os.urandom(16))
    except OSError as error:
        raise SetupError(
            f"{mark} could not be written ({error.strerror or error}); set HY3DGEN_DATA to a "
            "folder that can, or end the programs whose caches are to be cleared"
        ) from error


def _mark() -> Path:
    return data_folder() / "caches-cleared"


def _last_clearing() -> bytes:
    """What stands in the mark; times of files may be too coarse to tell two clearings apart."""
    try:
        return _mark().read_bytes()
    except OSError:
        return b""


class StageCache:
    """At most `max_bytes` of results; what was not used for longest goes first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._lock = Lock()  # stages run beside each other
        self._kept: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._seen = _last_clearing()

    @property
    def bytes(self) -> int:
        self._heed()
        with self._lock:
            return self._bytes

    @property
    def _bytes(self) -> int:
        return sum(size for _, size in self._kept.values())

    def get(self, key: str, make: Callable[[], _T], size: Callable[[_T], int]) -> _T:
        """What is kept under `key`, or else what `make` gives; `size` tells its bytes."""
        self._heed()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        made = make()
        needed = size(made)
        with self._lock:
            if needed <= self.max_bytes and key not in self._kept:
                while self._bytes + needed > self.max_bytes:
                    self._kept.popitem(last=False)
                self._kept[key] = (made, needed)
        return made

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def _heed(self) -> None:
        """Forget everything if `clear_everywhere` was called since the last look."""
        if (found := _last_clearing()) != self._seen:
            self._seen = found
            self.clear()
