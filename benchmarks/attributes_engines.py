# SPDX-License-Identifier: Apache-2.0
"""Reductions that carry a UV map or a weight, ours and pymeshlab's, each in its own process."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hy3dgen.mesh import Attribute, TriangleMesh, reduce_faces, reduce_with_attributes

Reduced = tuple[TriangleMesh, np.ndarray]
# (mesh, values, target) -> what is timed: it returns the reduced mesh and its values, which are UVs
# (3F, 2) by corner or weights (V,).
Engine = Callable[[TriangleMesh, np.ndarray, int], Callable[[], Reduced]]


def ours(method: str) -> Engine:
    def prepare(mesh, values, target):
        attribute = Attribute("carried", "corner" if values.ndim == 2 else "vertex", values)

        def reduce() -> Reduced:
            reduced, (kept,), _ = reduce_with_attributes(mesh, [attribute], target, method)
            return reduced, kept.values

        return reduce

    return prepare


def ours_without(method: str) -> Engine:
    """The same reduction of the bare mesh, for what attributes cost."""
    return lambda mesh, values, target: lambda: (reduce_faces(mesh, target, method), values[:0])


def pymeshlab_uv(mesh, values, target):
    """Its decimation with texture, with its defaults."""
    meshes = _with_uv(mesh, values)

    def reduce() -> Reduced:
        meshes.meshing_decimation_quadric_edge_collapse_with_texture(targetfacenum=target)
        result = meshes.current_mesh()
        return _triangles(result), result.wedge_tex_coord_matrix().astype(np.float32)

    return reduce


def _with_uv(mesh, values):
    """Read from a file with a texture: the filter refuses UVs that came as arrays, without one."""
    import pymeshlab
    from PIL import Image

    folder = Path(tempfile.mkdtemp())
    Image.new("RGB", (16, 16)).save(folder / "small.png")
    (folder / "one.mtl").write_text("newmtl one\nmap_Kd small.png\n")
    numbers = np.arange(1, len(values) + 1).reshape(-1, 3)
    lines = ["mtllib one.mtl", "usemtl one"]
    lines += [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in mesh.vertices]
    lines += [f"vt {u:.9g} {v:.9g}" for u, v in values]
    lines += [
        "f " + " ".join(f"{v}/{t}" for v, t in zip(face, corner, strict=True))
        for face, corner in zip(mesh.faces + 1, numbers, strict=True)
    ]
    (folder / "one.obj").write_text("\n".join(lines))
    meshes = pymeshlab.MeshSet()
    try:
        meshes.load_new_mesh(str(folder / "one.obj"))
    finally:
        shutil.rmtree(folder)
    return meshes


def pymeshlab_kept(mesh, values, target):
    """Its decimation with defaults, which leaves each vertex the value that it happens to have."""
    meshes = _with_scalar(mesh, values)

    def reduce() -> Reduced:
        meshes.meshing_decimation_quadric_edge_collapse(targetfacenum=target)
        result = meshes.current_mesh()
        return _triangles(result), result.vertex_scalar_array().astype(np.float32)

    return reduce


def pymeshlab_transferred(mesh, values, target):
    """The same, and values looked up on the old surface afterwards."""
    import pymeshlab

    meshes = _with_scalar(mesh, values)
    meshes.add_mesh(pymeshlab.Mesh(mesh.vertices.astype(np.float64), mesh.faces))

    def reduce() -> Reduced:
        meshes.meshing_decimation_quadric_edge_collapse(targetfacenum=target)
        meshes.transfer_attributes_per_vertex(
            sourcemesh=0,
            targetmesh=1,
            geomtransfer=False,
            colortransfer=False,
            qualitytransfer=True,
        )
        result = meshes.current_mesh()
        return _triangles(result), result.vertex_scalar_array().astype(np.float32)

    return reduce


def _with_scalar(mesh, values):
    import pymeshlab

    meshes = pymeshlab.MeshSet()
    meshes.add_mesh(
        pymeshlab.Mesh(
            mesh.vertices.astype(np.float64),
            mesh.faces,
            v_scalar_array=values.astype(np.float64),
        )
    )
    return meshes


def _triangles(mesh) -> TriangleMesh:
    return TriangleMesh(mesh.vertex_matrix(), mesh.face_matrix())


PEER = "pymeshlab"
BARE = "bare "
UV_ENGINES: dict[str, Engine] = {
    PEER: pymeshlab_uv,
    "fast": ours("fast"),
    "quality": ours("quality"),
    BARE + "fast": ours_without("fast"),
    BARE + "quality": ours_without("quality"),
}
WEIGHT_ENGINES: dict[str, Engine] = {
    PEER: pymeshlab_transferred,
    "pymeshlab, nothing done": pymeshlab_kept,
    "fast": ours("fast"),
    "quality": ours("quality"),
}


def run(
    name: str, mesh: TriangleMesh, values: np.ndarray, target: int, repeat: int
) -> tuple[TriangleMesh, np.ndarray, dict[str, float]]:
    """Reduced mesh, its values, and the least seconds of `repeat` calls; or a RuntimeError."""
    with tempfile.TemporaryDirectory() as folder:
        given, told = Path(folder) / "given.npz", Path(folder) / "told.npz"
        np.savez(given, vertices=mesh.vertices, faces=mesh.faces, values=values)
        root = Path(__file__).resolve().parent.parent
        command = [sys.executable, "-m", "benchmarks.attributes_engines", name, str(given)]
        done = subprocess.run(
            [*command, str(target), str(repeat), str(told)],
            capture_output=True,
            text=True,
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
        if not told.is_file():
            raise RuntimeError(f"{name}: {done.stderr[-500:] or done.returncode}")
        with np.load(told) as arrays:
            reduced = TriangleMesh(arrays["vertices"], arrays["faces"])
            return reduced, arrays["values"], json.loads(str(arrays["times"]))


def main(name: str, given: str, target: int, repeat: int, told: str) -> None:
    with np.load(given) as arrays:
        mesh, values = TriangleMesh(arrays["vertices"], arrays["faces"]), arrays["values"]
    engine = (UV_ENGINES if values.ndim == 2 else WEIGHT_ENGINES)[name]
    times = []
    for _ in range(repeat):
        reduce = engine(mesh, values, target)
        wall, cpu = time.perf_counter(), time.process_time()
        reduced, kept = reduce()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = np.min(times, axis=0)
    np.savez(
        told,
        vertices=reduced.vertices,
        faces=reduced.faces,
        values=kept,
        times=json.dumps({"seconds": round(wall, 3), "cpu_seconds": round(cpu, 3)}),
    )


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:5]), sys.argv[5])
