# SPDX-License-Identifier: Apache-2.0
"""Face reduction: time and error of ours beside pymeshlab and the other libraries installed.

    python -m benchmarks.reduction                  all meshes, all gates: some ten minutes
    python -m benchmarks.reduction --quick          60,000 faces, no peers: under a minute
    python -m benchmarks.reduction --gates          the table from the stored results
    python -m benchmarks.reduction --picture        the picture from the stored results

Each engine runs in a process of its own. Times are the least of some repetitions, wall and CPU; run
it on a machine that is otherwise idle, at usual priority. Errors are in 1e-4 of the diagonal (see
surface_distance.py); self-intersecting faces are counted by pymeshlab.
"""

import argparse
import importlib.util
import json
import platform
import time
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from benchmarks.machine import processor_name
from benchmarks.reduction_engines import ENGINES, OTHERS, OURS, PEER, run, self_intersections
from benchmarks.reduction_gates import WITHOUT_NOISE, judge, table
from benchmarks.reduction_picture import draw
from benchmarks.reduction_shapes import SHAPES, extract
from benchmarks.surface_distance import (
    Surface,
    diagonal,
    squared_segment_distances,
    surface_error,
)
from hy3dgen.mesh import TriangleMesh, component_labels

RESULTS = Path(__file__).resolve().parent / "results" / "reduction.json"
PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "reduction.png"


def border_loops(mesh: TriangleMesh) -> int:
    """Connected pieces of the border."""
    edges = mesh.boundary_edges
    if not len(edges):
        return 0
    used, numbers = np.unique(edges, return_inverse=True)
    numbers = numbers.reshape(-1, 2)
    label = np.arange(len(used))
    while True:
        lowest = label[numbers].min(axis=1)
        before = label.copy()
        for column in (0, 1):
            np.minimum.at(label, numbers[:, column], lowest)
        label = label[label]
        if (label == before).all():
            return len(np.unique(label))


def border_distance(source: TriangleMesh, other: TriangleMesh) -> float:
    """From the source's border vertices to the other's border: p99.9, in 1e-4 of the diagonal."""
    points = source.vertices[np.unique(source.boundary_edges)].astype(np.float64)
    ends = other.vertices.astype(np.float64)[other.boundary_edges]
    if not len(points) or not len(ends):
        return 0.0 if not len(points) else float("inf")
    count = min(16, len(ends))
    _, index = cKDTree(ends.mean(axis=1)).query(points, count)
    best = np.full(len(points), np.inf)
    for column in index.reshape(len(points), count).T:
        found = squared_segment_distances(points, ends[column, 0], ends[column, 1])
        best = np.minimum(best, found)
    return float(np.quantile(np.sqrt(best), 0.999) / (1e-4 * diagonal(source)))


def counts(mesh: TriangleMesh) -> dict[str, int]:
    """What must stay as it is."""
    return {
        "parts": int(component_labels(mesh).max()) + 1,
        "border_loops": border_loops(mesh),
        "non_manifold_edges": len(mesh.non_manifold_edges),
    }


def compare(shape: str, faces: int, names: list[str], options: argparse.Namespace) -> list[dict]:
    """The rows of one mesh; prints them."""
    mesh = extract(shape, faces)
    surface = Surface(mesh)
    before = {f"{key}_before": value for key, value in counts(mesh).items()}
    print(f"\n{shape}: {len(mesh.faces):,} faces -> {options.target:,}")
    print(f"{'':34} {'cpu s':>7} {'wall s':>7} {'mean':>7} {'p99.9':>7} {'cpu':>6} {'wall':>6}")
    rows: list[dict] = []
    known: dict[str, dict] = {}  # errors by the result's hash: threads do not change it
    for name in names:
        python = options.blender_python if ENGINES[name][0] == "bpy" else None
        if python is None and importlib.util.find_spec(ENGINES[name][0]) is None:
            print(f"{name:34} not installed")
            continue
        repeat = options.repeat if name in OURS else 2 if len(mesh.faces) < 400_000 else 1
        outcome = run(name, mesh, options.target, repeat, python)
        if isinstance(outcome, str):
            print(f"{name:34} {outcome}")
            continue
        result, report = outcome
        digest = report["sha256"][:16]
        if digest not in known:
            known[digest] = {
                **surface_error(mesh, result, options.samples, surface=surface),
                **counts(result),
                "border_distance": border_distance(mesh, result),
                "flipped_faces": surface.opposed(result),
                "self_intersections": self_intersections(result),
            }
        row = {"shape": shape, "from": len(mesh.faces), "engine": name, "target": options.target}
        row |= {"faces": len(result.faces), **report, **before, **known[digest], "sha256": digest}
        first = rows[0] if rows else row
        rows.append(row)
        print(
            f"{name:34} {row['cpu_seconds']:7.3f} {row['seconds']:7.3f} {row['mean']:7.4f} "
            f"{row['p99.9']:7.3f} {row['cpu_seconds'] / first['cpu_seconds']:6.3f} "
            f"{row['seconds'] / first['seconds']:6.3f}  {row['mean'] / first['mean']:6.3f} "
            f"{row['p99.9'] / first['p99.9']:6.3f}  flipped {row['flipped_faces']} "
            f"cutting {row['self_intersections']} non-manifold {row['non_manifold_edges']}",
            flush=True,
        )
    if rows and SHAPES[shape][1]:
        clean = extract(shape, faces, noisy=False)
        row = {"shape": shape, "from": len(mesh.faces), "engine": WITHOUT_NOISE}
        row |= {"faces": len(clean.faces)}
        rows.append(row | surface_error(mesh, clean, options.samples, surface=surface))
    return rows


def rounded(row: dict) -> dict:
    """Five digits say enough."""
    return {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in row.items()}


def store(report: dict, path: Path) -> None:
    """As JSON, a line a row."""
    rows = ",\n".join("  " + json.dumps(rounded(row)) for row in report["rows"])
    head = json.dumps({key: value for key, value in report.items() if key != "rows"})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{head[:-1]}, "rows": [\n{rows}\n]}}\n')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--sizes", nargs="+", type=int, default=[200_000, 1_000_000])
    parser.add_argument("--target", type=int, default=40_000)
    parser.add_argument(
        "--repeat", type=int, default=5, help="of ours; a peer is slow and runs 1-2"
    )
    parser.add_argument("--samples", type=int, default=100_000, help="points each way")
    parser.add_argument("--peers-up-to", type=int, default=300_000, help="faces the others get")
    parser.add_argument("--blender-python", help="an interpreter that has bpy, for its Decimate")
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--quick", action="store_true", help="small meshes, nothing stored")
    parser.add_argument("--gates", action="store_true", help="print the table of --json, no more")
    parser.add_argument(
        "--picture", action="store_true", help="draw the results of --json, no more"
    )
    options = parser.parse_args()

    if options.gates:
        print(table(json.loads(options.json.read_text())["rows"]))
        return
    if options.picture:
        draw(json.loads(options.json.read_text())["rows"], PICTURE)
        return
    if options.quick:
        options.sizes, options.target, options.repeat = [60_000], 12_000, 3
        options.samples, options.peers_up_to = 30_000, 0
    started = time.monotonic()
    report = {"cpu": processor_name(), "python": platform.python_version(), "rows": []}
    print(f"{report['cpu']}; errors in 1e-4 of the diagonal; ratios to {PEER}")
    for faces in options.sizes:
        for shape in options.shapes:
            names = [n for n in options.engines if n not in OTHERS or faces <= options.peers_up_to]
            report["rows"] += compare(shape, faces, names, options)
            if not options.quick:
                store(report, options.json)
    print(f"\n{table(report['rows'])}\n{time.monotonic() - started:.0f} s in all")
    if not options.quick:
        draw(report["rows"], PICTURE)
    missed = [gate for gate in judge(report["rows"]) if not gate.met]
    print(f"{len(missed)} gates missed")


if __name__ == "__main__":
    main()
