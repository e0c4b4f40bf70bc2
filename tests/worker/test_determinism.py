# SPDX-License-Identifier: Apache-2.0
"""The same job gives the same bytes: in another process, with 1 or 2 threads, under load, after
other jobs. After thousands of jobs: `python -m trials.soak`."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hy3dgen.mesh import native_available
from hy3dgen.worker.client import WorkerClient

if not native_available():
    pytest.skip("the mesh kernel is not built", allow_module_level=True)
if not hasattr(os, "sched_setaffinity"):
    pytest.skip("processors cannot be taken away here", allow_module_level=True)

# A worker that may use so many processors, with torch or as if nothing but numpy were installed.
WORKER = """
import os, sys
processors, engine, folder = sys.argv[1:]
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(processors)])
sys.path.insert(0, folder)
if engine == "numpy":
    for name in ("torch", "safetensors", "yaml", "PIL", "cv2", "skimage", "scipy", "trimesh"):
        sys.modules[name] = None
from hy3dgen.worker.__main__ import main
main()
"""
SETTINGS = {"seed": 5, "num_inference_steps": 2, "octree_resolution": 48, "face_count": 800}


def worker(engine, processors):
    folder = str(Path(__file__).parents[2])
    return WorkerClient([sys.executable, "-c", WORKER, str(processors), engine, folder])


def picture():
    """A disc with a gradient."""
    y, x = np.mgrid[:128, :128]
    image = np.zeros((128, 128, 4), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = x, y, 200
    image[..., 3] = 255 * ((x - 64) ** 2 + (y - 64) ** 2 < 48**2)
    return image


def sphere(side=60):
    """A bumpy one of 6 * 2 * side**2 faces that are not joined at the cube's edges."""
    steps = np.linspace(-1, 1, side + 1)
    a, b = (grid.ravel() for grid in np.meshgrid(steps, steps, indexing="ij"))
    at = np.arange((side + 1) ** 2).reshape(side + 1, side + 1)
    corners = at[:-1, :-1].ravel(), at[1:, :-1].ravel(), at[1:, 1:].ravel(), at[:-1, 1:].ravel()
    square = np.concatenate([np.stack(corners[:3], -1), np.stack([*corners[2:], corners[0]], -1)])
    sides, faces = [], []
    for axis in range(3):
        for sign in (1, -1):
            points = np.roll(np.stack([a, b, np.full_like(a, sign)], -1), axis, 1)
            faces.append(square[:, ::sign] + len(sides) * len(a))
            sides.append(points)
    points = np.concatenate(sides)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points *= 1 + 0.05 * np.sin(9 * points).prod(1, keepdims=True)
    return points.astype(np.float32), np.concatenate(faces).astype(np.int32)


def results(client):
    """Digests of a generated mesh and of one reduced in each way."""
    vertices, faces = sphere()
    mesh = {"vertices": vertices, "faces": faces}
    jobs = [
        ("generate", SETTINGS, {"image": picture()}),
        ("reduce", {"face_count": 3000, "method": "quality"}, mesh),
        ("reduce", {"face_count": 3000, "method": "fast"}, mesh),
    ]
    found = []
    for job in jobs:
        arrays = client.run(*job).arrays
        content = arrays["vertices"].tobytes() + arrays["faces"].tobytes()
        found.append((len(arrays["faces"]), hashlib.sha256(content).hexdigest()))
    return found


@pytest.mark.parametrize("engine", ["numpy", pytest.param("torch", marks=pytest.mark.slow)])
def test_the_same_bytes_come_from_every_worker_at_any_time(engine, roots):
    if engine == "torch":
        pytest.importorskip("torch")
    with worker(engine, 1) as one, worker(engine, 2) as two:
        one.start(120)
        two.start(120)
        expected = results(one)
        assert all(faces > 100 for faces, _ in expected)
        assert results(two) == expected, "2 processors, another process"
        load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
        try:
            assert results(two) == expected, "under load"
        finally:
            for process in load:
                process.kill()
                process.wait()
        for number in range(5):
            mesh = dict(zip(("vertices", "faces"), sphere(5 + number), strict=True))
            one.run("reduce", {"face_count": 50, "method": "fast"}, mesh)
            one.run("generate", {**SETTINGS, "seed": number, "octree_resolution": 32},
                    {"image": picture()})  # fmt: skip
        assert results(one) == expected, "after other jobs"
