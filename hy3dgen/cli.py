# SPDX-License-Identifier: Apache-2.0
"""The command `hy3dgen`: face reduction of mesh files without writing Python.

Exit codes: 0 done; 1 at least one file failed (the others are done); 2 wrong arguments; 130
stopped with Ctrl-C. Results go to files, words to standard error.
"""

import argparse
import contextlib
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hy3dgen
from hy3dgen.errors import Hy3DError, InvalidMeshError, InvalidSettingError
from hy3dgen.mesh.face_target import TargetNotReachedWarning
from hy3dgen.mesh.files import FORMATS, check_format, load_mesh, save_mesh
from hy3dgen.shapegen.postprocessors import METHODS, FaceReducer, face_count

_REPORT_SECONDS = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (none: the process' own); the exit code."""
    options = _parser().parse_args(arguments)
    try:
        jobs = list(_jobs(options.input, options.output))
        failed = 0
        for number, (source, target) in enumerate(jobs, 1):
            label = f"[{number}/{len(jobs)}] {source.name}" if len(jobs) > 1 else source.name
            try:
                _reduce_file(source, target, options, label)
            except (Hy3DError, MemoryError) as error:
                _say(f"{label}: {error or 'there is not enough memory for this mesh'}")
                failed += 1
        return 1 if failed else 0
    except Hy3DError as error:
        _say(f"hy3dgen: {error}")
        return 1
    except KeyboardInterrupt:
        _say("stopped; finished files are complete, the others are as they were")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hy3dgen", description="Mesh processing.")
    parser.add_argument("--version", action="version", version=f"hy3dgen {hy3dgen.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    reduce = commands.add_parser(
        "reduce",
        help="fewer faces for a mesh file, or for every mesh file of a folder",
        description="Reduce the number of faces of GLB, OBJ, PLY and STL files. The ending of "
        "OUTPUT chooses its format. Given a folder, every mesh file in it goes to the folder "
        "OUTPUT under its own name.",
    )
    reduce.add_argument("input", type=Path, help="a mesh file or a folder of them")
    reduce.add_argument("output", type=Path, help="the file or folder to write; may be the same")
    wish = reduce.add_mutually_exclusive_group(required=True)
    wish.add_argument("--faces", type=_count, metavar="N", help="at most so many faces in a file")
    wish.add_argument("--ratio", type=_ratio, metavar="R", help="this share of its faces, 0 to 1")
    reduce.add_argument("--method", choices=METHODS, default="quality", help="default: %(default)s")
    reduce.add_argument("--quiet", action="store_true", help="print only warnings and errors")
    return parser


def _count(text: str) -> int:
    with contextlib.suppress(ValueError):
        if (count := int(text)) >= 1:
            return count
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")


def _ratio(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (ratio := float(text)) <= 1:
            return ratio
    raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and up to 1")


def _jobs(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """(file to read, file to write) in the order of their names."""
    if not source.is_dir():
        if target.is_dir():
            target = target / source.name
        check_format(target)
        yield source, target
        return
    if target.exists() and not target.is_dir():
        raise InvalidSettingError(
            f"{source} is a folder but {target} is a file; give a folder to write into."
        )
    found = sorted(p for p in source.iterdir() if p.suffix.lower() in FORMATS and p.is_file())
    if not found:
        raise InvalidMeshError(
            f"The folder {source} has no mesh file in it ({', '.join(FORMATS)}); is it the right "
            "one?"
        )
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidSettingError(
            f"The folder {target} cannot be made ({error.strerror}); choose another place."
        ) from error
    for path in found:
        yield path, target / path.name


def _reduce_file(source: Path, target: Path, options: argparse.Namespace, label: str) -> None:
    start = time.monotonic()
    line = _ProgressLine(label, options.quiet)
    with line:
        mesh = load_mesh(source)
        before = face_count(mesh)
        wanted = options.faces or max(1, round(options.ratio * before))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", TargetNotReachedWarning)
            reduced = FaceReducer()(mesh, wanted, options.method, line.show)
        save_mesh(reduced, target)
    for warning in caught:
        if issubclass(warning.category, TargetNotReachedWarning):
            _say(f"{label}: {warning.message}")
    if not options.quiet:
        seconds = time.monotonic() - start
        _say(f"{label}: {before:,} -> {face_count(reduced):,} faces, {seconds:.1f} s -> {target}")


class _ProgressLine:
    """One line of a terminal, written over and over; nothing where there is no terminal."""

    def __init__(self, label: str, quiet: bool) -> None:
        self._label = label
        self._on = not quiet and sys.stderr.isatty()
        self._last = 0.0

    def __enter__(self) -> None:
        if self._on:
            sys.stderr.write(f"\r{self._label}: reading")
            sys.stderr.flush()

    def __exit__(self, *_: Any) -> None:
        if self._on:
            sys.stderr.write("\r\033[K")  # clears the line

    def show(self, fraction: float) -> None:
        now = time.monotonic()
        if self._on and now - self._last >= _REPORT_SECONDS:
            self._last = now
            sys.stderr.write(f"\r\033[K{self._label}: {fraction:4.0%}")
            sys.stderr.flush()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
