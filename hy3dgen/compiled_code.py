# SPDX-License-Identifier: Apache-2.0
"""Machine code of kernels, kept on disk so that the second start of a program does not compile.

Code from a file is code that runs, so the folder counts only where nobody else can write to it: on
Linux and macOS it belongs to this user and has mode 0700, and so on for each file; on Windows it
lies in the user's own part of the disk. Anything else is as if nothing were kept. Entries are
written aside and renamed, damaged ones are known by their checksum, and old ones go when there are
too many. Knows nothing about what compiles.
"""

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from .install.places import compiled_folder

MAX_BYTES = 64_000_000  # of our own kernels
MAX_TRITON_BYTES = 256_000_000
_TRITON, _SUFFIX = "triton", ".cubin"
_LONGEST = 16_000_000  # of one entry
_TRITON_VARIABLE = "TRITON_CACHE_DIR"


def key_of(*parts: bytes | str) -> str:
    """A name for code: of everything that it depends on."""
    found = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        found.update(b"%d " % len(raw) + raw)
    return found.hexdigest()


def kept(key: str, make: Callable[[], bytes], usable: Callable[[bytes], bool]) -> bytes:
    """The code under `key`, or else what `make` gives, which is then kept if it can be.

    `usable` is asked about code from the disk only; where it says no, the code is made anew.
    """
    with _opened(compiled_folder()) as folder:
        code = None if folder is None else _read(folder, key + _SUFFIX)
        if code is not None and usable(code):
            return code
    code = make()
    # Opened again: compiling takes a while, and the folder may have been cleared.
    with contextlib.suppress(OSError), _opened(compiled_folder(), create=True) as folder:
        if folder is not None:
            _write(folder, key + _SUFFIX, code)
            _trim(compiled_folder(), MAX_BYTES, lambda entry: entry.name.endswith(_SUFFIX))
    return code


def keep_what_triton_compiles() -> None:
    """Let Triton keep its code in a part of the same folder, in this process and its children.

    Not where `TRITON_CACHE_DIR` is set; where the folder cannot be trusted, Triton's own stays.
    """
    if os.environ.get(_TRITON_VARIABLE):
        return
    path = compiled_folder() / _TRITON
    with contextlib.suppress(OSError), _opened(path, create=True) as folder:
        if folder is not None:
            _trim(path, MAX_TRITON_BYTES, lambda _entry: True)
            os.environ[_TRITON_VARIABLE] = str(path)


def clear() -> int:
    """Remove all that is kept; how many bytes that were.

    Raises
    ------
    OSError
        Something cannot be removed.
    """
    path = compiled_folder()
    if path.is_symlink() or not path.is_dir():
        return 0
    size = _size(path)
    shutil.rmtree(path)
    return size


# --- the folder ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(path: Path, create: bool = False) -> Iterator["_Folder | None"]:
    """A folder that only this user can write to; None where there is none."""
    if create:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
    if path.name == _TRITON and not _is_private(path.parent):
        yield None
        return
    if os.name == "nt":
        yield _Folder(path, None) if path.is_dir() and not path.is_symlink() else None
        return
    handle = None
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    if handle is None:
        yield None
        return
    try:
        yield _Folder(path, handle) if _is_ours(os.fstat(handle)) else None
    finally:
        os.close(handle)


class _Folder:
    """Names in it are looked up in the folder that was checked, whatever its path means later."""

    def __init__(self, path: Path, handle: int | None) -> None:
        self.path, self._handle = path, handle

    def open(self, name: str, flags: int) -> int:
        flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        return os.open(self._named(name), flags, 0o600, dir_fd=self._handle)

    def rename(self, old: str, new: str) -> None:
        os.replace(
            self._named(old), self._named(new), src_dir_fd=self._handle, dst_dir_fd=self._handle
        )

    def remove(self, name: str) -> None:
        os.unlink(self._named(name), dir_fd=self._handle)

    def _named(self, name: str) -> str:
        return name if self._handle is not None else str(self.path / name)


def _is_private(path: Path) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and _is_ours(found)


def _is_ours(found: os.stat_result) -> bool:
    """Whether nobody but this user, and the system's own, can have written it."""
    return os.name == "nt" or (found.st_uid == os.getuid() and not found.st_mode & 0o077)


def _read(folder: _Folder, name: str) -> bytes | None:
    """An entry's code; None where there is none, it is damaged, or is not ours."""
    try:
        with open(folder.open(name, os.O_RDONLY), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or not _is_ours(found):
                return None
            content = file.read(_LONGEST)
            with contextlib.suppress(OSError):
                os.utime(file.fileno() if os.utime in os.supports_fd else folder.path / name)
    except OSError:
        return None
    code = content[32:]
    return code if code and hashlib.sha256(code).digest() == content[:32] else None


def _write(folder: _Folder, name: str, code: bytes) -> None:
    aside = f"{os.urandom(8).hex()}.part"
    try:
        with open(folder.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        folder.rename(aside, name)
    except OSError:
        with contextlib.suppress(OSError):
            folder.remove(aside)


def _trim(path: Path, most: int, counts: Callable[[os.DirEntry], bool]) -> None:
    """Remove what was not used for longest until no more than `most` bytes are left."""
    found = []
    with os.scandir(path) as entries:
        for entry in entries:
            if counts(entry):
                with contextlib.suppress(OSError):
                    found.append((entry.stat(follow_symlinks=False).st_mtime, Path(entry.path)))
    sizes = {place: _size(place) for _time, place in found}
    total = sum(sizes.values())
    for _time, place in sorted(found):
        if total <= most:
            break
        total -= sizes[place]
        with contextlib.suppress(OSError):
            shutil.rmtree(place) if place.is_dir() else place.unlink()


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = [path]
    if not path.is_symlink() and path.is_dir():
        files = [place for place in path.rglob("*") if not place.is_dir()]
    total = 0
    for file in files:
        with contextlib.suppress(OSError):
            total += file.lstat().st_size
    return total
