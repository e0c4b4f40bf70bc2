# SPDX-License-Identifier: Apache-2.0
"""How long Blender's main thread is held while a job runs, told by a timer that is late.

    python -m benchmarks.timer_gaps new
    python -m benchmarks.timer_gaps reduce

Runs in a Blender with a window (`build_tools.window` says which). The jobs are real ones: the mesh
worker reduces a sphere to so many faces, and the result becomes an object; or Reduce Faces is
clicked for a mesh of so many faces that carries something of each kind, to several counts, once
with an edit in the middle and once with custom normals. The window shows no 3D view, or a machine
that draws in software would be measured instead.
"""

import argparse
import sys
from pathlib import Path

from build_tools import window

RESULTS = {"new": "timer-gaps.json", "reduce": "timer-gaps-reduce.json"}
PROGRAM = Path(__file__).with_name("timer_gaps_in_blender.py")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="timer_gaps")
    parser.add_argument("job", choices=RESULTS)
    parser.add_argument("--faces", type=int, default=2_000_000)
    parser.add_argument("--archive", type=Path, help="the extension's zip; default: built now")
    parser.add_argument("--out", type=Path, help="default: in benchmarks/results")
    options = parser.parse_args(arguments)
    out = options.out or Path("benchmarks/results") / RESULTS[options.job]
    command = window.find_command()
    if command is None:
        raise SystemExit(f"no Blender with a window here; name its command in {window.VARIABLE}")
    archive = options.archive
    if archive is None:
        import build

        archive = build.build_extension(Path(sys.executable)).relative_to(window.ROOT)
    given = (archive.as_posix(), options.job, str(options.faces), out.as_posix())
    return window.run(command, PROGRAM, *given)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
