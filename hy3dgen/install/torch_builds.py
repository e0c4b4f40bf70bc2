# SPDX-License-Identifier: Apache-2.0
"""Which build of PyTorch fits this machine: CUDA, ROCm, Apple's MPS, or the processor.

The table is for the torch version that requirements/worker.txt pins; change both together. The
builds and the cards each one has code for: PyTorch's release notes (RELEASE.md, 2.13: CUDA 12.6 and
13.0, ROCm 7.2). Driver numbers: NVIDIA's CUDA toolkit release notes, minor-version compatibility.
"""

import contextlib
import csv
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hy3dgen.errors import SetupError

_INDEX = "https://download.pytorch.org/whl"
_TIMEOUT = 10.0  # seconds for nvidia-smi; a driver that hangs takes longer
_NODES = Path("/sys/class/kfd/kfd/topology/nodes")  # AMD's driver tells here what it drives
AUTOMATIC = "auto"


@dataclass(frozen=True)
class TorchBuild:
    """`index` None: the general package index has this build. `disk`: bytes while installing."""

    key: str
    label: str
    index: str | None
    disk: int


# Disk: CPU measured, the others are its measure plus the published wheels'
# sizes, packed and unpacked, rounded up.
CPU = TorchBuild("cpu", "Processor", f"{_INDEX}/cpu", 3_000_000_000)
MPS = TorchBuild("mps", "Apple Silicon (MPS)", None, 2_500_000_000)
CUDA_126 = TorchBuild("cu126", "NVIDIA, CUDA 12.6", f"{_INDEX}/cu126", 13_000_000_000)
CUDA_130 = TorchBuild("cu130", "NVIDIA, CUDA 13.0", f"{_INDEX}/cu130", 13_000_000_000)
ROCM = TorchBuild("rocm72", "AMD, ROCm 7.2", f"{_INDEX}/rocm7.2", 30_000_000_000)
BUILDS = {build.key: build for build in (CUDA_130, CUDA_126, ROCM, MPS, CPU)}


@dataclass(frozen=True)
class NvidiaCard:
    name: str
    driver: tuple[int, int]
    capability: float  # 8.6 for an RTX 3080


@dataclass(frozen=True)
class Machine:
    system: str  # "linux", "windows", "macos"
    processor: str  # "x64", "arm64"
    nvidia: tuple[NvidiaCard, ...] = ()
    amd: bool = False


@dataclass(frozen=True)
class Choice:
    build: TorchBuild
    reason: str  # half a sentence for people


def choose_build(machine: Machine, wanted: str = AUTOMATIC) -> Choice:
    """The build for `machine`; SetupError if there is none.

    `wanted` names one of BUILDS to overrule the choice, which is then checked for the system only.
    """
    if machine.system == "macos" and machine.processor != "arm64":
        raise SetupError(
            "PyTorch is no longer made for Macs with Intel processors; use the bundled model, "
            "which needs no PyTorch"
        )
    if wanted != AUTOMATIC:
        return Choice(_fitting(machine, wanted), "chosen in the preferences")
    if machine.system == "macos":
        return Choice(MPS, "this is a Mac with Apple Silicon")
    if machine.nvidia:
        return _for_nvidia(machine)
    if machine.amd and machine.system == "linux":
        return Choice(ROCM, "an AMD card was found")
    return Choice(CPU, "no NVIDIA or AMD card that PyTorch can use was found")


def _fitting(machine: Machine, wanted: str) -> TorchBuild:
    if wanted not in BUILDS:
        raise SetupError(f"there is no PyTorch build '{wanted}'; choose {', '.join(BUILDS)}")
    build = BUILDS[wanted]
    only_on = {"mps": ("macos",), "rocm72": ("linux",)}.get(wanted, ("linux", "windows"))
    if machine.system == "macos" and wanted == "cpu":
        return MPS  # one and the same build there
    if machine.system not in only_on:
        raise SetupError(
            f"the PyTorch build '{build.label}' is not made for {machine.system}; choose another, "
            "or Automatic"
        )
    return build


def _for_nvidia(machine: Machine) -> Choice:
    # The oldest driver that runs every 12.x and 13.x; Windows counts a little differently.
    windows = machine.system == "windows"
    newest, older = ((580, 88), (528, 33)) if windows else ((580, 65), (525, 60))
    card = max(machine.nvidia, key=lambda one: one.capability)
    driver = f"driver {card.driver[0]}.{card.driver[1]:02}"
    if card.capability >= 7.5 and card.driver >= newest:
        return Choice(CUDA_130, f"{card.name} with {driver}")
    if 5.0 <= card.capability < 10.0 and card.driver >= older:
        return Choice(CUDA_126, f"{card.name} with {driver}")
    if card.capability < 5.0:
        return Choice(CPU, f"{card.name} is too old for PyTorch")
    needed = newest[0] if card.capability >= 10.0 else older[0]
    return Choice(
        CPU, f"{driver} of {card.name} is too old; update it to {needed} or newer to use the card"
    )


# --- what this machine has ------------------------------------------------------------------------


def examine_machine() -> Machine:
    """This machine, asked from its drivers. Takes up to some seconds."""
    system = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")
    arm = platform.machine().lower() in ("arm64", "aarch64")
    return Machine(system, "arm64" if arm else "x64", tuple(_nvidia_cards()), _has_amd_card(_NODES))


def _nvidia_cards() -> Iterable[NvidiaCard]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = "--query-gpu=name,driver_version,compute_cap"
    try:
        done = subprocess.run(
            [program, query, "--format=csv,noheader"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            creationflags=subprocess.CREATE_NO_WINDOW if os.name == "nt" else 0,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return _read_cards(done.stdout) if done.returncode == 0 else []


def _read_cards(text: str) -> list[NvidiaCard]:
    """From lines like `NVIDIA H100 80GB HBM3, 580.95.05, 9.0`; others are passed over."""
    cards = []
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        with contextlib.suppress(ValueError):
            name, driver, capability = row
            major, minor = driver.split(".")[:2]
            cards.append(NvidiaCard(name, (int(major), int(minor)), float(capability)))
    return cards


def _has_amd_card(nodes: Path) -> bool:
    """Whether AMD's compute driver has a node with SIMD units; processors have none."""
    for properties in nodes.glob("*/properties"):
        with contextlib.suppress(OSError, ValueError):
            for line in properties.read_text(encoding="ascii", errors="replace").splitlines():
                name, _, value = line.partition(" ")
                if name == "simd_count" and int(value) > 0:
                    return True
    return False
