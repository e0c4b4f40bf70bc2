# SPDX-License-Identifier: Apache-2.0
"""Face reduction: time and error of ours beside the libraries that are installed.

    python -m benchmarks.reduction --faces 200000 --json benchmarks/results/reduction-200k.json
    python -m benchmarks.reduction --picture docs/images/reduction.png --from FILE ...
    python -m benchmarks.reduction --curve benchmarks/results/reduction-curve.json

Each engine runs in a process of its own, gets numpy arrays and gives numpy arrays back. Times are
medians of `--repeat` runs after a warm-up, in turns with the other engines' on a machine that is
otherwise idle; CPU seconds where it is not. Errors are in 1e-4 of the diagonal (see
surface_distance.py). pymeshlab counts self-intersecting faces where it is installed.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.machine import processor_name
from benchmarks.reduction_shapes import SHAPES, extract
from benchmarks.surface_distance import surface_error
from hy3dgen.mesh import TriangleMesh, components, reduce_faces

Engine = Callable[[TriangleMesh, int], TriangleMesh]


# ---- engines ----


def ours(method: str, threads: int) -> Engine:
    return lambda mesh, target: reduce_faces(mesh, target, method, threads=threads)


def fast_simplification_as_shipped(mesh: TriangleMesh, target: int) -> TriangleMesh:
    import fast_simplification

    return TriangleMesh(
        *fast_simplification.simplify(mesh.vertices, mesh.faces, target_count=target)
    )


def fast_simplification_scaled(mesh: TriangleMesh, target: int) -> TriangleMesh:
    """Its thresholds are absolute lengths; at 1000 units they fit."""
    import fast_simplification

    scale = 1000 / float(np.ptp(mesh.bounds, axis=0).max())
    vertices, faces = fast_simplification.simplify(
        mesh.vertices * np.float32(scale), mesh.faces, target_count=target
    )
    return TriangleMesh(vertices / scale, faces)


def meshoptimizer_simplify(mesh: TriangleMesh, target: int) -> TriangleMesh:
    import meshoptimizer

    indices = mesh.faces.astype(np.uint32).ravel()
    out = np.empty_like(indices)
    count = meshoptimizer.simplify(
        out, indices, mesh.vertices, target_index_count=3 * target, target_error=1.0
    )
    return TriangleMesh(mesh.vertices, out[:count].astype(np.int32).reshape(-1, 3))


def vtk_quadric(mesh: TriangleMesh, target: int) -> TriangleMesh:
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy

    points, cells, data = vtk.vtkPoints(), vtk.vtkCellArray(), vtk.vtkPolyData()
    points.SetData(numpy_to_vtk(mesh.vertices, deep=True))
    cells.SetData(3, numpy_to_vtkIdTypeArray(mesh.faces.astype(np.int64).ravel(), deep=True))
    data.SetPoints(points)
    data.SetPolys(cells)
    filter_ = vtk.vtkQuadricDecimation()
    filter_.SetInputData(data)
    filter_.SetTargetReduction(1 - target / len(mesh.faces))
    filter_.Update()
    result = filter_.GetOutput()
    faces = vtk_to_numpy(result.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    return TriangleMesh(vtk_to_numpy(result.GetPoints().GetData()), faces)


def pymeshlab_defaults(mesh: TriangleMesh, target: int) -> TriangleMesh:
    meshes = _mesh_set(mesh)
    meshes.meshing_decimation_quadric_edge_collapse(targetfacenum=target)
    result = meshes.current_mesh()
    return TriangleMesh(result.vertex_matrix(), result.face_matrix())


def _mesh_set(mesh: TriangleMesh):
    import pymeshlab

    meshes = pymeshlab.MeshSet()
    meshes.add_mesh(pymeshlab.Mesh(mesh.vertices.astype(np.float64), mesh.faces))
    return meshes


# name -> (package it needs, engine); the ratios are to the first
ENGINES: dict[str, tuple[str, Engine]] = {
    "pymeshlab": ("pymeshlab", pymeshlab_defaults),
    "ours, fast": ("hy3dgen", ours("fast", 1)),
    "ours, fast, all threads": ("hy3dgen", ours("fast", os.cpu_count() or 1)),
    "ours, quality": ("hy3dgen", ours("quality", 1)),
    "ours, quality, all threads": ("hy3dgen", ours("quality", os.cpu_count() or 1)),
    "ours, preview": ("hy3dgen", ours("preview", 1)),
    "ours, preview, all threads": ("hy3dgen", ours("preview", os.cpu_count() or 1)),
    "fast_simplification": ("fast_simplification", fast_simplification_as_shipped),
    "fast_simplification at 1000 units": ("fast_simplification", fast_simplification_scaled),
    "meshoptimizer": ("meshoptimizer", meshoptimizer_simplify),
    "VTK": ("vtk", vtk_quadric),
}


# ---- measuring ----


def self_intersections(mesh: TriangleMesh) -> int | None:
    """How many faces cut another, by pymeshlab; None without it."""
    if importlib.util.find_spec("pymeshlab") is None:
        return None
    meshes = _mesh_set(mesh)
    meshes.compute_selection_by_self_intersections_per_face()
    return meshes.current_mesh().selected_face_number()


def memory(key: str) -> int:
    """Bytes of this process as Linux tells them under `key`; 0 elsewhere."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(key + ":"))


def reset_peak_memory() -> int:
    """Forgets the peak so far (VmHWM) and returns what is in use now; 0 where that is not told."""
    control = Path("/proc/self/clear_refs")
    if control.is_file():
        control.write_text("5")
    return memory("VmRSS")


def measure(name: str, mesh: TriangleMesh, target: int, repeat: int, samples: int) -> dict:
    """One engine's times and errors."""
    engine = ENGINES[name][1]
    engine(extract("organic", 3000), 1000)
    before = reset_peak_memory()
    seconds, cpu_seconds = [], []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        result = engine(mesh, target)
        seconds.append(time.perf_counter() - wall)
        cpu_seconds.append(time.process_time() - cpu)
    peak = memory("VmHWM") - before
    return {
        "seconds": statistics.median(seconds),
        "cpu_seconds": statistics.median(cpu_seconds),
        "peak_bytes_per_face": peak / len(mesh.faces) if before else None,
        "faces": len(result.faces),
        "parts": len(components(result)),
        "parts_before": len(components(mesh)),
        "boundary_edges": len(result.boundary_edges),
        "non_manifold_edges": len(result.non_manifold_edges),
        "self_intersections": self_intersections(result),
        **(surface_error(mesh, result, samples) if samples else {}),
    }


def in_own_process(*arguments) -> dict:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, arguments)


def store(report: dict, path: Path | None) -> None:
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=1) + "\n")


def compare(options: argparse.Namespace, report: dict) -> None:
    """Every installed engine on every shape; prints a table."""
    for shape in options.shapes:
        mesh = extract(shape, options.faces)
        print(f"\n{shape}: {len(mesh.faces)} faces -> {options.target}")
        print(
            f"{'engine':34} {'cpu s':>6} {'wall':>6} {'mean':>7} {'p99.9':>7}  "
            "ratios: cpu mean p99.9"
        )
        first = None
        for name in options.engines:
            package = ENGINES[name][0]
            if importlib.util.find_spec(package) is None:
                print(f"{name:34} not installed")
                continue
            row = in_own_process(name, mesh, options.target, options.repeat, options.samples)
            first = first or row
            ratios = " ".join(f"{row[k] / first[k]:.3f}" for k in ("cpu_seconds", "mean", "p99.9"))
            print(
                f"{name:34} {row['cpu_seconds']:6.3f} {row['seconds']:6.3f} {row['mean']:7.4f} "
                f"{row['p99.9']:7.3f}  {ratios}",
                flush=True,
            )
            report["rows"].append({"shape": shape, "from": len(mesh.faces), "engine": name, **row})
        store(report, options.json)


def curve(options: argparse.Namespace, report: dict) -> None:
    """Cost of the fast method by size, on one thread."""
    for faces in options.sizes:
        mesh = extract("organic", faces)
        row = in_own_process("ours, fast", mesh, min(options.target, len(mesh.faces) // 2), 1, 0)
        print(f"{len(mesh.faces)} faces: {row['cpu_seconds']:.2f} CPU s", flush=True)
        report["rows"].append({"shape": "organic", "from": len(mesh.faces), **row})
        store(report, options.curve)


def draw(results: list[Path], picture: Path) -> None:
    """Time against mean error, log-log, one panel a shape."""
    import matplotlib.pyplot as plt

    rows = [row for path in results for row in json.loads(path.read_text())["rows"]]
    shapes = list(dict.fromkeys((row["shape"], row["from"]) for row in rows))
    width = 1 if len(shapes) == 1 else 2 if len(shapes) <= 4 else 3
    figure, axes = plt.subplots(
        -(-len(shapes) // width), width, figsize=(5 * width, 8), squeeze=False
    )
    for axis, (shape, count) in zip(axes.flat, shapes, strict=False):
        axis.set(xscale="log", yscale="log", xlabel="CPU seconds", ylabel="mean error, 1e-4")
        axis.set_title(f"{shape}, {count:,} faces", fontsize=9)
        for row in rows:
            if (row["shape"], row["from"]) == (shape, count) and "threads" not in row["engine"]:
                own = row["engine"].startswith("ours")
                axis.scatter(row["cpu_seconds"], row["mean"], c="tab:red" if own else "tab:gray")
                axis.annotate(row["engine"], (row["cpu_seconds"], row["mean"]), fontsize=7)
    for axis in axes.flat[len(shapes) :]:
        axis.remove()
    figure.tight_layout()
    figure.savefig(picture, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--faces", type=int, default=200_000)
    parser.add_argument("--target", type=int, default=40_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--curve", type=Path, help="write the cost by size here, nothing else")
    parser.add_argument("--sizes", nargs="+", type=int, default=[80_000, 400_000, 2_000_000])
    parser.add_argument("--picture", type=Path, help="draw the results of --from, nothing else")
    parser.add_argument("--from", type=Path, nargs="+", dest="results", default=[])
    options = parser.parse_args()

    if options.picture:
        draw(options.results, options.picture)
        return
    report = {"cpu": processor_name(), "python": platform.python_version(), "rows": []}
    print(f"{report['cpu']}; errors in 1e-4 of the diagonal; ratios to the first engine")
    (curve if options.curve else compare)(options, report)


if __name__ == "__main__":
    main()
