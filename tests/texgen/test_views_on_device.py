# SPDX-License-Identifier: Apache-2.0
"""Drawing and baking in tensors: the same as in arrays; on a GPU see tests/gpu."""

import numpy as np
import pytest
import torch
from PIL import Image
from tensor_views import bumpy_ball, compare_views, pictures_of

from hy3dgen.texgen.bake import scatter
from hy3dgen.texgen.edges import find_edges, spread
from hy3dgen.texgen.edges_on_device import find_edges_on_device
from hy3dgen.texgen.resize_on_device import resize_bicubic
from hy3dgen.texgen.views_on_device import (
    bake_views_on_device,
    draw_views_on_device,
    plan_baking,
    scatter_on_device,
    spread_on_device,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize(("source", "size"), [(128, 32), (96, 40), (32, 128), (50, 50), (7, 64)])
def test_resized_byte_for_byte_as_by_pillow(source, size):
    pixels = np.random.default_rng(source).integers(0, 256, (2, source, source, 3), np.uint8)
    pixels[1] = np.where(pixels[1] > 127, 255, 0)  # overshoots are cut off
    got = resize_bicubic(torch.from_numpy(pixels), size).numpy()
    for image, resized in zip(pixels, got, strict=True):
        want = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(resized, np.asarray(want))


@pytest.mark.parametrize("kind", ["noise", "steps", "spiral", "empty"])
def test_edges_as_in_arrays(kind):
    random = np.random.default_rng(3)
    y, x = np.mgrid[:120, :150]
    image = {
        "noise": random.integers(0, 256, (120, 150)),
        "steps": 40 * ((x // 13 + y // 17) % 6) + random.integers(0, 9, (120, 150)),
        "spiral": 128 + 60 * np.sin(np.hypot(x - 70, y - 60) / 3 + np.arctan2(y - 60, x - 70)),
        "empty": np.full((120, 150), 7),
    }[kind].astype(np.uint8)
    for low, high in ((30, 80), (80, 700)):
        got = find_edges_on_device(torch.from_numpy(image), low, high)
        np.testing.assert_array_equal(got.numpy(), find_edges(image, low, high) > 0)


def test_spread_as_in_arrays():
    mask = np.random.default_rng(0).random((60, 70)) > 0.99
    for radius in (0, 1, 5):
        got = spread_on_device(torch.from_numpy(mask), radius)
        np.testing.assert_array_equal(got.numpy(), spread(mask, radius))


def test_scattered_as_in_arrays():
    random = np.random.default_rng(1)
    places = random.random((5000, 2)).astype(np.float32)
    places[:4] = [[0, 0], [1, 1], [0, 1], [1, 0]]
    values = random.random((5000, 3)).astype(np.float32)
    want, weights = scatter(places, values, (48, 48))
    got = scatter_on_device(torch.from_numpy(places), torch.from_numpy(values), 48)
    np.testing.assert_allclose(got.view(48, 48, 3).numpy(), want, atol=2e-5)
    assert (weights == 0).any()


@pytest.mark.parametrize("camera_type", ["orth", "perspective"])
def test_drawn_and_baked_as_in_arrays(camera_type):
    compare_views(CPU, bumpy_ball(), size=160, texture_size=128, camera_type=camera_type)


def test_flat_face_seen_squarely_has_no_edges():
    vertices = np.float32([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    faces = np.int32([[0, 1, 2], [0, 2, 3]])
    compare_views(CPU, (vertices, faces, (vertices[:, :2] + 1) / 2), size=96, texture_size=64)


def test_baked_the_same_again():
    render, angles = pictures_of(bumpy_ball(), 96, 64)
    views = draw_views_on_device(render, *angles, CPU, map_size=48)
    assert [image.shape for image in (*views.normals, *views.positions)] == [(48, 48, 3)] * 12
    pictures = np.random.default_rng(2).integers(0, 256, (6, 48, 48, 3), np.uint8)
    baking = plan_baking(views.geometries, [1.0] * 6, 64, 4)
    first, again = (
        bake_views_on_device(views.geometries, list(pictures), baking).numpy() for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)
    assert baking.painted.any() and first[baking.painted].any()
