# SPDX-License-Identifier: Apache-2.0
"""Folders that only this user can enter and that do not outlive the process that made them.

The maker holds a file lock in the folder as long as it lives. The system drops that lock however
the maker ends, so whoever gets it knows that the folder is abandoned. A process id in the name
would not do: ids are used again and mean nothing in another container.

What may be deleted is told by `is_ours`, a check of file names: a folder that holds anything else
was not left by us, and stays.
"""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LOCK = "owner.lock"
_PREFIX = ".hy3dgen-files-"
_FILE = re.compile(r"[0-9a-f]{16}(\.[a-z0-9]{1,8})?")
_GRACE_SECONDS = 60.0  # a folder without a lock file may be one that is just being made

IsOurs = Callable[[str], object]


@contextlib.contextmanager
def private_folder(root: Path | None = None) -> Iterator["PrivateFolder"]:
    """A folder of mode 0700 under `root` (none: the temporary folder), gone at the end.

    First removes what killed processes left in `root`.
    """
    root = Path(tempfile.gettempdir()) if root is None else root
    sweep(root, _PREFIX, _FILE.fullmatch)
    path, lock = make_folder(root, _PREFIX)
    try:
        yield PrivateFolder(path)
    finally:
        remove_folder(path, lock, _FILE.fullmatch)


class PrivateFolder:
    """A folder whose files have random names and mode 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def new_path(self, suffix: str = "") -> Path:
        """A name nobody can guess, for a library that makes the file itself."""
        return self.path / (os.urandom(8).hex() + suffix.lower())

    def write(self, content: bytes, suffix: str = "") -> Path:
        """A new file of mode 0600 with this content, on disk when the call returns."""
        path = self.new_path(suffix)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return path


# --- folders and their locks ----------------------------------------------------------------------


def make_folder(root: Path, prefix: str) -> tuple[Path, int]:
    """A new folder under `root` and the handle of its lock, for `remove_folder`."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))  # made with mode 0700
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:  # no descriptor is left, for one
            folder.rmdir()
            raise
        # A sweep may have seen the file before it was locked; then the path is gone by now.
        if try_lock(lock):
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(folder / LOCK)):
                    return folder, lock
        os.close(lock)


def sweep(root: Path, prefix: str, is_ours: IsOurs) -> None:
    """Remove the folders under `root` whose maker is dead; those of live ones stay."""
    try:
        with os.scandir(root) as found:
            entries = [entry for entry in found if entry.name.startswith(prefix)]
    except OSError:
        return
    for entry in entries:
        with contextlib.suppress(OSError):  # somebody else is sweeping too
            mine = os.name == "nt" or entry.stat(follow_symlinks=False).st_uid == os.getuid()
            if mine and entry.is_dir(follow_symlinks=False):
                remove_if_abandoned(Path(entry.path), is_ours)


def remove_if_abandoned(folder: Path, is_ours: IsOurs) -> bool:
    """False if a live process holds `folder`; True if it is gone."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        if not folder.exists():
            return True
        # A time in the future: the clock was set back since, so it is not being made just now.
        if 0 <= time.time() - folder.stat().st_mtime < _GRACE_SECONDS:
            return False
        remove_folder(folder, None, is_ours)
        return True
    if not try_lock(lock):
        os.close(lock)
        return False
    remove_folder(folder, lock, is_ours)
    return True


def remove_folder(folder: Path, lock: int | None, is_ours: IsOurs) -> None:
    """Our files, lock and folder; anything else in it was not ours, then the folder stays."""
    remove_files(folder, is_ours)
    if lock is not None and os.name == "nt":  # cannot delete what is open
        os.close(lock)
    with contextlib.suppress(OSError):
        os.unlink(folder / LOCK)
    if lock is not None and os.name != "nt":
        os.close(lock)
    with contextlib.suppress(OSError):
        folder.rmdir()


def remove_files(folder: Path, is_ours: IsOurs) -> None:
    """The files in `folder` whose names `is_ours` accepts; one that cannot go stays."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if is_ours(name):
                with contextlib.suppress(OSError):
                    os.unlink(folder / name)


def try_lock(handle: int) -> bool:
    """Whether this process got the lock of an open file; it is dropped when the file is closed."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
