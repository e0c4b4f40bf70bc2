# SPDX-License-Identifier: Apache-2.0
"""Small truths about folders: free space, one process at a time, files written whole."""

import contextlib
import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hy3dgen.errors import SetupError
from hy3dgen.private_folders import try_lock

_LOCK_INTERVAL = 0.2  # seconds between two tries


def make_folder(folder: Path) -> None:
    """`folder` with its parents, writable; SetupError says why that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-{os.urandom(8).hex()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SetupError(
            f"nothing can be written to the folder {folder} ({error.strerror or error}); "
            "choose another one, or free space on that disk"
        ) from error


def check_space(folder: Path, needed: int, what: str) -> None:
    """SetupError unless the disk that `folder` is on, or will be on, has `needed` bytes free."""
    place = folder
    while not os.path.exists(place) and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise SetupError(
            f"{what} needs {gigabytes(needed)} of free space, but the disk of {folder} has "
            f"{gigabytes(free)}; free some, or choose a folder on another disk"
        )


def nothing_free(folder: Path) -> bool:
    """Whether the disk of `folder` is full, for programs that fail without saying so."""
    return shutil.disk_usage(folder).free < 1_000_000


def gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def is_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def only_one(path: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """Hold the file lock at `path`, which ends with this process however it ends.

    While another process has it, `waiting` is called again and again; raising there gives up.
    """
    make_folder(path.parent)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not try_lock(handle):
                waiting()
                time.sleep(_LOCK_INTERVAL)
            if _is_still(handle, path):
                yield
                return
        finally:
            os.close(handle)


def _is_still(handle: int, path: Path) -> bool:
    """Whether an open file is the one of that name; who had its lock before may have removed it."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Written aside with mode 0600 and renamed: a reader sees the old file or the new one."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        with open(os.open(aside, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote; empty if there is nothing, or nothing readable."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def size_of(folder: Path) -> int:
    """Bytes of all files below `folder`; links count as nothing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(root, name)).st_size
    return total


def remove_tree(folder: Path, report: Callable[[int, int], object] | None = None) -> None:
    """Delete `folder`; SetupError names the first thing that could not go."""
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    for number, entry in enumerate(entries):
        if report is not None:
            report(number, len(entries))
        try:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        except OSError as error:
            raise SetupError(
                f"{error.filename or entry} could not be removed ({error.strerror or error}); "
                "close what uses it, another Blender for example, and try again"
            ) from error
    if folder.is_dir():
        folder.rmdir()
