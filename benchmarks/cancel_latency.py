# SPDX-License-Identifier: Apache-2.0
"""How long a reduction goes on after it was told to stop, at moments all over its course.

    python -m benchmarks.cancel_latency             a mesh of a million faces, some minutes

Three ways: `reduce_faces` whose progress function raises, the worker's task `reduce` that is
cancelled by its client, and the command `hy3dgen reduce` that gets a Ctrl-C while it reads a file,
reduces or writes. Prints the median and the longest delay in seconds and stores them; run it on a
machine that is otherwise idle.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.machine import processor_name
from benchmarks.reduction_shapes import SHAPES, extract
from hy3dgen.errors import Cancelled
from hy3dgen.mesh import TriangleMesh, reduce_faces
from hy3dgen.mesh.convert import to_trimesh
from hy3dgen.mesh.files import save_mesh
from hy3dgen.worker.client import WorkerClient
from hy3dgen.worker.command import worker_command
from hy3dgen.worker.protocol import CancelledEvent, Failure, Result

RESULTS = Path(__file__).resolve().parent / "results" / "cancel-latency.json"
Run = Callable[[float | None], float | None]


def in_python(mesh: TriangleMesh, target: int, method: str) -> Run:
    """A run that is told to stop after some seconds; gives how much longer it went on, or None."""

    def run(after: float | None) -> float | None:
        start = time.monotonic()

        def progress(_: float) -> None:
            if after is not None and time.monotonic() - start >= after:
                raise Cancelled("enough")

        try:
            reduce_faces(mesh, target, method, progress)
        except Cancelled:
            return time.monotonic() - start - (after or 0)
        return None

    return run


def in_worker(client: WorkerClient, mesh: TriangleMesh, target: int, method: str) -> Run:
    arrays = {"vertices": mesh.vertices, "faces": mesh.faces}

    def run(after: float | None) -> float | None:
        start = time.monotonic()
        request = client.submit("reduce", {"face_count": target, "method": method}, arrays)
        told = False
        while True:
            if not told and after is not None and time.monotonic() - start >= after:
                client.cancel(request)
                told = True
            for event in client.poll():
                if isinstance(event, CancelledEvent):
                    return time.monotonic() - start - (after or 0)
                if isinstance(event, Failure):
                    raise RuntimeError(event.message)
                if isinstance(event, Result):
                    return None
            time.sleep(0.001)

    return run


def on_the_command_line(source: Path, target: int, method: str) -> Run:
    output = source.with_name(f"out{source.suffix}")
    command = [sys.executable, "-m", "hy3dgen", "reduce", str(source), str(output)]
    command += ["--faces", str(target), "--method", method, "--quiet"]

    def run(after: float | None) -> float | None:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            code = process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            told = time.monotonic()
            code = process.wait()
            if code not in (130, -signal.SIGINT):  # the latter: it was through already
                raise RuntimeError(f"{command} ended with {code} after a Ctrl-C") from None
            return time.monotonic() - told if code == 130 else None
        if code:
            raise RuntimeError(f"{' '.join(command)} ended with {code}")
        return None

    return run


def measure(name: str, run: Run, times: int, earliest: float) -> dict:
    """Delays after stops that are spread evenly over the time that a whole run takes."""
    start = time.monotonic()
    run(None)
    whole = time.monotonic() - start
    moments = earliest + (whole - earliest) * (np.arange(times) + 0.5) / times
    delays = [delay for after in moments if (delay := run(float(after))) is not None]
    row = {"way": name, "whole_seconds": round(whole, 3), "stops": len(delays)}
    if not delays:
        raise SystemExit(f"{name}: every run was through before it was told to stop; run again")
    row |= {"median": round(float(np.median(delays)), 4), "longest": round(max(delays), 4)}
    print(f"{name:32} {whole:7.2f} s {len(delays):4} stops  median {row['median']:.3f} s, "
          f"longest {row['longest']:.3f} s", flush=True)  # fmt: skip
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shape", default="organic", choices=list(SHAPES))
    parser.add_argument("--faces", type=int, default=1_000_000)
    parser.add_argument("--target", type=int, default=40_000)
    parser.add_argument("--times", type=int, default=40, help="stops for each way")
    parser.add_argument("--json", type=Path, default=RESULTS)
    options = parser.parse_args()
    mesh = extract(options.shape, options.faces)
    rows = []
    for method in ("fast", "quality"):
        run = in_python(mesh, options.target, method)
        rows.append(measure(f"reduce_faces, {method}", run, options.times, 0))
    with WorkerClient(worker_command()) as client:
        client.start()
        for method in ("fast", "quality"):
            run = in_worker(client, mesh, options.target, method)
            rows.append(measure(f"worker, {method}", run, options.times, 0))
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".glb", ".ply", ".obj"):
            source = Path(folder) / f"in{suffix}"
            save_mesh(to_trimesh(mesh), source)
            run = on_the_command_line(source, options.target, "quality")
            # Before that Python itself starts, and the command cannot answer yet.
            rows.append(measure(f"hy3dgen reduce, {suffix[1:]}", run, options.times, 1.0))
    report = {"cpu": processor_name(), "shape": options.shape, "faces": len(mesh.faces)}
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    head = json.dumps(report | {"target": options.target})
    options.json.write_text(f'{head[:-1]}, "rows": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
