# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiles the mesh kernel for any of our platforms, from any of them.

The compiler is Zig's C and C++ compiler from the `ziglang` wheel, so nothing has to be installed
on the system. A library is built anew only when the sources or the flags have changed.

    python -m build_tools.native              for this machine
    python -m build_tools.native --all        for every platform
"""

import argparse
import hashlib
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

NATIVE = Path(__file__).resolve().parent.parent / "hy3dgen" / "mesh" / "native"


@dataclass(frozen=True)
class Target:
    """One platform: its name here, Zig's name for it, and the library's file name."""

    name: str
    triple: str
    library: str


# glibc 2.17 is what manylinux2014 promises; the macOS versions are the wheels' minimum.
# The file names are those of LIBRARY_NAMES in hy3dgen/mesh/native/loader.py.
TARGETS = {
    target.name: target
    for target in (
        Target("linux-x64", "x86_64-linux-gnu.2.17", "libhy3d_mesh-linux-x86_64.so"),
        Target("linux-arm64", "aarch64-linux-gnu.2.17", "libhy3d_mesh-linux-aarch64.so"),
        Target("windows-x64", "x86_64-windows-gnu", "hy3d_mesh-windows-x86_64.dll"),
        Target("macos-x64", "x86_64-macos.10.13", "libhy3d_mesh-macos-x86_64.dylib"),
        Target("macos-arm64", "aarch64-macos.11.0", "libhy3d_mesh-macos-aarch64.dylib"),
    )
}

# No C++ runtime is used, so none is compiled or linked: plain C++ against the C library.
# Contraction is off so that every platform rounds alike.
FLAGS = (
    *("-x", "c++", "-std=c++17", "-nostdinc++", "-fno-exceptions", "-fno-rtti"),
    *(
        "-O3",
        "-ffp-contract=off",
        "-fno-math-errno",
        "-fvisibility=hidden",
        "-fPIC",
        "-shared",
        "-s",
    ),
    "-pthread",
    *("-Wall", "-Wextra", "-Werror"),
)


class NativeBuildError(SystemExit):
    """The kernel could not be compiled; ends build.py with the reason."""


def host_target() -> str:
    """The name of the platform this runs on."""
    system = {"linux": "linux", "win32": "windows", "darwin": "macos"}.get(sys.platform)
    chip = {"x86_64": "x64", "amd64": "x64", "arm64": "arm64", "aarch64": "arm64"}.get(
        platform.machine().lower()
    )
    name = f"{system}-{chip}"
    if name not in TARGETS:
        raise NativeBuildError(
            f"This machine ({sys.platform}, {platform.machine()}) is none of the platforms the "
            f"mesh kernel is built for: {', '.join(TARGETS)}."
        )
    return name


def library_path(target: str) -> Path:
    """Where the library of a platform lies once it is built."""
    return NATIVE / "lib" / TARGETS[target].library


def build(targets: Iterable[str] | None = None, python: str | Path | None = None) -> list[Path]:
    """Build the libraries of `targets` (names of TARGETS; none given: this machine's).

    `python` is an interpreter that has the `ziglang` wheel; the running one by default. Returns
    the libraries' paths; those that are up to date are not touched.
    """
    names = [host_target()] if targets is None else list(targets)
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        raise NativeBuildError(
            f"Unknown platform {unknown[0]!r}; the known ones are {', '.join(TARGETS)}."
        )
    return [_build_one(TARGETS[name], python) for name in names]


def _build_one(target: Target, python: str | Path | None) -> Path:
    library = library_path(target.name)
    stamp = library.with_name(library.name + ".json")
    wanted = {"sources": _sources_hash(target)}
    if library.is_file() and stamp.is_file():
        try:
            built = json.loads(stamp.read_text())
        except ValueError:
            built = None  # cut off while it was written
        if built == wanted | {"library": _sha256(library)}:
            return library
    print(f"Compiling the mesh kernel for {target.name} …", flush=True)
    started = time.monotonic()
    library.parent.mkdir(exist_ok=True)
    # Built in a folder of its own, under its final name: the linkers write the name they are given
    # into the library, and some leave debug and import files beside it.
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        command = [
            *_zig_command(python),
            *("cc", "-target", target.triple, *FLAGS, "-o", library.name),
            *(str(source) for source in sorted(NATIVE.glob("*.cpp"))),
        ]
        result = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        if result.returncode != 0:
            raise NativeBuildError(
                f"The mesh kernel did not compile for {target.name}:\n{result.stderr.strip()}"
            )
        (Path(folder) / library.name).replace(library)
    stamp.write_text(json.dumps(wanted | {"library": _sha256(library)}))
    size = library.stat().st_size / 1024
    print(f"  {library.name}: {size:.0f} KB in {time.monotonic() - started:.1f} s", flush=True)
    return library


def _sources_hash(target: Target) -> str:
    digest = hashlib.sha256(json.dumps([target.triple, FLAGS]).encode())
    for source in sorted([*NATIVE.glob("*.cpp"), *NATIVE.glob("*.h")]):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _zig_command(python: str | Path | None) -> list[str]:
    if python is None and importlib.util.find_spec("ziglang") is None:
        raise NativeBuildError(
            f"{sys.executable} has no ziglang package, which carries the compiler; "
            "install it with `pip install ziglang`."
        )
    return [str(python or sys.executable), "-m", "ziglang"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Compile the mesh kernel.")
    parser.add_argument("targets", nargs="*", help=f"some of: {', '.join(TARGETS)}")
    parser.add_argument("--all", action="store_true", help="every platform")
    options = parser.parse_args()
    for library in build(list(TARGETS) if options.all else options.targets or None):
        print(library)


if __name__ == "__main__":
    main()
