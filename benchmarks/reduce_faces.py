# SPDX-License-Identifier: Apache-2.0
"""Face reduction: time and error of ours beside the libraries that are installed.

    python -m benchmarks.reduce_faces --faces 200000 --target 40000 --json result.json

Each engine gets numpy arrays and gives numpy arrays back. The time is the best of `--repeat` runs
after a warm-up; errors are in 1e-4 of the diagonal (see surface_distance.py).
"""

import argparse
import importlib.util
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from skimage.measure import marching_cubes

from benchmarks.surface_distance import surface_error
from hy3dgen.mesh import TriangleMesh, components, reduce_faces

Engine = Callable[[TriangleMesh, int], TriangleMesh]


# ---- shapes: signed distance programs on the grid [-1, 1]^3 ----


def organic(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """A blob with gyroid skin and a thin tail, one part."""
    body = np.sqrt(x**2 + (1.2 * y) ** 2 + z**2) - 0.6
    skin = 0.02 * (
        np.sin(14 * x) * np.cos(14 * y)
        + np.sin(14 * y) * np.cos(14 * z)
        + np.sin(14 * z) * np.cos(14 * x)
    )
    along = np.clip((x - 0.4) / 0.5, 0, 1)
    tail = np.sqrt((x - 0.4 - 0.5 * along) ** 2 + (y - 0.2 * along**2) ** 2 + z**2)
    tail -= 0.14 - 0.11 * along
    return _smooth_union(body + skin, tail, 0.08)


def hard(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """A tilted chair with thin slats, and a slotted wheel beside it: flat sides, sharp edges."""
    c, s = np.cos(0.35), np.sin(0.35)
    x, y = c * x + s * y, -s * x + c * y
    c, s = np.cos(0.2), np.sin(0.2)
    y, z = c * y + s * z, -s * y + c * z

    def box(cx, cy, cz, hx, hy, hz):
        q = (np.abs(x - cx) - hx, np.abs(y - cy) - hy, np.abs(z - cz) - hz)
        outside = np.sqrt(sum(np.maximum(part, 0) ** 2 for part in q))
        return outside + np.minimum(np.maximum(np.maximum(q[0], q[1]), q[2]), 0)

    shape = box(-0.25, 0, 0, 0.35, 0.05, 0.35)
    for side_x in (-0.55, 0.05):
        for side_z in (-0.3, 0.3):
            shape = np.minimum(shape, box(side_x, -0.3, side_z, 0.04, 0.3, 0.04))
    for slat in np.linspace(-0.3, 0.3, 6):
        shape = np.minimum(shape, box(-0.56, 0.3, slat, 0.025, 0.3, 0.025))
    shape = np.minimum(shape, box(-0.56, 0.6, 0, 0.035, 0.05, 0.35))
    radius, angle = np.hypot(x - 0.55, z), np.arctan2(z, x - 0.55)
    rim = np.maximum(radius - 0.26 - 0.03 * np.sign(np.cos(12 * angle)), np.abs(y) - 0.1)
    wheel = np.maximum(rim, 0.1 - radius)
    return np.minimum(shape, wheel)


def _smooth_union(a: np.ndarray, b: np.ndarray, reach: float) -> np.ndarray:
    h = np.clip(0.5 + 0.5 * (b - a) / reach, 0, 1)
    return b * (1 - h) + a * h - reach * h * (1 - h)


SHAPES = {"organic": organic, "hard": hard}


def extract(shape: str, wanted_faces: int) -> TriangleMesh:
    """The shape's surface by marching cubes, at the grid that comes closest to `wanted_faces`."""
    side = 64
    for _ in range(3):
        axis = np.linspace(-1, 1, side, dtype=np.float32)
        field = np.empty((side, side, side), np.float32)
        for begin in range(0, side, 16):  # in slabs, to spare memory
            slab = slice(begin, begin + 16)
            field[slab] = SHAPES[shape](*np.meshgrid(axis[slab], axis, axis, indexing="ij"))
        vertices, faces, _, _ = marching_cubes(field, 0, gradient_direction="ascent")
        side = round(side * np.sqrt(wanted_faces / len(faces)))
    return TriangleMesh(vertices / (field.shape[0] - 1) * 2 - 1, faces)


# ---- engines ----


def ours(method: str) -> Engine:
    return lambda mesh, target: reduce_faces(mesh, target, method)


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


def pymeshlab_defaults(mesh: TriangleMesh, target: int) -> TriangleMesh:
    import pymeshlab

    meshes = pymeshlab.MeshSet()
    meshes.add_mesh(pymeshlab.Mesh(mesh.vertices.astype(np.float64), mesh.faces))
    meshes.meshing_decimation_quadric_edge_collapse(targetfacenum=target)
    result = meshes.current_mesh()
    return TriangleMesh(result.vertex_matrix(), result.face_matrix())


# name -> (package it needs, engine)
ENGINES: dict[str, tuple[str, Engine]] = {
    "ours, fast": ("hy3dgen", ours("fast")),
    "ours, quality": ("hy3dgen", ours("quality")),
    "fast_simplification": ("fast_simplification", fast_simplification_as_shipped),
    "fast_simplification at 1000 units": ("fast_simplification", fast_simplification_scaled),
    "pymeshlab": ("pymeshlab", pymeshlab_defaults),
}


def measure(engine: Engine, mesh: TriangleMesh, target: int, repeat: int, samples: int) -> dict:
    engine(extract("organic", 3000), 1000)
    seconds, cpu_seconds = [], []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        result = engine(mesh, target)
        seconds.append(time.perf_counter() - wall)
        cpu_seconds.append(time.process_time() - cpu)
    return {
        "seconds": min(seconds),
        "cpu_seconds": min(cpu_seconds),
        "faces": len(result.faces),
        "parts": len(components(result)),
        "boundary_edges": len(result.boundary_edges),
        "non_manifold_edges": len(result.non_manifold_edges),
        **surface_error(mesh, result, samples),
    }


def cpu_name() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--faces", type=int, default=200_000)
    parser.add_argument("--target", type=int, default=40_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    report = {"cpu": cpu_name(), "python": platform.python_version(), "rows": []}
    print(f"{report['cpu']}; errors in 1e-4 of the diagonal; ratios to 'ours, fast'")
    for shape in options.shapes:
        mesh = extract(shape, options.faces)
        print(f"\n{shape}: {len(mesh.faces)} faces -> {options.target}")
        print(f"{'engine':34} {'cpu s':>7} {'mean':>7} {'p99.9':>7} {'max':>7} {'faces':>7} ratios")
        first = None
        for name, (package, engine) in ENGINES.items():
            if importlib.util.find_spec(package) is None:
                print(f"{name:34} not installed")
                continue
            row = measure(engine, mesh, options.target, options.repeat, options.samples)
            first = first or row
            ratios = (f"{row[k] / first[k]:.2f}x" for k in ("cpu_seconds", "mean", "p99.9"))
            print(
                f"{name:34} {row['cpu_seconds']:7.3f} {row['mean']:7.4f} {row['p99.9']:7.2f} "
                f"{row['max']:7.1f} {row['faces']:7d} {' '.join(ratios)}"
            )
            report["rows"].append({"shape": shape, "engine": name, **row})
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
