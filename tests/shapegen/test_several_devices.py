# SPDX-License-Identifier: Apache-2.0
"""A second device takes its share, and the mesh is the one that a single device makes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
from hy3dgen.worker.model_cache import bundled_folder

PICTURE = Path(__file__).parents[2] / "examples" / "pictures" / "car.png"
SETTINGS = {
    "num_inference_steps": 3, "guidance_scale": 2.0, "octree_resolution": 64,
    "output_type": "mesh",
}  # fmt: skip
pairs = pytest.mark.parametrize(
    "first, second", [("cpu", "cpu"), pytest.param("cuda:0", "cuda:1", marks=pytest.mark.gpu)]
)


def made(pipeline, **settings):
    (mesh,) = pipeline(PICTURE, generator=torch.Generator().manual_seed(3), **SETTINGS, **settings)
    return mesh


@pairs
@torch.inference_mode()
def test_mesh_is_that_of_one_device(first, second):
    if first != "cpu" and torch.cuda.device_count() < 2:
        pytest.skip("one CUDA device")
    pipeline = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
        bundled_folder(), subfolder=None, device=first, dtype=torch.float32
    )
    want = made(pipeline)
    pipeline.spread_over(second)
    asked = {"model": 0, "decoder": 0}
    _where, model, decoder = pipeline._second
    model.register_forward_hook(lambda *_: asked.__setitem__("model", asked["model"] + 1))
    query = decoder.query

    def counted(*arguments):
        asked["decoder"] += arguments[1].shape[1]
        return query(*arguments)

    decoder.query = counted
    got = made(pipeline)
    # Two steps, one of which is run again to be recorded on a GPU.
    assert asked["model"] == 2 if second == "cpu" else asked["model"] >= 2
    assert asked["decoder"] > 10_000
    if first == "cpu":
        assert np.array_equal(got.mesh_f, want.mesh_f)
        assert np.abs(got.mesh_v - want.mesh_v).max() < 1e-3
    else:  # products of other sizes are summed in another order
        apart = torch.cdist(torch.from_numpy(got.mesh_v), torch.from_numpy(want.mesh_v))
        assert apart.min(dim=0).values.max() < 1e-2 and apart.min(dim=1).values.max() < 1e-2
    pipeline.spread_over(None)
    assert np.array_equal(made(pipeline).mesh_v, want.mesh_v)


def test_flashvdm_asks_one_device():
    pipeline = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
        bundled_folder(), subfolder=None, device="cpu"
    )
    want = made(pipeline, volume_decoder="flashvdm")
    pipeline.spread_over("cpu")
    assert np.array_equal(made(pipeline, volume_decoder="flashvdm").mesh_v, want.mesh_v)
