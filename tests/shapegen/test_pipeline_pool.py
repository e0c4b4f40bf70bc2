# SPDX-License-Identifier: Apache-2.0
"""Several pipelines work off a queue of pictures with the results of one."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from hy3dgen.errors import InvalidImageError, InvalidSettingError
from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
from hy3dgen.shapegen.pipeline_pool import PipelinePool
from hy3dgen.worker.model_cache import bundled_folder

PICTURES = sorted((Path(__file__).parents[2] / "examples" / "pictures").glob("*.png"))[:4]
SETTINGS = {"num_inference_steps": 2, "octree_resolution": 32, "output_type": "mesh"}


@pytest.fixture(scope="module")
def pool():
    return PipelinePool.from_pretrained(bundled_folder(), ["cpu", "cpu"], subfolder=None)


def test_results_are_those_of_one_pipeline_in_order(pool):
    alone = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
        bundled_folder(), subfolder=None, device="cpu"
    )
    seen = []
    seeds = [5, 1, 2, 9]
    results = pool(PICTURES, seeds, lambda done, total: seen.append((done, total)), **SETTINGS)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for picture, seed, mesh in zip(PICTURES, seeds, results, strict=True):
        (want,) = alone(picture, generator=torch.Generator().manual_seed(seed), **SETTINGS)
        assert np.array_equal(mesh.mesh_f, want.mesh_f)
        assert np.array_equal(mesh.mesh_v, want.mesh_v)


def test_both_take_part():
    seen = set()
    meeting = threading.Barrier(2, timeout=10)

    def call(picture, generator):
        seen.add(threading.get_ident())
        meeting.wait()
        return [(picture, generator.initial_seed())]

    assert PipelinePool([call, call])("ab") == [("a", 0), ("b", 0)]
    assert len(seen) == 2


def test_an_error_ends_the_call_and_reaches_the_caller(pool):
    pictures = [PICTURES[0], np.zeros((40, 40, 4), np.uint8), *PICTURES[1:]]
    with pytest.raises(InvalidImageError, match="transparent"):
        pool(pictures, **SETTINGS)


def test_wrong_arguments_are_told(pool):
    with pytest.raises(InvalidSettingError, match="1 seeds were given for 2 pictures"):
        pool(PICTURES[:2], [1], **SETTINGS)
    with pytest.raises(InvalidSettingError, match="without pipelines"):
        PipelinePool([])
    if not torch.cuda.is_available():
        with pytest.raises(InvalidSettingError, match="no CUDA GPU"):
            PipelinePool.from_pretrained(bundled_folder())
