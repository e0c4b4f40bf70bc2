# SPDX-License-Identifier: Apache-2.0
"""What several tests of the worker ask of the system."""

import sys
import time
from pathlib import Path

SAMPLE = [sys.executable, str(Path(__file__).with_name("sample_tasks.py"))]


def left_in(roots):
    """Every file below `roots` except the locks of live clients."""
    return [p for root in roots for p in root.rglob("*") if p.is_file() and p.suffix != ".lock"]


def wait_until(condition, seconds):
    """Seconds it took until `condition()`; fails after `seconds`."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, f"not within {seconds} s"
        time.sleep(0.01)
    return time.monotonic() - start


def is_running(pid):
    """Whether the process exists and is not just a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
