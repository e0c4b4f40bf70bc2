# SPDX-License-Identifier: Apache-2.0
"""Arrays between two processes: blocks of raw bytes in a folder that only this user can enter.

A block is a file in a private folder under `/dev/shm`, which is what shared memory is on Linux.
Where there is no `/dev/shm`, or it has no room, the same call puts the block into the temporary
folder, where the system's page cache serves it from memory. One code path for all systems, and
three traps less than with `multiprocessing.shared_memory`:

- no resource tracker that destroys a block because another process looked at it;
- blocks are written and read with plain calls instead of being mapped, so a full `/dev/shm` or a
  truncated block is an OSError or a short read, where touching a mapping would be a SIGBUS;
- nothing stays mapped, so Windows can delete the file at once.

The price is one copy on each side.

**One owner.** The client makes the folders and removes them; the side that makes a block frees it.
The client holds a file lock in each folder as long as it lives (`hy3dgen.private_folders`), so the
worker at its end, and every later client in its sweep, know whether a folder is abandoned.
"""

import contextlib
import itertools
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from hy3dgen import private_folders
from hy3dgen.errors import ProtocolError, WorkerError
from hy3dgen.worker.protocol import DTYPES, MAX_ARRAY_BYTES, MAX_ARRAYS, ArrayDescriptor

PREFIX = "hy3dgen-arrays-"
_BLOCK_FILE = re.compile(r"[cw][0-9]{1,12}")
_ALIGNMENT = 64
# Windows: keep it in the cache if possible. Elsewhere: follow no link, wait for no pipe.
_WRITE_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_SHORT_LIVED", 0)
_READ_FLAGS = (
    getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
)


def default_roots() -> list[Path]:
    """Where folders are made, best first; at most two."""
    roots = []
    with contextlib.suppress(FileNotFoundError):  # no place for temporary files at all
        roots.append(Path(tempfile.gettempdir()))
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        roots.insert(0, memory)
    return roots


class SharedArrays:
    """One side's hold on the folders: writes and frees its own blocks, reads the other side's."""

    def __init__(self, folders: Iterable[Path], side: str, locks: Iterable[int] = ()) -> None:
        self.folders = tuple(folders)
        self._side = side
        self._locks = list(locks)
        self._numbers = itertools.count()

    @classmethod
    def create(cls, roots: Iterable[Path] | None = None) -> "SharedArrays":
        """The client's side: sweeps what dead clients left, then makes its own folders."""
        folders, locks, reasons = [], [], []
        for root in default_roots() if roots is None else roots:
            sweep(root)
            try:
                folder, lock = private_folders.make_folder(root, PREFIX)
            except OSError as error:  # a root that cannot be used is left out
                reasons.append(f"{root}: {error.strerror or error}")
                continue
            folders.append(folder)
            locks.append(lock)
        if not folders:
            raise WorkerError(
                f"no folder for exchanging arrays could be made ({'; '.join(reasons)}); "
                "set TMPDIR (TEMP on Windows) to a folder you may write to, or close other programs"
            )
        return cls(folders, "c", locks)

    @classmethod
    def join(cls, folders: Iterable[str]) -> "SharedArrays":
        """The worker's side, in the folders that the client named."""
        paths = [Path(folder) for folder in folders]
        for path in paths:
            if not path.name.startswith(PREFIX) or not path.is_dir():
                raise ProtocolError(f"'{path}' is not a folder for exchanging arrays")
        return cls(paths, "w")

    def write(self, arrays: Mapping[str, np.ndarray]) -> tuple[ArrayDescriptor, ...]:
        """Put `arrays` into one new block. No arrays: no block."""
        if not arrays:
            return ()
        if len(arrays) > MAX_ARRAYS:
            raise ProtocolError(f"{len(arrays)} arrays in one message, the limit is {MAX_ARRAYS}")
        plain = {name: _plain_array(name, array) for name, array in arrays.items()}
        offsets, size = {}, 0
        for name, array in plain.items():
            offsets[name] = size
            size += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        if size > MAX_ARRAY_BYTES:
            raise ProtocolError(f"arrays of {size} bytes, the limit is {MAX_ARRAY_BYTES}")
        block = self._write_block(plain.values(), size)
        return tuple(
            ArrayDescriptor(name, array.dtype.name, array.shape, offsets[name], block)
            for name, array in plain.items()
        )

    def read(self, descriptors: Iterable[ArrayDescriptor]) -> dict[str, np.ndarray]:
        """Copies of the other side's arrays. ProtocolError if a block is not as described."""
        return {descriptor.name: self._read_array(descriptor) for descriptor in descriptors}

    def release(self, block: str) -> None:
        """Free one of this side's own blocks; freed already: nothing happens."""
        if not self.folders:  # closed: all blocks are gone
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(block, self._side))

    def release_all(self, side: str | None = None) -> None:
        """Free every block of this side, or of `side` when that process is dead."""
        for folder in self.folders:
            private_folders.remove_files(folder, _is_block_of(side or self._side))

    def close(self) -> None:
        """The client's end: folders and all blocks go."""
        for folder, lock in zip(self.folders, self._locks, strict=True):
            private_folders.remove_folder(folder, lock, _is_block_of("cw"))
        self._locks.clear()
        self.folders = ()

    def remove_if_abandoned(self, patience: float) -> None:
        """The worker's end: remove the folders if the client is dead, or dies in `patience` s."""
        deadline = time.monotonic() + patience
        is_ours = _is_block_of("cw")
        for folder in self.folders:
            while (
                not private_folders.remove_if_abandoned(folder, is_ours)
                and time.monotonic() < deadline
            ):
                time.sleep(0.02)

    def _path(self, block: str, side: str) -> Path:
        index, name = block.split("/")
        if int(index) >= len(self.folders) or not name.startswith(side):
            raise ProtocolError(f"block '{block}' is not one that this side could have made")
        return self.folders[int(index)] / name

    def _write_block(self, arrays: Iterable[np.ndarray], size: int) -> str:
        reasons = []
        for index, folder in enumerate(self.folders):
            name = f"{self._side}{next(self._numbers)}"
            path = folder / name
            try:
                # Memory is shared with everybody: leave at least as much as we take.
                if index + 1 < len(self.folders) and shutil.disk_usage(folder).free < 2 * size:
                    raise OSError("no room")
                _write_file(path, arrays)
            except OSError as error:
                reasons.append(f"{folder.parent}: {error.strerror or error}")
                with contextlib.suppress(OSError):
                    path.unlink()
                continue
            return f"{index}/{name}"
        raise WorkerError(
            f"{size >> 20} MB of arrays found no place ({'; '.join(reasons)}); "
            "free some space there or set TMPDIR (TEMP on Windows) to a roomier folder"
        )

    def _read_array(self, descriptor: ArrayDescriptor) -> np.ndarray:
        path = self._path(descriptor.block, "w" if self._side == "c" else "c")
        wrong = f"block '{descriptor.block}' of array '{descriptor.name}'"
        try:
            handle = os.open(path, os.O_RDONLY | _READ_FLAGS)
        except OSError as error:
            raise ProtocolError(f"{wrong} cannot be read: {error.strerror}") from error
        with open(handle, "rb", buffering=0) as file:
            found = os.fstat(handle)
            needed = descriptor.offset + descriptor.nbytes
            if not stat.S_ISREG(found.st_mode) or found.st_size < needed:
                raise ProtocolError(f"{wrong} has {found.st_size} bytes instead of {needed}")
            array = np.empty(descriptor.shape, DTYPES[descriptor.dtype])
            view = array.reshape(-1).view(np.uint8).data
            file.seek(descriptor.offset)
            while len(view):
                count = file.readinto(view)
                if not count:
                    raise ProtocolError(f"{wrong} was truncated while it was read")
                view = view[count:]
        return array


def sweep(root: Path) -> None:
    """Remove the folders under `root` whose client is dead; those of live ones stay."""
    private_folders.sweep(root, PREFIX, _is_block_of("cw"))


# --- arrays and files -----------------------------------------------------------------------------


def _plain_array(name: str, array: np.ndarray) -> np.ndarray:
    array = np.asarray(array, order="C")
    if array.dtype.name not in DTYPES:
        known = ", ".join(DTYPES)
        raise ProtocolError(f"array '{name}' is of {array.dtype}; possible are {known}")
    return array.astype(DTYPES[array.dtype.name], copy=False)  # native byte order


def _write_file(path: Path, arrays: Iterable[np.ndarray]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _WRITE_FLAGS, 0o600)
    with open(handle, "wb", buffering=0) as file:
        for array in arrays:
            view = array.reshape(-1).view(np.uint8).data
            padding = bytes(-len(view) % _ALIGNMENT)
            for part in (view, memoryview(padding)):
                while len(part):
                    part = part[file.write(part) :]


# --- folders --------------------------------------------------------------------------------------


def _is_block_of(sides: str) -> private_folders.IsOurs:
    return lambda name: _BLOCK_FILE.fullmatch(name) and name[0] in sides
