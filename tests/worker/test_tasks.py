# SPDX-License-Identifier: Apache-2.0
"""The tasks of the real worker, asked through the real client."""

import subprocess
import sys

import numpy as np
import pytest

from hy3dgen.errors import Cancelled, InvalidSettingError, TaskFailedError
from hy3dgen.mesh import Attribute, native_available
from hy3dgen.worker.attribute_arrays import pack
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


def test_status_tells_memory(worker):
    values = worker.run("status").values
    assert 0 <= values["free_mb"] <= values["total_mb"]
    with pytest.raises(TaskFailedError, match="no setting 'loud'"):
        worker.run("status", {"loud": True})


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


@needs_kernel
def test_reduce_to_a_ratio(worker):
    result = worker.run("reduce", {"ratio": 0.1}, grid(20))
    assert 2 <= len(result.arrays["faces"]) <= 80


@needs_kernel
def test_reduce_with_attributes(worker):
    arrays = grid(20)
    corners = arrays["vertices"][arrays["faces"]].reshape(-1, 3)
    middle = corners.reshape(-1, 3, 3).mean(axis=1)
    attributes = [
        Attribute("UV Map", "corner", corners[:, :2] / 20),
        Attribute("Group", "vertex", arrays["vertices"][:, 0] / 20),
        Attribute("Gruppe 2", "vertex", arrays["vertices"][:, 1] / 20),
        Attribute("material", "face", np.int32(middle[:, 0] > 10)),
        Attribute("selected", "vertex", arrays["vertices"][:, 0] > 10),
        Attribute("noise", "face", np.arange(800), parts=True),
    ]
    packed = pack(attributes)
    assert set(packed.arrays) == {
        *("corner_blend_parts_0", "vertex_blend_1", "face_nearest_parts_2", "vertex_nearest_3"),
        "face_nearest_parts_4",
    }
    assert packed.arrays["vertex_blend_1"].shape == (441, 2), "groups share an array"
    result = worker.run("reduce", {"face_count": 60}, arrays | packed.arrays)
    assert packed.names_of(result.values["scattered"]) == ["noise"]
    kept = {attribute.name: attribute for attribute in packed.unpack(result.arrays)}
    vertices, faces = result.arrays["vertices"], result.arrays["faces"]
    assert len(faces) <= 60
    np.testing.assert_allclose(
        kept["UV Map"].values, vertices[faces].reshape(-1, 3)[:, :2] / 20, atol=1e-5
    )
    np.testing.assert_allclose(kept["Group"].values, vertices[:, 0] / 20, atol=1e-5)
    np.testing.assert_allclose(kept["Gruppe 2"].values, vertices[:, 1] / 20, atol=1e-5)
    assert kept["selected"].values.dtype == bool
    np.testing.assert_array_equal(kept["material"].values, vertices[faces].mean(axis=1)[:, 0] > 10)


def test_too_many_attributes_for_a_message_are_refused():
    many = [Attribute(str(i), "corner", np.zeros((3, 2))) for i in range(31)]
    with pytest.raises(InvalidSettingError, match=r"31 UV maps.*30 at most"):
        pack(many)
    assert len(pack([Attribute(str(i), "vertex", np.zeros(3)) for i in range(500)]).arrays) == 1


BAD = [
    ({"face_count": 0}, {}, "InvalidSettingError", "face_count is 0; it must be a whole number"),
    ({}, {}, "InvalidSettingError", "face_count is missing"),
    ({"face_count": 9, "ratio": 0.5}, {}, "InvalidSettingError", "only one of them"),
    ({"ratio": 0.0}, {}, "InvalidSettingError", "above 0"),
    ({"ratio": 1.5}, {}, "InvalidSettingError", "ratio is 1.5"),
    ({"face_count": 9}, {"uv": np.zeros((9, 2))}, "InvalidSettingError", "no array 'uv'"),
    (
        {"face_count": 9},
        {"corner_blend_0": np.zeros((9, 2))},
        *("InvalidMeshError", "has 9 rows, but 3F = 96 are wanted"),
    ),
    (
        {"face_count": 9},
        {"corner_unit_0": np.zeros((96, 2))},
        *("InvalidMeshError", "directions have 3 numbers"),
    ),
    ({"face_count": 9}, {"face_blend_0": np.zeros(32)}, "InvalidMeshError", "has 1 axes"),
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
