# SPDX-License-Identifier: Apache-2.0
"""How much memory this process holds and could still have, asked from the system in bytes.

Knows nothing about GPUs. Where a system does not tell a figure it is estimated, as said there.
"""

import contextlib
import ctypes
import functools
import gc
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

_SAMPLE_SECONDS = 0.002
_PROC = Path("/proc/self")


class Peak:
    """Filled when `peak_memory` ends: `bytes` is the most that was held, `before` what was."""

    def __init__(self, before: int) -> None:
        self.before = before
        self.bytes = before


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a computation failed because the machine, or a device of torch's, has none left."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error)  # the CPU's allocator and Apple's raise a plain RuntimeError
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "not enough memory" in text or "can't allocate memory" in text
    )


def resident_bytes() -> int:
    """What this process holds in main memory; on macOS the most that it ever held."""
    if sys.platform.startswith("linux"):
        pages = int((_PROC / "statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    if os.name == "nt":
        return _windows_working_set()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def available_bytes() -> int:
    """What could still be had without swapping; on macOS half of what the machine has."""
    if os.name == "nt":
        return _windows_available()
    if not sys.platform.startswith("linux"):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    available = 0
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) << 10
    return min(available, _container_room())


def give_back_freed() -> None:
    """Return what was freed to the system, where the C library keeps it (glibc).

    Python's cache of attributes goes first. It holds the names that were looked up, and libraries
    in C (numpy, torch) make the same name anew each time: over the first thousands of jobs it would
    fill with 4,096 copies of a few.
    """
    clear = getattr(sys, "_clear_internal_caches", None) or getattr(sys, "_clear_type_cache", None)
    if clear is not None:
        clear()
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):  # another C library
            _c_library().malloc_trim(0)


@functools.cache
def keep_for_good() -> None:
    """What is there now will stay: the garbage collector need not look at it again.

    For a process that has imported torch, whose 200,000 objects it looks at for 50 ms each time.
    Only the first call does it, so that what becomes garbage later is found.
    """
    gc.collect()
    gc.freeze()


@functools.cache
def _c_library() -> ctypes.CDLL:
    """Loaded once: each loading makes a class, which is garbage that only the collector finds."""
    return ctypes.CDLL(None)


@contextlib.contextmanager
def peak_memory() -> Iterator[Peak]:
    """The most memory this process holds while the block runs.

    Linux counts it; elsewhere it is looked at every two milliseconds.
    """
    peak = Peak(resident_bytes())
    if _restart_linux_peak():
        try:
            yield peak
        finally:
            peak.bytes = max(_linux_peak(), resident_bytes())
        return
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            peak.bytes = max(peak.bytes, resident_bytes())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
        peak.bytes = max(peak.bytes, resident_bytes())


def _restart_linux_peak() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        (_PROC / "clear_refs").write_text("5", encoding="ascii")
    except OSError:  # some containers forbid it
        return False
    return True


def _linux_peak() -> int:
    for line in (_PROC / "status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def _container_room() -> int:
    """What a control group leaves; more than any machine has where there is no limit."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        reclaimable = 0
        for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines():
            if line.startswith("inactive_file "):
                reclaimable = int(line.split()[1])
        return sys.maxsize if limit == "max" else max(int(limit) - used + reclaimable, 0)
    except (OSError, ValueError):
        return sys.maxsize


def _windows_available() -> int:
    class MemoryStatus(ctypes.Structure):
        _fields_ = (
            ("dwLength", ctypes.c_uint32),
            ("dwMemoryLoad", ctypes.c_uint32),
            ("ullTotalPhys", ctypes.c_uint64),
            ("ullAvailPhys", ctypes.c_uint64),
            ("rest", ctypes.c_uint64 * 5),
        )

    status = MemoryStatus()
    status.dwLength = ctypes.sizeof(status)
    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    return status.ullAvailPhys if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else 0


def _windows_working_set() -> int:
    class Counters(ctypes.Structure):
        _fields_ = (
            ("cb", ctypes.c_uint32),
            ("PageFaultCount", ctypes.c_uint32),
            ("PeakWorkingSetSize", ctypes.c_size_t),
            ("WorkingSetSize", ctypes.c_size_t),
            ("rest", ctypes.c_size_t * 6),
        )

    counters = Counters()
    counters.cb = ctypes.sizeof(counters)
    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    kernel.K32GetProcessMemoryInfo.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)
    process = kernel.GetCurrentProcess()
    done = kernel.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.cb)
    return counters.WorkingSetSize if done else 0
