# SPDX-License-Identifier: Apache-2.0
"""The CUDA kernels compiled for the processor, where one call goes through all indices in order."""

import ctypes
import subprocess
import sys
from pathlib import Path
from typing import Any

from hy3dgen.gpu import (
    float8_rows,
    gap_kernels,
    mesh_kernels,
    raster_kernels,
    transformer_kernels,
)
from hy3dgen.gpu.nvrtc import SOURCES, as_values

FILES = (
    *mesh_kernels.SOURCES, *transformer_kernels.SOURCES, *gap_kernels.SOURCES, *float8_rows.SOURCES,
    *raster_kernels.SOURCES,
)  # fmt: skip


class HostKernels:
    def __init__(self, library: Path) -> None:
        self.library = ctypes.CDLL(str(library))

    def launch(self, name: str, count: int, *arguments: Any) -> None:
        if count:
            getattr(self.library, name)(*as_values(arguments))


def build(folder: Path) -> HostKernels:
    target = folder / "kernels.so"
    command = [sys.executable, "-m", "ziglang", "c++", "-x", "c++", "-std=c++17", "-O2", "-shared"]
    command += ["-fPIC", "-Wall", "-nostdlib++", "-fno-exceptions", "-o", str(target)]
    subprocess.run([*command, *(str(SOURCES / f"{name}.cu") for name in FILES)], check=True)
    return HostKernels(target)
