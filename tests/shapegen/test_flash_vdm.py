# SPDX-License-Identifier: Apache-2.0
"""FlashVDM: what our own grids promise, and switching it on and off."""

import logging

import numpy as np
import pytest
import torch
from golden import FOLDER, Case
from test_surfaces import AnalyticField, sphere
from torch import nn

from hy3dgen.errors import InvalidSettingError
from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline as Pipeline
from hy3dgen.shapegen.flash_vae import ModelSource, _place
from hy3dgen.shapegen.models import Hunyuan3DDiT
from hy3dgen.shapegen.models.autoencoders import (
    CrossAttentionProcessor,
    DMCSurfaceExtractor,
    FlashVDMCrossAttentionProcessor,
    FlashVDMVolumeDecoding,
    HierarchicalVolumeDecoding,
    MCSurfaceExtractor,
    VanillaVolumeDecoder,
)
from hy3dgen.shapegen.models.autoencoders.flash_vdm import flash_levels
from hy3dgen.shapegen.pipelines import export_to_trimesh


def test_of_3072_keys_1024_are_kept():
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, n, 8, generator=generator) for n in (101, 3072, 3072))
    got = FlashVDMCrossAttentionProcessor(topk=True)(None, q, k, v)
    scores = torch.einsum("bhqd,bhkd->bhqk", q[:, :, ::100], k).mean(dim=2)
    kept = scores >= scores.sort(dim=-1, descending=True).values[..., 1023:1024]
    assert kept.sum(dim=-1).eq(1024).all()
    logits = (q @ k.transpose(-1, -2) / 8**0.5).masked_fill(~kept[:, :, None], -torch.inf)
    assert torch.allclose(got, logits.softmax(-1) @ v, atol=1e-6)


@pytest.mark.parametrize(
    ("resolution", "levels"),
    [
        (128, [63, 126]), (196, [95, 190]), (256, [63, 126, 252]), (380, [95, 190, 380]),
        (384, [95, 190, 380]), (512, [63, 126, 252, 504]),
    ],
)  # fmt: skip
def test_published_resolutions(resolution, levels):
    assert flash_levels(resolution, 63, 4) == levels


class AnalyticRegions(AnalyticField):
    """An analytic field that takes an attention processor, and counts who was asked how."""

    def __init__(self, distance):
        super().__init__(distance)
        self.cross_attention_processor = CrossAttentionProcessor()
        self.modes = []

    def set_cross_attention_processor(self, processor):
        self.cross_attention_processor = processor

    def query(self, projected, points):
        self.modes.append(self.cross_attention_processor.topk)
        assert len(projected.keys) == len(points)
        self.asked += (len(points) - 1) * points.shape[1]  # the base counts one row
        return super().query(projected, points)


LATENTS = torch.zeros(1, 3, 4, 5)


@pytest.mark.parametrize("resolution", [50, 64, 100, 130])
def test_grids_keep_the_resolution_and_close_the_surface(resolution):
    field = AnalyticRegions(sphere)
    grid = FlashVDMVolumeDecoding()(
        LATENTS, field, octree_resolution=resolution, min_resolution=24, num_chunks=3000
    )
    assert grid.shape == (1, *[resolution + 1] * 3)
    dense = VanillaVolumeDecoder()(LATENTS, AnalyticField(sphere), octree_resolution=resolution)
    known = ~grid.isnan()
    assert torch.allclose(grid[known], dense[known], atol=1e-5)
    mesh = export_to_trimesh(MCSurfaceExtractor()(grid)[0])
    assert mesh.is_watertight
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.607).max() < 2e-3


def test_groups_stay_below_the_chunk_size_and_cover_all_points():
    field = AnalyticRegions(sphere)
    FlashVDMVolumeDecoding()(
        LATENTS, field, octree_resolution=64, min_resolution=24, num_chunks=3000
    )
    groups = [mode for mode in field.modes if mode is not True]
    assert len(groups) > 2
    assert all(sum(sizes) < 3000 or len(sizes) == 1 for _, sizes in groups)
    assert sum(sum(sizes) for _, sizes in groups) + 33**3 == field.asked


def test_regions_are_asked_in_smaller_groups_where_memory_is_short(caplog):
    settings = dict(octree_resolution=64, min_resolution=24, num_chunks=6000)

    class Short(AnalyticRegions):
        def query(self, projected, points):
            if points[..., 0].numel() > 1500:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return super().query(projected, points)

    want = FlashVDMVolumeDecoding()(LATENTS, AnalyticRegions(sphere), **settings)
    with caplog.at_level(logging.WARNING, logger="hy3dgen.shapgen"):
        got = FlashVDMVolumeDecoding()(LATENTS, Short(sphere), **settings)
    assert torch.equal(got.nan_to_num(9), want.nan_to_num(9))
    assert len(caplog.messages) == 1


def load(name):
    case = Case(name)
    folder = FOLDER / case.spec["checkpoint"]["folder"]
    pipe = Pipeline.from_pretrained(
        folder.parent, device="cpu", dtype=torch.float32, variant=None, subfolder=folder.name,
        local_files_only=True,
    )  # fmt: skip
    return case, pipe


def test_the_pipeline_switches_it_on_and_off(caplog):
    case, pipe = load("e2e_turbo_flashvdm")
    own = pipe.vae
    with caplog.at_level(logging.INFO, logger="hy3dgen.shapgen"):
        pipe.enable_flashvdm(topk_mode="merge")
    assert "FlashVDM uses the model's own VAE" in caplog.text
    assert pipe.vae is own
    assert type(own.volume_decoder) is FlashVDMVolumeDecoding
    options = case.values(case.calls[4]["kwargs"]) | {"latents": case["in.initial_latents"]}
    assert pipe(**options)[0].area > 1
    pipe.enable_flashvdm(adaptive_kv_selection=False)
    assert type(own.volume_decoder) is HierarchicalVolumeDecoding
    pipe.enable_flashvdm(False)
    assert type(own.volume_decoder) is VanillaVolumeDecoder
    with pytest.raises(InvalidSettingError, match="topk_mode is 'max'; choose from mean, merge"):
        pipe.enable_flashvdm(topk_mode="max")
    with pytest.raises(InvalidSettingError, match="mc_algo is 'flexi'; choose from mc, dmc"):
        pipe.enable_flashvdm(mc_algo="flexi")
    assert type(own.surface_extractor) is MCSurfaceExtractor
    pipe.enable_flashvdm(mc_algo="dmc")
    assert type(own.surface_extractor) is DMCSurfaceExtractor
    assert pipe(**options)[0].is_watertight


def test_a_vae_beside_the_model_takes_its_place_and_goes_again(tmp_path):
    import shutil

    import yaml
    from safetensors.torch import load_file, save_file

    case = Case("e2e_turbo_flashvdm")
    model = FOLDER / case.spec["checkpoint"]["folder"]
    root = tmp_path / "a folder of mine"
    shutil.copytree(model, root / model.name)
    beside = root / "hunyuan3d-vae-v2-0-turbo"
    beside.mkdir()
    config = yaml.safe_load((model / "config.yaml").read_text())
    (beside / "config.yaml").write_text(yaml.safe_dump(config["vae"]))
    weights = load_file(model / "model.safetensors")
    save_file(
        {k.removeprefix("vae."): v for k, v in weights.items() if k.startswith("vae.")},
        beside / "model.safetensors",
    )
    pipe = Pipeline.from_pretrained(
        root, device="cpu", variant=None, subfolder=model.name, local_files_only=True
    )
    own = pipe.vae
    pipe.enable_flashvdm()
    assert pipe.vae is not own
    assert type(pipe.vae.volume_decoder) is FlashVDMVolumeDecoding
    pipe.enable_flashvdm(False)
    assert pipe.vae is own


@pytest.mark.parametrize(
    ("path", "subfolder", "want"),
    [
        ("tencent/Hunyuan3D-2", "hunyuan3d-dit-v2-0", "hunyuan3d-vae-v2-0-turbo"),
        ("/data/renamed", "hunyuan3d-dit-v2-mv-turbo", "hunyuan3d-vae-v2-0-turbo"),
        ("/data/renamed", "hunyuan3d-dit-v2-mini-fast", "hunyuan3d-vae-v2-mini-turbo"),
        ("/data/Hunyuan3D-2mini/", None, "hunyuan3d-vae-v2-mini-turbo"),
        ("tencent/Hunyuan3D-2.1", "hunyuan3d-dit-v2-1", None),
        ("/data/tiny", None, None),
    ],
)
def test_which_vae_goes_with_which_model(path, subfolder, want):
    place = _place(ModelSource(path, subfolder, True, None, True), None)
    assert (place and place.subfolder) == want


@pytest.mark.parametrize(
    ("depth", "want"),
    [(16, "hunyuan3d-vae-v2-0-turbo"), (8, "hunyuan3d-vae-v2-mini-turbo"), (4, None)],
)
def test_a_renamed_folder_s_model_is_known_by_its_size(depth, want):
    with torch.device("meta"):
        model = Hunyuan3DDiT(depth=depth, depth_single_blocks=2 * depth)
        small = Hunyuan3DDiT(hidden_size=64, num_heads=1, depth=2, depth_single_blocks=2)
    source = ModelSource("/data/renamed", None, True, None, True)
    place = _place(source, model)
    assert (place and place.subfolder) == want
    assert _place(source, small) is None


def test_offload_keeps_one_network_on_the_device_at_a_time():
    case, pipe = load("e2e_turbo_flashvdm")
    options = case.values(case.calls[4]["kwargs"]) | {"latents": case["in.initial_latents"]}
    want = pipe(**options)[0]
    moves = []
    names = {id(getattr(pipe, name)): name for name in ("conditioner", "model", "vae")}
    pipe.enable_model_cpu_offload(device="cpu")
    pipe._offload.rest = lambda: moves.append("rest")
    pipe._offload.use = lambda network: moves.append(names[id(network)])
    for network in (pipe.conditioner, pipe.model, pipe.vae):
        assert isinstance(network, nn.Module) and network._forward_pre_hooks
    got = pipe(**options)[0]
    assert np.array_equal(got.vertices, want.vertices)
    assert list(dict.fromkeys(moves)) == ["conditioner", "model", "vae", "rest"]
    pipe.to("cpu")
    assert not pipe.model._forward_pre_hooks


@pytest.mark.parametrize("mode", [True, [[0, 1], [4, 5]]])
def test_of_two_keys_one_is_kept_rather_than_none(mode):
    q, k, v = torch.randn(3, 1, 2, 9, 8, generator=torch.Generator().manual_seed(0))
    got = FlashVDMCrossAttentionProcessor(topk=mode)(None, q, k[:, :, :2], v[:, :, :2])
    nearest = (got[:, :, :, None] - v[:, :, None, :2]).abs().amax(-1).amin(-1)
    assert nearest.max() == 0
