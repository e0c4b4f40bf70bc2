# SPDX-License-Identifier: Apache-2.0
"""Made-up arrays by the thousand for the mesh kernel's C ABI, under sanitizers.

::

    python -m trials.kernel_arrays --count 20000 --json trials/results/kernel-arrays.json
    python -m trials.kernel_arrays --first 1234 --count 1       # one finding again

The kernel is compiled once with the address and undefined-behaviour sanitizers, once with the
thread sanitizer, each together with `kernel_arrays.cpp`, whose cases are tori with noise, tangles,
borders, wrong indices, any bits, extreme scales, unjoined and repeated faces. Needs a C++ compiler
that brings those sanitizers (GCC or Clang) as `c++`, or the one that --compiler names.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import processor_name
from hy3dgen.errors import MissingDependencyError

HERE = Path(__file__).resolve().parent
NATIVE = HERE.parent / "hy3dgen" / "mesh" / "native"
# Name -> what is checked, and the part of the cases that it gets: threads are slow to watch.
SANITIZERS = {
    "address,undefined": ("address,undefined,float-cast-overflow", 1.0),
    "thread": ("thread", 0.1),
}
FLAGS = ("-std=c++17", "-O1", "-g", "-ffp-contract=off", "-fno-sanitize-recover=all", "-pthread")


def build(sanitizer: str, folder: Path, compiler: str) -> Path:
    """The program with the kernel in it."""
    program = folder / f"kernel_arrays_{sanitizer.replace(',', '_')}"
    sources = [HERE / "kernel_arrays.cpp", *sorted(NATIVE.glob("*.cpp"))]
    checks = f"-fsanitize={SANITIZERS[sanitizer][0]}"
    command = [compiler, *FLAGS, checks, f"-I{NATIVE}", *map(str, sources), "-o", str(program)]
    try:
        made = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise MissingDependencyError(
            f"There is no C++ compiler {compiler} ({error.strerror}); install GCC or Clang, or "
            "name another with --compiler."
        ) from error
    if made.returncode:
        raise MissingDependencyError(
            f"{compiler} could not build with -fsanitize={sanitizer}: {made.stderr.strip()[-800:]}"
        )
    return program


def trial(program: Path, first: int, count: int) -> dict:
    """Cases first..first+count: how often which status came, and what was found."""
    started = time.monotonic()
    options = {"ASAN_OPTIONS": "allocator_may_return_null=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
    ran = subprocess.run(
        [str(program), str(first), str(count)],
        capture_output=True,
        text=True,
        env={**os.environ, **options},
    )
    report = {"first": first, "cases": count, "seconds": round(time.monotonic() - started, 1)}
    if ran.returncode:
        said = (ran.stdout.strip() + "\n" + ran.stderr.strip()).strip()
        return report | {"finding": said[:4000] or f"ended with {ran.returncode}"}
    lines = (line.split("\t") for line in ran.stdout.strip().splitlines())
    return report | {"statuses": {text: int(times) for text, times in lines if int(times)}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--sanitizer", choices=SANITIZERS, action="append", help="only these")
    parser.add_argument("--compiler", default="c++")
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    report: dict = {"device": processor_name(), "runs": {}}
    with tempfile.TemporaryDirectory(prefix="hy3d-trial-") as folder:
        for name in options.sanitizer or SANITIZERS:
            try:
                program = build(name, Path(folder), options.compiler)
            except MissingDependencyError as error:
                raise SystemExit(str(error)) from error
            cases = max(1, round(options.count * SANITIZERS[name][1]))
            result = report["runs"][name] = trial(program, options.first, cases)
            print(f"{name}: {cases} cases, {result['seconds']} s", file=sys.stderr)
            print(result.get("finding", json.dumps(result.get("statuses"))))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    bad = [name for name, result in report["runs"].items() if "finding" in result]
    raise SystemExit(f"findings under {', '.join(bad)}" if bad else 0)


if __name__ == "__main__":
    main()
