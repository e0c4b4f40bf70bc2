# SPDX-License-Identifier: Apache-2.0
"""The texture stages on a GPU: what they give on a processor, within their caps of memory."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "texgen"))
from tensor_views import bumpy_ball, compare_views, pictures_of

from benchmarks.random_texture_models import make
from hy3dgen.texgen import cameras
from hy3dgen.texgen.rasterizer import rasterize
from hy3dgen.texgen.render import ViewRaster
from hy3dgen.texgen.views_on_device import (
    bake_views_on_device,
    draw_views_on_device,
    plan_baking,
)

pytestmark = pytest.mark.gpu


def gpu():
    return torch.device("cuda")


def test_rasteriser_covers_the_same_pixels():
    render, _ = pictures_of(bumpy_ball(60), 512, 256)
    mesh = render.prepared
    for view in cameras.STANDARD_VIEWS:
        matrix = cameras.view_matrix(view.elevation, view.azimuth)
        want = ViewRaster(mesh, matrix, (512, 512))
        in_camera = cameras.transform(mesh.positions, matrix)
        clip = torch.from_numpy(cameras.transform(in_camera, cameras.standard_projection()))
        numbers, weights = rasterize(clip.to(gpu()), torch.from_numpy(mesh.faces), (512, 512))
        same = numbers.cpu().numpy() == want.numbers
        print(f"{(~same).sum()} of {same.size} pixels differ")
        assert (~same).mean() < 1e-3
        np.testing.assert_allclose(weights.cpu().numpy()[same], want.weights[same], atol=1e-4)


@pytest.mark.parametrize("camera_type", ["orth", "perspective"])
def test_drawn_and_baked_as_on_a_processor(camera_type):
    compare_views(gpu(), bumpy_ball(60), 512, 512, camera_type=camera_type, exact=False)


def test_baked_the_same_again():
    render, angles = pictures_of(bumpy_ball(), 256, 256)
    pictures = list(np.random.default_rng(2).integers(0, 256, (6, 64, 64, 3), np.uint8))
    textures = []
    for _ in range(2):
        views = draw_views_on_device(render, *angles, gpu(), map_size=64)
        baking = plan_baking(views.geometries, [1.0] * 6, 256, 4)
        baked = bake_views_on_device(views.geometries, pictures, baking)
        textures.append(baked.cpu().numpy())
    np.testing.assert_array_equal(*textures)


@pytest.mark.parametrize("kind", ["turbo", "base"])
def test_recorded_steps_and_little_memory_give_the_same_views(kind):
    models = make(gpu(), torch.float32, small=True)
    model = getattr(models, kind)
    random = np.random.default_rng(0)
    references, normals, positions = (
        random.integers(0, 256, (count, 64, 64, 3), np.uint8) for count in (1, 6, 6)
    )
    results = []
    for graphs, calls in ((False, 2), (True, 2), (False, 1)):
        model.use_graphs, model.calls_at_once = graphs, calls
        results.append(
            model.paint(references, normals, positions, [21, 12, 15, 18, 43, 37], 6).cpu()
        )
    recorded = model._graphed._recordings.values()
    assert len(recorded) == 1 and all(one is not None for one in recorded)
    for other in results[1:]:
        assert (other - results[0]).abs().max() < 1e-2 * results[0].abs().max()
