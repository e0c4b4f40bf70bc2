# SPDX-License-Identifier: Apache-2.0
"""What the worker reports about its machine, asked from the system without any library."""

import ctypes
import os
import sys


def total_memory_mb() -> int:
    """The machine's main memory; 0 if the system does not tell."""
    if os.name == "nt":
        return _windows_memory("ullTotalPhys") >> 20
    try:
        return (os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) >> 20
    except (ValueError, OSError):
        return 0


def free_memory_mb() -> int:
    """Main memory that programs can still have, caches given up; 0 if the system does not tell."""
    if os.name == "nt":
        return _windows_memory("ullAvailPhys") >> 20
    if sys.platform.startswith("linux"):
        with open("/proc/meminfo", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) >> 10
    return 0  # macOS tells only pages, most of which it would give up at need


def peak_memory_mb() -> int:
    """The most memory this process has held so far; 0 if the system does not tell."""
    if os.name == "nt":
        return _windows_peak() >> 20
    if sys.platform.startswith("linux"):
        # Not ru_maxrss: after fork and exec that still counts the parent's memory.
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) >> 10
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20  # bytes on macOS


def cuda_driver_finds_device() -> bool:
    """Whether an NVIDIA driver is installed and sees a device; loads no CUDA runtime."""
    names = ("nvcuda.dll",) if os.name == "nt" else ("libcuda.so.1",)
    for name in names:
        try:
            driver = ctypes.CDLL(name)
        except OSError:
            continue
        count = ctypes.c_int(0)
        if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0:
            return count.value > 0
    return False


def _windows_memory(field: str) -> int:
    """Bytes in one field of the system's answer."""

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
    done = kernel.GlobalMemoryStatusEx(ctypes.byref(status))
    return getattr(status, field) if done else 0


def _windows_peak() -> int:
    class Counters(ctypes.Structure):
        _fields_ = (
            ("cb", ctypes.c_uint32),
            ("PageFaultCount", ctypes.c_uint32),
            ("PeakWorkingSetSize", ctypes.c_size_t),
            ("rest", ctypes.c_size_t * 7),
        )

    counters = Counters()
    counters.cb = ctypes.sizeof(counters)
    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    kernel.K32GetProcessMemoryInfo.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)
    process = kernel.GetCurrentProcess()
    done = kernel.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.cb)
    return counters.PeakWorkingSetSize if done else 0
