# SPDX-License-Identifier: Apache-2.0
"""The name of the machine that figures were measured on."""

import os
import platform
from pathlib import Path


def processor_name() -> str:
    """The processor's name as the system tells it, and how many cores this process may use."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {os.cpu_count()} cores"


def recordings_bytes() -> int:
    """What recorded calls hold of a GPU besides what torch counts as allocated."""
    import torch

    return sum(
        segment["total_size"] - segment["allocated_size"]
        for segment in torch.cuda.memory_snapshot()
        if tuple(segment.get("segment_pool_id", (0, 0))) != (0, 0)
    )
