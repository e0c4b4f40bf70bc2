# SPDX-License-Identifier: Apache-2.0
"""Networks of the published sizes, without weights: every parameter is where the files have one."""

import pytest
import torch

from benchmarks.random_models import SIZES, config, random_pipeline
from hy3dgen.shapegen.settings import instantiate_from_config

# Counted in published files: tensors of the denoiser, and bytes of the weight file with all parts.
PUBLISHED = {
    "2.0": (652, 4_928_151_562), "2.0-turbo": (656, None), "2mini": (332, 3_819_958_234),
    "2mini-fast": (336, None), "2mini-turbo": (336, None), "2.1": (752, None),
}  # fmt: skip
PARAMETERS = {
    "2.0": 1.113e9, "2.0-turbo": 1.115e9, "2mini": 0.559e9, "2mini-fast": 0.561e9,
    "2mini-turbo": 0.561e9, "2.1": 3.051e9,
}  # fmt: skip
WIDE, NARROW = 214_212_865, 203_690_497  # parameters of the VAE, by its geometry decoder


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_the_published_ones(name):
    sections = config(name)
    with torch.device("meta"):
        model, vae, conditioner = (
            instantiate_from_config(sections[part]) for part in ("model", "vae", "conditioner")
        )
    vae.drop_encoder()
    counts = [sum(p.numel() for p in part.parameters()) for part in (model, vae, conditioner)]
    tensors, size = PUBLISHED[name]
    assert len(model.state_dict()) == tensors
    assert counts[0] == pytest.approx(PARAMETERS[name], abs=5e5)
    assert counts[1] == (NARROW if sections["model"]["params"].get("guidance_embed") else WIDE)
    if size is not None:  # half precision, and a header of about 0.2 MB
        assert 0 < size - 2 * sum(counts) < 300_000


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("decoder", ["coarse_to_fine", "flashvdm"])
def test_the_dry_run_goes_all_the_way(name, decoder):
    pipeline = random_pipeline(name, torch.device("cpu"), torch.float32, dry=True)
    picture = torch.zeros(1, 3, 56, 56)
    (mesh,) = pipeline(
        picture, num_inference_steps=2, octree_resolution=20, volume_decoder=decoder,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    assert mesh.is_watertight and mesh.volume > 1
    assert abs(abs(mesh.vertices).max() - 0.75) < 0.1
