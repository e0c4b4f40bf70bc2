# SPDX-License-Identifier: Apache-2.0
"""What stands in for the mesh kernel where there is none gives the same."""

import numpy as np
import pytest

from hy3dgen.errors import Cancelled
from hy3dgen.mesh.native import loader as kernel
from hy3dgen.texgen import bake, edges, inpaint

pytestmark = pytest.mark.skipif(not kernel.native_available(), reason="no kernel to compare with")


def blobs(seed, size=(61, 47)):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (8, 8)).astype(np.float32)
    image = np.kron(coarse, np.ones((8, 8)))[: size[0], : size[1]]
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(4))
def test_edges(seed):
    cv2 = pytest.importorskip("cv2")
    image = blobs(seed)
    want = cv2.Canny(image, 30, 80) > 0
    assert want.any()
    assert np.array_equal(kernel.edges(image, 30, 80), want)
    assert np.array_equal(edges.edges_with_numpy(image, 30, 80), want)


@pytest.mark.parametrize("radius", [0, 1, 5, 80])
def test_spread(radius):
    mask = np.random.default_rng(radius).random((33, 40)) < 0.01
    want = np.zeros_like(mask)
    for row, column in np.argwhere(mask):
        rows = slice(max(row - radius, 0), row + radius + 1)
        want[rows, max(column - radius, 0) : column + radius + 1] = True
    assert np.array_equal(edges.spread(mask, radius), want)
    assert np.array_equal(edges.spread_with_numpy(mask, radius), want)


def test_scatter():
    rng = np.random.default_rng(1)
    places = rng.random((300, 2)).astype(np.float32)
    places[:2] = [[0, 0], [1, 1]]  # the corners
    values = rng.random((300, 3)).astype(np.float32)
    sums, weights = np.zeros((2, 9, 12, 3), np.float32), np.zeros((2, 9, 12), np.float32)
    kernel.splat(places, values, sums[0], weights[0])
    bake.scatter_with_numpy(places, values, sums[1], weights[1])
    np.testing.assert_allclose(sums[0], sums[1], atol=1e-5)
    np.testing.assert_allclose(weights[0], weights[1], atol=1e-5)


def grid(side=12):
    axis = np.linspace(0, 1, side)
    x, y = np.meshgrid(axis, axis)
    positions = np.stack([x, y, x * y], axis=-1).reshape(-1, 3).astype(np.float32)
    i = np.arange(side * side).reshape(side, side)
    a, b, c, d = (part.ravel() for part in (i[:-1, :-1], i[:-1, 1:], i[1:, :-1], i[1:, 1:]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    return positions, faces.astype(np.int32)


def test_vertex_fill():
    positions, faces = grid()
    results = []
    for fill in (kernel.fill_vertices, inpaint.fill_vertices_plainly):
        coloured = np.zeros(len(positions), np.uint8)
        colours = np.zeros((len(positions), 3), np.float32)
        coloured[[0, 143]] = 1
        colours[[0, 143]] = [[1, 0, 0.5], [0, 1, 0.5]]
        waiting = faces.ravel()[~np.isin(faces.ravel(), [0, 143])]
        fill(positions, faces, waiting, coloured, colours, lambda fraction: None)
        assert coloured.all()
        results.append(colours)
    np.testing.assert_allclose(*results, atol=2e-6)


def test_vertex_fill_can_be_stopped():
    def stop(fraction):
        raise Cancelled("enough")

    positions, faces = grid()
    texture, mask = np.ones((8, 8, 3), np.float32), np.zeros((8, 8), np.uint8)
    mask[0, 0] = 255
    with pytest.raises(Cancelled):
        inpaint.fill_along_mesh(texture, mask, positions, faces, positions[:, :2], progress=stop)


def test_gaps_take_the_colour_around_them():
    pixels = np.zeros((37, 50, 3), np.uint8)
    pixels[:, :25], pixels[:, 25:] = (200, 10, 90), (20, 110, 30)
    painted = np.random.default_rng(0).random((37, 50)) < 0.3
    painted[:, 20:30] = True
    filled = inpaint.fill_smoothly(np.where(painted[..., None], pixels, 0), painted)
    assert np.array_equal(filled[painted], pixels[painted])
    off = np.abs(filled.astype(int) - pixels).max(axis=-1)
    assert off[:, :16].max() <= 2
    assert off[:, 34:].max() <= 2


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("seed", range(6))
def test_gaps_of_a_picture(seed, threads):
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(seed)
    size = [(40, 210), (210, 40), (3, 3), (1, 9), (64, 64), (90, 120)][seed]
    pixels = np.stack([np.resize(blobs(seed + c, (64, 64)), size) for c in range(3)], axis=-1)
    coarse = rng.random((-(-size[0] // 9), -(-size[1] // 9))) > 0.4
    gaps = np.kron(coarse, np.ones((9, 9)))[: size[0], : size[1]].astype(np.uint8) * np.uint8(255)
    gaps[rng.random(size) > 0.97] = 255
    want = cv2.inpaint(pixels, gaps, 3, cv2.INPAINT_NS)
    got = pixels.copy()
    kernel.inpaint(got, kernel.march(gaps), threads=threads)
    np.testing.assert_array_equal(got, want)


def test_gaps_given_up_leave_the_picture():
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    gaps = np.zeros((200, 200), np.uint8)
    gaps[5:195, 5:195] = 1
    before = pixels.copy()

    def stop(fraction):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        kernel.march(gaps, stop)
    with pytest.raises(Cancelled):
        kernel.inpaint(pixels, kernel.march(gaps), stop)
    assert np.array_equal(pixels, before)
