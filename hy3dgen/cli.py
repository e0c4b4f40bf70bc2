# SPDX-License-Identifier: Apache-2.0
"""The command `hy3dgen`: meshes and textures from pictures, and fewer faces, without any Python.

Here are its way in and `reduce`; the other commands are in `hy3dgen.commands`. Exit codes: 0 done;
1 at least one file failed (the others are done); 2 wrong arguments; 130 stopped with Ctrl-C.
Meshes go to files, words to standard error, JSON to standard output.
"""

import argparse
import contextlib
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import hy3dgen
from hy3dgen.commands import cache, generate, info, models, texture
from hy3dgen.commands.terminal import (
    Interrupts,
    ProgressLine,
    count,
    files_in,
    labelled,
    make_folder,
    report_failure,
    say,
    tell,
)
from hy3dgen.errors import Hy3DError, InvalidSettingError
from hy3dgen.mesh.face_target import TargetNotReachedWarning
from hy3dgen.mesh.files import FORMATS, check_format, load_mesh, save_mesh
from hy3dgen.shapegen.postprocessors import METHODS, FaceReducer, face_count


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (none: the process' own); the exit code."""
    options = _parser().parse_args(arguments)
    try:
        with Interrupts() as options.interrupts:
            code = options.run(options)
        sys.stdout.flush()
        return code
    except Hy3DError as error:
        say(f"hy3dgen: {error}")
        return 1
    except KeyboardInterrupt:
        say("stopped; finished files are complete, the others are as they were")
        return 130
    except BrokenPipeError:  # who reads standard output has seen enough
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _reduce(options: argparse.Namespace) -> int:
    jobs = list(_jobs(options.input, options.output))
    failed = 0
    for (label, source), (_, target) in zip(labelled(s for s, _ in jobs), jobs, strict=True):
        try:
            _reduce_file(source, target, options, label)
        except (Hy3DError, MemoryError) as error:
            report_failure(label, error, source, options.json)
            failed += 1
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hy3dgen", description="Meshes and textures from pictures, and fewer faces."
    )
    parser.add_argument("--version", action="version", version=f"hy3dgen {hy3dgen.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    reduce = commands.add_parser(
        "reduce",
        help="fewer faces for mesh files",
        description="Reduce the number of faces of GLB, OBJ, PLY and STL files. The ending of "
        "OUTPUT chooses its format. Given a folder or several files, every mesh file goes to the "
        "folder OUTPUT under its own name.",
    )
    reduce.add_argument("input", type=Path, nargs="+", help="mesh files or folders of them")
    reduce.add_argument("output", type=Path, help="the file or folder to write; may be the same")
    wish = reduce.add_mutually_exclusive_group(required=True)
    wish.add_argument("--faces", type=count, metavar="N", help="at most so many faces in a file")
    wish.add_argument("--ratio", type=_ratio, metavar="R", help="this share of its faces, 0 to 1")
    reduce.add_argument("--method", choices=METHODS, default="quality", help="default: %(default)s")
    reduce.add_argument("--json", action="store_true", help="a line of JSON for each file")
    reduce.add_argument("--quiet", action="store_true", help="print only warnings and errors")
    reduce.set_defaults(run=_reduce)
    for command in (generate, texture, info, models, cache):
        command.add_parser(commands)
    return parser


def _ratio(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (ratio := float(text)) <= 1:
            return ratio
    raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and up to 1")


def _jobs(sources: Sequence[Path], target: Path) -> Iterator[tuple[Path, Path]]:
    """(file to read, file to write) in the order of their names."""
    if len(sources) == 1 and not sources[0].is_dir():
        if target.is_dir():
            target = target / sources[0].name
        check_format(target)
        yield sources[0], target
        return
    if target.exists() and not target.is_dir():
        found = f"{sources[0]} is a folder" if len(sources) == 1 else "There are several inputs"
        raise InvalidSettingError(f"{found} but {target} is a file; give a folder to write into.")
    files: list[Path] = []
    for source in sources:
        files += files_in(source, FORMATS, "mesh file") if source.is_dir() else [source]
    names = [path.name for path in files]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidSettingError(
            f"Two inputs are called {twice}, so one would replace the other in {target}; write "
            "them into different folders."
        )
    make_folder(target)
    for path in files:
        yield path, target / path.name


def _reduce_file(source: Path, target: Path, options: argparse.Namespace, label: str) -> None:
    start = time.monotonic()
    with ProgressLine(label, options.quiet or not sys.stderr.isatty()) as line:
        line.stage("read")
        mesh = load_mesh(source)
        options.interrupts.check()
        before = face_count(mesh)
        wanted = options.faces or max(1, round(options.ratio * before))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", TargetNotReachedWarning)
            reduced = FaceReducer()(mesh, wanted, options.method, line.fraction)
        options.interrupts.check()
        save_mesh(reduced, target)
    for warning in caught:
        if issubclass(warning.category, TargetNotReachedWarning):
            say(f"{label}: {warning.message}")
    seconds, after = time.monotonic() - start, face_count(reduced)
    if not options.quiet:
        say(f"{label}: {before:,} -> {after:,} faces, {seconds:.1f} s -> {target}")
    if options.json:
        tell(
            {
                "input": source, "output": target, "faces_before": before, "faces": after,
                "seconds": round(seconds, 3),
            }
        )  # fmt: skip
