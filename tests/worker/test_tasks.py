# SPDX-License-Identifier: Apache-2.0
"""The tasks of the real worker, asked through the real client."""

import subprocess
import sys

import numpy as np
import pytest

from hy3dgen.errors import Cancelled, TaskFailedError
from hy3dgen.mesh import native_available
from hy3dgen.worker.client import WorkerClient, worker_command
from hy3dgen.worker.protocol import Hello, decode

needs_kernel = pytest.mark.skipif(
    not native_available(), reason="the mesh kernel is not built; python build.py test builds it"
)


@pytest.fixture(scope="module")
def worker():
    with WorkerClient(worker_command()) as client:
        client.start(30)
        yield client


def grid(side):
    """A flat square of 2 side² triangles."""
    row = np.arange(side + 1, dtype=np.float32)
    vertices = np.stack([*np.meshgrid(row, row), np.zeros((side + 1,) * 2)], -1).reshape(-1, 3)
    corner = (np.arange(side)[:, None] * (side + 1) + np.arange(side)).reshape(-1, 1)
    square = np.array([[0, 1, side + 2], [0, side + 2, side + 1]])
    faces = (corner[:, None] + square).reshape(-1, 3)
    return {"vertices": vertices.astype(np.float32), "faces": faces.astype(np.int32)}


def test_ping(worker):
    result = worker.run("ping")
    assert result.values == {} and result.arrays == {}
    with pytest.raises(TaskFailedError, match="no setting 'loud'"):
        worker.run("ping", {"loud": True})


@needs_kernel
@pytest.mark.parametrize("method", ["fast", "quality", None])
def test_reduce(worker, method):
    arrays = grid(40)
    seen = []
    params = {"face_count": 100, "method": method}
    result = worker.run("reduce", params, arrays, on_event=seen.append)
    assert result.values == {"faces_before": 3200}
    vertices, faces = result.arrays["vertices"], result.arrays["faces"]
    assert vertices.dtype == np.float32 and faces.dtype == np.int32
    assert 2 <= len(faces) <= 100 and faces.max() == len(vertices) - 1
    a, b, c = vertices[faces].transpose(1, 0, 2)
    assert np.cross(b - a, c - a)[:, 2].sum() / 2 == pytest.approx(1600, rel=1e-5)
    assert {event.stage for event in seen} <= {"reduce"}


@needs_kernel
def test_a_face_count_larger_than_the_mesh_returns_the_mesh(worker):
    arrays = grid(4)
    result = worker.run("reduce", {"face_count": 10_000}, arrays)
    np.testing.assert_array_equal(result.arrays["vertices"], arrays["vertices"])
    np.testing.assert_array_equal(result.arrays["faces"], arrays["faces"])


BAD = [
    ({"face_count": 0}, {}, "InvalidSettingError", "face_count is 0; it must be a whole number"),
    ({}, {}, "InvalidSettingError", "face_count is missing"),
    ({"face_count": 9, "method": "best"}, {}, "InvalidSettingError", "'fast' or 'quality'"),
    ({"face_count": 9}, {"faces": None}, "InvalidSettingError", "'faces' is missing"),
    ({"face_count": 9}, {"faces": np.full((1, 3), 99, np.int32)}, "InvalidMeshError", "vertex 99"),
    ({"face_count": 9}, {"faces": np.zeros((0, 3), np.int32)}, "InvalidMeshError", "no faces"),
    ({"face_count": 9}, {"vertices": np.full((25, 3), np.nan)}, "InvalidMeshError", "finite"),
]


@needs_kernel
@pytest.mark.parametrize(("params", "changes", "kind", "said"), BAD, ids=lambda v: str(v)[:30])
def test_bad_input_for_reduce_gets_one_sentence(worker, params, changes, kind, said):
    arrays = {name: a for name, a in {**grid(4), **changes}.items() if a is not None}
    with pytest.raises(TaskFailedError) as caught:
        worker.run("reduce", params, arrays)
    assert caught.value.kind == kind and said in str(caught.value)


@needs_kernel
def test_reduce_can_be_cancelled(worker):
    def stop(event):
        worker.cancel(event.request)

    with pytest.raises(Cancelled):
        worker.run("reduce", {"face_count": 1000}, grid(700), on_event=stop)
    assert worker.run("ping").values == {}


def test_the_module_can_be_started_by_any_program():
    """As `python -m hy3dgen.worker`, one line in the protocol, and the end of input ends it."""
    command = [sys.executable, "-m", "hy3dgen.worker"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True
    )
    (line,) = done.stdout.splitlines()
    assert "ping" in decode(line, (Hello,)).tasks
