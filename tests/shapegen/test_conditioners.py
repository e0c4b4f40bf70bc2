# SPDX-License-Identifier: Apache-2.0
"""Conditioners with CLIP and with two encoders: mistakes are named, dual guidance has its rows."""

import json
import socket

import pytest
import torch
from golden import FOLDER, Case
from safetensors.torch import save_file

from hy3dgen.errors import CheckpointNotFoundError, InvalidImageError, InvalidSettingError
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


def save_tower(folder, encoder, config, more=()):
    """As on the hub; `more` are weights of other parts of the file."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    weights = {name: value.contiguous() for name, value in encoder.model.state_dict().items()}
    save_file(weights | dict(more), folder / "model.safetensors")


@pytest.mark.parametrize("place", ["folder", "models", "hub"])
def test_a_tower_may_be_named(tmp_path, monkeypatch, place):
    case = Case("cond_dino_mlp")
    described = case.build()
    name = "someone/dino"
    if place == "folder":
        folder = tmp_path / name
        name = str(folder)
    elif place == "models":
        folder = tmp_path / name
        monkeypatch.setenv("HY3DGEN_MODELS", str(tmp_path))
    else:
        constants = pytest.importorskip("huggingface_hub.constants")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        repository = tmp_path / "hub" / "models--someone--dino"
        folder = repository / "snapshots" / "0123"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("0123")
    save_tower(folder, described, case.spec["init"]["config"])
    named = type(described)(version=name, image_size=case.spec["init"]["image_size"])
    with torch.inference_mode():
        case.check(named(case["in.image"]), case.calls[0]["outputs"]["return"])


def test_of_a_named_clip_the_half_for_pictures_is_taken(tmp_path):
    torch.manual_seed(0)
    described = clip(projection_dim=6)
    more = {
        "text_model.final_layer_norm.bias": torch.zeros(3), "logit_scale": torch.tensor(1.0),
        "vision_model.embeddings.position_ids": torch.arange(5),
    }  # fmt: skip
    vision = {name: value for name, value in CLIP.items() if name != "projection_dim"}
    config = {"hidden_size": 99, "projection_dim": 6, "vision_config": vision, "text_config": {}}
    save_tower(tmp_path / "clip", described, config, more.items())
    kwargs = {"version": str(tmp_path / "clip"), "image_size": 28}
    named = build_image_encoder({"type": "CLIPImageEncoder", "kwargs": kwargs})
    image = torch.rand(1, 3, 28, 28)
    assert torch.equal(named(image), described(image))


def test_a_tower_that_is_not_here_is_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("HY3DGEN_MODELS", str(tmp_path))
    monkeypatch.setattr(socket, "socket", None)  # whoever calls it fails otherwise
    for name in ("facebook/dinov2-none", "no name at all", "/no/such/folder"):
        with pytest.raises(CheckpointNotFoundError, match="is not on this machine; get it first"):
            build_image_encoder({"type": "DinoImageEncoder", "kwargs": {"version": name}})
    with pytest.raises(InvalidSettingError, match="neither a 'config' nor a 'version'"):
        build_image_encoder({"type": "DinoImageEncoder", "kwargs": {}})
