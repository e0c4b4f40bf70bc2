# SPDX-License-Identifier: Apache-2.0
"""Conditioners with CLIP and with two encoders: mistakes are named, dual guidance has its rows."""

import pytest
import torch
from golden import FOLDER, Case

from hy3dgen.errors import InvalidImageError, InvalidSettingError
from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline as Pipeline
from hy3dgen.shapegen.models.conditioner import build_image_encoder

CLIP = dict(
    hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
    image_size=28, patch_size=14,
)  # fmt: skip


def clip(image_size=28, **changes):
    kwargs = {"config": CLIP | changes, "image_size": image_size}
    return build_image_encoder({"type": "CLIPImageEncoder", "kwargs": kwargs})


def test_wrong_clip_configs_are_named():
    with pytest.raises(InvalidSettingError, match="activation 'relu'"):
        clip(hidden_act="relu")
    config = {name: value for name, value in CLIP.items() if name != "patch_size"}
    with pytest.raises(InvalidSettingError, match="lacks patch_size"):
        build_image_encoder({"type": "CLIPImageEncoder", "kwargs": {"config": config}})
    with pytest.raises(InvalidImageError, match=r"9 patches .* made for 4"):
        clip(image_size=42)(torch.zeros(1, 3, 42, 42))


def test_activations_differ():
    torch.manual_seed(0)
    quick, exact = clip(), clip(hidden_act="gelu")
    exact.load_state_dict(quick.state_dict())
    image = torch.rand(1, 3, 28, 28)
    difference = (quick(image) - exact(image)).abs().max().item()
    assert 0 < difference < 0.1


def test_dual_guidance_has_three_blocks_of_rows():
    case = Case("e2e_flow_cfg")
    folder = FOLDER / case.spec["checkpoint"]["folder"]
    pipe = Pipeline.from_pretrained(folder, device="cpu", subfolder=None, variant=None)
    image = torch.rand(2, 3, 28, 28)
    with pytest.raises(InvalidSettingError, match="needs a conditioner with two image encoders"):
        pipe.encode_cond(image, dual_guidance=True)
    pipe.conditioner = Case("cond_dual").build()
    with torch.inference_mode():
        tokens = pipe.encode_cond(image, dual_guidance=True)
        real = pipe.conditioner(image)
    assert torch.equal(tokens["main"][:2], real["main"])
    assert not tokens["main"][2:].any()
    assert torch.equal(tokens["additional"][:4], torch.cat([real["additional"]] * 2))
    assert not tokens["additional"][4:].any()
    assert len(tokens["main"]) == len(tokens["additional"]) == 6
