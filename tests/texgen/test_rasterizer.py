# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from texture_golden import load

from hy3dgen.errors import InvalidMeshError
from hy3dgen.mesh.native.loader import native_available
from hy3dgen.texgen import rasterizer
from hy3dgen.texgen.rasterizer import interpolate, rasterize

BACKENDS = ["numpy", "torch"] + (["native"] if native_available() else [])
CASES = (
    *("single", "winding", "full_quad", "full_quad_rev", "intersecting", "depth_tie"),
    *("depth_tie_rev", "odd", "perspective_w", "soup", "mesh_0", "mesh_1", "mesh_2", "mesh_3"),
    *("mesh_4", "mesh_depth_prior"),
)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES)
def test_same_bits_as_recorded(case, backend):
    golden = load("raster")
    if f"{case}.pos" not in golden:
        pytest.skip("not in this set")
    (row,) = (row for row in golden.info["cases"] if row["name"] == case)
    prior = golden[f"{case}.depth_prior"] if row["depth_prior"] else None
    points, faces = golden[f"{case}.pos"], golden[f"{case}.tri"]
    found = rasterize(points, faces, (row["height"], row["width"]), prior, backend)
    numbers, weights = (np.asarray(array) for array in found)
    assert np.array_equal(numbers, golden[f"{case}.findices"])
    assert np.count_nonzero(numbers) == row["covered"]
    np.testing.assert_allclose(weights, golden[f"{case}.bary"], rtol=0, atol=1e-6)
    values = interpolate(golden[f"{case}.attr"], numbers, weights, faces)
    np.testing.assert_allclose(values, golden[f"{case}.interp"], rtol=0, atol=1e-5)


def random_triangles(count=400, seed=3):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1.3, 1.3, (3 * count, 4)).astype(np.float32)
    points[:, 3] = rng.uniform(0.5, 2, 3 * count)
    points[:9, :2] = np.float32([[0, 0], [0, 0], [1, 1]] * 3)  # without area
    return points, np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


@pytest.mark.parametrize("size", [(1, 1), (7, 130), (97, 64)])
def test_backends_agree_on_triangles_that_reach_outside(size):
    points, faces = random_triangles()
    results = [rasterize(points, faces, size, backend=backend) for backend in BACKENDS]
    for numbers, weights in results[1:]:
        assert np.array_equal(results[0][0], numbers)
        assert np.array_equal(results[0][1], weights)


@pytest.mark.parametrize("backend", BACKENDS)
def test_points_at_infinity_draw_nothing(backend):
    points = np.float32([[0, 0, 0, 0], [np.nan, 0, 0, 1], [np.inf, 1, 0, 1], [1, 1, 0, 1]])
    faces = np.int32([[0, 1, 3], [1, 2, 3], [0, 2, 3], [3, 3, 3]])
    numbers, weights = rasterize(points, faces, (8, 8), backend=backend)
    assert not np.asarray(numbers).any()
    assert not np.asarray(weights).any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_faces_give_background(backend):
    empty = np.zeros((0, 4), np.float32), np.zeros((0, 3), np.int32)
    numbers, weights = rasterize(*empty, (4, 5), backend=backend)
    assert numbers.shape == (4, 5)
    assert weights.shape == (4, 5, 3)


def test_a_face_without_its_vertex_is_told():
    with pytest.raises(InvalidMeshError, match="was the vertex list filtered"):
        rasterize(np.zeros((2, 4), np.float32), np.int32([[0, 1, 2]]), (4, 4))


@pytest.mark.parametrize("backend", BACKENDS)
def test_faces_on_top_of_each_other_end_in_a_sentence(backend, monkeypatch):
    """A budget of work, not of time: it ends alike on every machine."""
    monkeypatch.setattr(rasterizer, "WORK_LIMIT", 2_000_000)
    points = np.float32([[-1, -1, 0, 1], [1, -1, 0, 1], [-1, 1, 0, 1]])
    for count, fits in ((100, True), (300, False)):
        faces = np.tile(np.int32([[0, 1, 2]]), (count, 1))
        if fits:
            assert np.asarray(rasterize(points, faces, (100, 100), backend=backend)[0]).any()
            continue
        with pytest.raises(InvalidMeshError, match=r"100 x 100 pixels 30\d times over.*new ones"):
            rasterize(points, faces, (100, 100), backend=backend)
    tiny = np.float32([[0, 0, 0, 1], [0.001, 0, 0, 1], [0, 0.001, 0, 1]])
    assert rasterize(tiny, faces, (100, 100), backend=backend) is not None
