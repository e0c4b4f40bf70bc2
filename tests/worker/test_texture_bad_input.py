# SPDX-License-Identifier: Apache-2.0
"""What a user may give to be painted, however unfit: a result or one clear sentence, in time."""

import sys
from pathlib import Path

import numpy as np
import pytest

from hy3dgen.errors import TaskFailedError
from hy3dgen.mesh import TriangleMesh
from hy3dgen.mesh.box_unwrap import box_unwrap
from hy3dgen.worker.client import WorkerClient, worker_command

sys.path.insert(0, str(Path(__file__).parents[1] / "mesh"))
from known_meshes import joined, moved, sphere


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Where the worker may put files, and what it must leave empty."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def worker(files):
    patch = pytest.MonkeyPatch()
    patch.setenv("TMPDIR", str(files))
    with WorkerClient(worker_command()) as client:
        client.start()
        yield client
    patch.undo()
    assert list(files.iterdir()) == []


def disc(alpha=True):
    y, x = np.mgrid[:96, :96] / 95 * 2 - 1
    inside = x**2 + y**2 < 0.9
    image = np.full((96, 96, 4), 255, np.uint8)
    image[inside, :3] = np.where(y < 0, 1, 0)[inside][:, None] * [200, 0, 0] + [20, 20, 20]
    if alpha:
        image[..., 3] = 255 * inside
    return image


BALL = sphere(17)
UVS = box_unwrap(BALL).corners
SQUARE = np.tile(np.float32([[0, 0], [1, 0], [1, 1]]), (len(BALL.faces), 1))
FAN = TriangleMesh(  # one edge of five faces, and a vertex where two fans meet
    np.float32([[0, 0, 0], [0, 1, 0], *([np.cos(a), 0.5, np.sin(a)] for a in range(5))]),
    np.int32([[0, 1, 2 + i] for i in range(5)] + [[0, 2, 3]]),
)
MESHES = {
    "no UVs": BALL,
    "non-manifold": joined(BALL, FAN),
    "faces twice": TriangleMesh(BALL.vertices, np.concatenate([BALL.faces, BALL.faces[:90]])),
    "inside out": TriangleMesh(BALL.vertices, BALL.faces[:, ::-1]),
    "partly inside out": TriangleMesh(
        BALL.vertices, np.concatenate([BALL.faces[::2, ::-1], BALL.faces[1::2]])
    ),
    "forty parts": joined(
        *(moved(sphere(7), [3 * (i % 7), 3 * (i // 7 % 3), 3 * (i // 21)]) for i in range(40))
    ),
    "no area": TriangleMesh(BALL.vertices, np.concatenate([BALL.faces, [[0, 0, 5], [1, 2, 2]]])),
    "flat": TriangleMesh(BALL.vertices * np.float32([1, 1, 0]), BALL.faces),
    "far and tiny": moved(TriangleMesh(BALL.vertices * np.float32(1e-3), BALL.faces), [90, 0, 0]),
}


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("method", ["box", "xatlas"])
def test_meshes_of_every_kind_are_painted(worker, name, method):
    mesh = MESHES[name]
    arrays = {"vertices": mesh.vertices, "faces": mesh.faces, "image": disc()}
    params = {"texture_size": 64, "unwrap": method, "unwrap_seconds": 20}
    result = worker.run("texture", params, arrays)
    assert result.arrays["colour"].shape == (64, 64, 3)
    assert result.arrays["uvs"].shape == (3 * len(mesh.faces), 2)
    assert np.isfinite(result.arrays["uvs"]).all()
    assert len(np.unique(result.arrays["colour"].reshape(-1, 3), axis=0)) > 1


def run(worker, params=None, mesh=BALL, **arrays):
    given = {"vertices": mesh.vertices, "faces": mesh.faces, "image": disc(), **arrays}
    return worker.run("texture", {"texture_size": 64, **(params or {})}, given)


def test_overlapping_uvs_are_painted_and_told(worker):
    result = run(worker, {"unwrap": "keep"}, uvs=SQUARE)
    assert result.values["overlapping_uvs"] > 0.9


@pytest.mark.parametrize(
    ("uvs", "words"),
    [
        (UVS + np.float32([1, 0]), "outside the texture's square"),
        (np.where(np.arange(len(UVS))[:, None] == 7, np.float32(np.nan), UVS), "number|finite"),
        (UVS[:-1], "UVs"),
        (None, "no UVs to keep"),
    ],
    ids=["outside", "not a number", "one missing", "none"],
)
def test_uvs_that_cannot_be_used_end_in_a_sentence(worker, uvs, words):
    with pytest.raises(TaskFailedError, match=words) as caught:
        run(worker, {"unwrap": "keep"}, **({} if uvs is None else {"uvs": uvs}))
    assert "\n" not in str(caught.value) and "Traceback" not in str(caught.value)


@pytest.mark.parametrize("alpha", [True, False])
def test_pictures_with_and_without_alpha(worker, alpha):
    """Without, a plain ground is cut away."""
    result = run(worker, image=disc(alpha) if alpha else disc(alpha)[..., :3].copy())
    assert result.values["overlap"] > 0.8


def test_a_picture_of_something_else_is_laid_on_and_told(worker):
    bar, image = np.zeros((2, 96, 96, 4), np.uint8)
    bar[44:52] = [10, 200, 10, 255]  # stretched to a square it would be much like a ball
    assert run(worker, image=bar).values["overlap"] < 0.3
    for corner in (image[:9, :9], image[-9:, -9:]):  # two specks, on a ball
        corner[:] = [10, 200, 10, 255]
    assert run(worker, image=image).values["overlap"] < 0.75
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 4), np.uint8)
    try:
        assert run(worker, image=noise).arrays["colour"].shape == (64, 64, 3)
    except TaskFailedError as error:
        assert "\n" not in str(error)


def test_thousands_of_faces_over_the_whole_texture_end_in_a_sentence(worker):
    mesh = TriangleMesh(BALL.vertices, np.tile(BALL.faces, (2, 1)))
    uvs = np.tile(SQUARE, (2, 1))
    with pytest.raises(TaskFailedError, match=r"times over.*make new ones"):
        run(worker, {"unwrap": "keep", "texture_size": 2048}, mesh, uvs=uvs)


@pytest.mark.slow
def test_two_million_faces(worker):
    mesh = sphere(410)
    assert len(mesh.faces) > 2_000_000
    result = run(worker, {"unwrap": "xatlas"}, mesh)
    assert result.values["unwrap"].startswith("box (")
    assert result.arrays["uvs"].shape == (3 * len(mesh.faces), 2)
