# SPDX-License-Identifier: Apache-2.0
"""The same seed, settings and device give the same mesh, bit for bit; see docs/models.md."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
from hy3dgen.worker.model_cache import bundled_folder

PICTURE = Path(__file__).parents[2] / "examples" / "pictures" / "house.png"
RUNS = {  # the last is without full grids
    "dense": dict(octree_resolution=32, volume_decoder="dense"),
    "coarse_to_fine": dict(octree_resolution=66, volume_decoder="coarse_to_fine"),
    "flashvdm": dict(octree_resolution=40, volume_decoder="flashvdm"),
    "dual": dict(octree_resolution=67, mc_algo="dmc"),
    "odd_chunks": dict(octree_resolution=32, volume_decoder="dense", num_chunks=777),
    "reduced": dict(octree_resolution=32, volume_decoder="dense", face_count=500),
}


def make_all():
    """A digest of each run's mesh."""
    pipeline = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
        bundled_folder(), subfolder=None, device="cpu"
    )
    digests = {}
    for name, options in RUNS.items():
        (mesh,) = pipeline(
            PICTURE, num_inference_steps=3, guidance_scale=2.0, output_type="mesh",
            generator=torch.Generator().manual_seed(11), **options,
        )  # fmt: skip
        digests[name] = hashlib.sha256(mesh.mesh_v.tobytes() + mesh.mesh_f.tobytes()).hexdigest()
    return digests


@pytest.fixture(scope="module")
def first():
    return make_all()


def test_twice_in_one_process(first):
    torch.rand(1000)  # what others draw does not matter
    assert make_all() == first


def test_in_another_process(first):
    """With the same number of threads, as results on a CPU may depend on it."""
    script = f"import torch; torch.set_num_threads({torch.get_num_threads()}); " + (
        "import test_reproducible; print(test_reproducible.make_all())"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(first)
