# SPDX-License-Identifier: Apache-2.0
"""What the face reduction benchmark compares, each in a process of its own.

`run` starts `python -m benchmarks.reduction_engines`, which loads the mesh, warms up, times the
engine and stores what came out. Numpy arrays go in and come out, so conversions count. Only numpy
is imported beside the engine, so that Blender's Python can run it as well.
"""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hy3dgen.mesh import TriangleMesh, reduce_faces

Engine = Callable[[TriangleMesh, int], TriangleMesh]


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


def open3d_quadric(mesh: TriangleMesh, target: int) -> TriangleMesh:
    import open3d

    given = open3d.geometry.TriangleMesh(
        open3d.utility.Vector3dVector(mesh.vertices.astype(np.float64)),
        open3d.utility.Vector3iVector(mesh.faces),
    )
    result = given.simplify_quadric_decimation(target)
    return TriangleMesh(np.asarray(result.vertices), np.asarray(result.triangles))


def blender_decimate(mesh: TriangleMesh, target: int) -> TriangleMesh:
    import bpy

    data = bpy.data.meshes.new("mesh")
    corners = 3 * len(mesh.faces)
    data.vertices.add(len(mesh.vertices))
    data.vertices.foreach_set("co", mesh.vertices.ravel())
    data.loops.add(corners)
    data.loops.foreach_set("vertex_index", mesh.faces.ravel())
    data.polygons.add(len(mesh.faces))
    data.polygons.foreach_set("loop_start", np.arange(0, corners, 3, dtype=np.int32))
    data.update()
    thing = bpy.data.objects.new("mesh", data)
    bpy.context.scene.collection.objects.link(thing)
    modifier = thing.modifiers.new("decimate", "DECIMATE")
    modifier.ratio = target / len(mesh.faces)
    result = thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    vertices = np.empty(3 * len(result.vertices), np.float32)
    result.vertices.foreach_get("co", vertices)
    faces = np.empty(len(result.loops), np.int32)
    result.loops.foreach_get("vertex_index", faces)
    bpy.data.objects.remove(thing)
    bpy.data.meshes.remove(data)
    return TriangleMesh(vertices.reshape(-1, 3), faces.reshape(-1, 3))


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


PEER = "pymeshlab"  # the ratios are to it
# name -> (package it needs, engine)
OURS: dict[str, tuple[str, Engine]] = {
    "fast, 1 thread": ("hy3dgen", ours("fast", 1)),
    "fast, 2 threads": ("hy3dgen", ours("fast", 2)),
    "quality, 2 threads": ("hy3dgen", ours("quality", 2)),
    "preview, 1 thread": ("hy3dgen", ours("preview", 1)),
    "preview, 2 threads": ("hy3dgen", ours("preview", 2)),
}
OTHERS: dict[str, tuple[str, Engine]] = {
    "fast_simplification": ("fast_simplification", fast_simplification_as_shipped),
    "fast_simplification at 1000 units": ("fast_simplification", fast_simplification_scaled),
    "meshoptimizer": ("meshoptimizer", meshoptimizer_simplify),
    "VTK": ("vtk", vtk_quadric),
    "open3d": ("open3d", open3d_quadric),
    "Blender Decimate": ("bpy", blender_decimate),
}
ENGINES = {PEER: ("pymeshlab", pymeshlab_defaults), **OURS, **OTHERS}


def run(
    name: str, mesh: TriangleMesh, target: int, repeat: int, python: str | None = None
) -> tuple[TriangleMesh, dict] | str:
    """The reduced mesh and what it took, or a sentence why there is none.

    `python` is the interpreter to use, where it is not this one.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, told = Path(folder) / "given.npz", Path(folder) / "told.npz"
        np.savez(given, vertices=mesh.vertices, faces=mesh.faces)
        command = [python or sys.executable, "-m", "benchmarks.reduction_engines", name]
        command += [str(given), str(target), str(repeat), str(told)]
        root = Path(__file__).resolve().parent.parent
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
        if not told.is_file():
            lines = (done.stderr or done.stdout).strip().splitlines()
            return lines[-1] if lines else f"ended with {done.returncode}"
        with np.load(told) as arrays:
            result = TriangleMesh(arrays["vertices"], arrays["faces"])
            return result, json.loads(str(arrays["report"]))


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


def small_mesh(side: int = 40) -> TriangleMesh:
    """A torus, to warm up on."""
    u, v = np.meshgrid(*2 * [np.arange(side) * 2 * np.pi / side], indexing="ij")
    around = 1 + 0.3 * np.cos(v)
    vertices = np.stack([around * np.cos(u), around * np.sin(u), 0.3 * np.sin(v)], axis=-1)
    at = np.arange(side * side).reshape(side, side)
    right, up, both = np.roll(at, -1, 0), np.roll(at, -1, 1), np.roll(at, (-1, -1), (0, 1))
    faces = [np.stack([at, right, both], -1), np.stack([at, both, up], -1)]
    return TriangleMesh(vertices.reshape(-1, 3), np.concatenate(faces).reshape(-1, 3))


def main(name: str, given: str, target: int, repeat: int, told: str) -> None:
    with np.load(given) as arrays:
        mesh = TriangleMesh(arrays["vertices"], arrays["faces"])
    engine = ENGINES[name][1]
    engine(small_mesh(), 1000)
    before = reset_peak_memory()
    seconds, cpu_seconds = [], []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        result = engine(mesh, target)
        seconds.append(time.perf_counter() - wall)
        cpu_seconds.append(time.process_time() - cpu)
        if len(seconds) == 1:  # later the result of before is there as well
            peak = memory("VmHWM") - before
    digest = hashlib.sha256(result.vertices.tobytes() + result.faces.tobytes()).hexdigest()
    report = {
        "seconds": min(seconds),
        "cpu_seconds": min(cpu_seconds),
        "peak_bytes_per_face": round(peak / len(mesh.faces), 1) if before else None,
        "sha256": digest,
    }
    np.savez(told, vertices=result.vertices, faces=result.faces, report=json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
