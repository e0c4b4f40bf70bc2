# SPDX-License-Identifier: Apache-2.0
"""The painting network against recordings of the published one at a small size."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from texture_golden import load

from hy3dgen.errors import CheckpointMismatchError, InvalidSettingError
from hy3dgen.texgen.hunyuanpaint.paint_unet import PaintUNet
from hy3dgen.texgen.hunyuanpaint.settings import unet_settings
from hy3dgen.texgen.hunyuanpaint.transformer import PaintBlock, Views

LAYOUT = Path(__file__).parents[1] / "goldens" / "texgen" / "unet_state_dict_layout.json.gz"


def close(got, want):
    np.testing.assert_allclose(np.asarray(got), want, atol=2e-5, rtol=1e-4)


def tensor(golden, name):
    return torch.from_numpy(golden[name])


def test_names_and_shapes_of_the_published_size():
    layout = json.loads(gzip.decompress(LAYOUT.read_bytes()))
    with torch.device("meta"):
        network = PaintUNet(unet_settings(layout["assumed_unet_config"]))
    found = {name: list(value.shape) for name, value in network.state_dict().items()}
    assert found == layout["shapes"]
    assert sum(value.numel() for value in network.parameters()) == layout["num_params"]


@torch.inference_mode()
def test_one_block_reads_and_writes():
    golden = load("unet")
    golden.need("block.in")
    info = golden.info["block"]

    def block(stream, paints):
        start = f"sd.{info['path'].replace('unet.', stream, 1)}."
        config = golden.info["config"]
        made = PaintBlock(
            config["block_out_channels"][0],
            config["attention_head_dim"][0],
            config["cross_attention_dim"],
            paints,
        )
        weights = {k.removeprefix(start): tensor(golden, k) for k in golden.tensors if start in k}
        made.load_state_dict(weights)
        made.name = "layer"
        return made

    h, text = tensor(golden, "block.in"), tensor(golden, "block.enc")
    views = Views(
        info["N"],
        {"layer": tensor(golden, "block.ref_feat")},
        reference_scale=info["ref_scale"],
        multiview_scale=info["mva_scale"],
    )
    close(block("unet.", True)(h, text, views), golden["block.out_read"])

    views = Views(info["N"], write=True)
    close(block("unet_dual.", False)(h, text, views), golden["block.out_write"])
    close(views.features["layer"], golden["block.written"])


@pytest.fixture(scope="module")
def network():
    golden = load("unet")
    golden.need("plain.out")
    made = PaintUNet(unet_settings(golden.info["config"]))
    weights = {k[3:]: tensor(golden, k) for k in golden.tensors if k.startswith("sd.")}
    made.load_state_dict(weights)
    return made.eval()


@pytest.mark.parametrize("case", ["plain", "cfg", "scales", "single_view"])
@torch.inference_mode()
def test_whole_network(network, case):
    golden = load("unet")
    (info,) = [one for one in golden.info["cases"] if one["name"] == case]

    def part(name):
        return tensor(golden, f"{case}.{name}")

    features = network.look_at_references(part("ref"))
    assert sorted(features) == sorted(info["layers"])
    for name, found in features.items():
        close(found, golden[f"{case}.ref_feat.{name}"])
    scale = 1.0 if info["ref_scale"] is None else info["ref_scale"]
    settings = {
        "camera_info_gen": part("camera_gen"),
        "mva_scale": 1.0 if info["mva_scale"] is None else info["mva_scale"],
        "ref_scale": torch.tensor(scale) if isinstance(scale, list) else scale,
    }
    inputs = part("sample"), info["timestep"], part("enc"), part("normal"), part("position")
    (out,) = network(*inputs, part("ref"), **settings)
    close(out, golden[f"{case}.out"])
    kept = {}
    for _ in range(2):  # the second call finds keys and values of the first
        (again,) = network(*inputs, **settings, condition_embed_dict=features, kept=kept)
        close(again, golden[f"{case}.out"])


CONFIG = {
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "use_linear_projection": True,
    "block_out_channels": [8, 16],
    "norm_num_groups": 4,
    "attention_head_dim": [1, 2],
    "cross_attention_dim": 12,
}


def random_inputs(calls, count, size=8):
    generator = torch.Generator().manual_seed(1)
    latents = [torch.randn(calls, count, 4, size, size, generator=generator) for _ in range(4)]
    return latents, torch.randn(calls, 77, 12, generator=generator)


@torch.inference_mode()
def test_a_call_without_references_does_not_see_them():
    """Guided painting leaves the references out of one half: that equals giving both halves all
    and multiplying by nought."""
    torch.manual_seed(0)
    network = PaintUNet(unet_settings(CONFIG)).eval()
    (sample, normal, position, reference), text = random_inputs(2, 3)
    fixed = (400, text, normal, position)
    cameras = torch.tensor([[21, 12, 15]] * 2)
    (both,) = network(sample, *fixed, reference, cameras, ref_scale=(0.0, 1.0))
    features = network.look_at_references(reference[1:])
    (one,) = network(
        sample, *fixed, None, cameras, ref_scale=(0.0, 1.0), condition_embed_dict=features
    )
    torch.testing.assert_close(one, both, atol=2e-6, rtol=1e-5)
    (other,) = network(sample, *fixed, reference.flip(1) * 2, cameras, ref_scale=(0.0, 1.0))
    torch.testing.assert_close(other[:3], both[:3])
    assert (other[3:] - both[3:]).abs().max() > 1e-3


@torch.inference_mode()
def test_cameras_count_and_reference_cameras_do_not():
    torch.manual_seed(0)
    network = PaintUNet(unet_settings(CONFIG)).eval()
    (sample, normal, position, reference), text = random_inputs(1, 2)
    fixed = (sample, 10, text, normal, position, reference)
    (plain,) = network(*fixed, torch.tensor([[21, 12]]), torch.tensor([[0]]))
    (same,) = network(*fixed, torch.tensor([[21, 12]]), torch.tensor([[3]]))
    (moved,) = network(*fixed, torch.tensor([[21, 13]]), torch.tensor([[0]]))
    torch.testing.assert_close(plain, same, atol=0, rtol=0)
    assert (moved - plain).abs().max() > 1e-4


def test_what_cannot_be_is_told():
    with pytest.raises(CheckpointMismatchError, match="act_fn 'gelu'"):
        unet_settings({**CONFIG, "act_fn": "gelu"})
    with pytest.raises(CheckpointMismatchError, match="lacks cross_attention_dim"):
        unet_settings({k: v for k, v in CONFIG.items() if k != "cross_attention_dim"})
    with pytest.raises(CheckpointMismatchError, match="AttnDownBlock2D"):
        unet_settings({**CONFIG, "down_block_types": ["AttnDownBlock2D", "DownBlock2D"]})
    network = PaintUNet(unet_settings(CONFIG))
    (sample, normal, position, _), text = random_inputs(1, 2)
    with pytest.raises(InvalidSettingError, match="neither ref_latents nor"):
        network(sample, 1, text, normal, position)
    with pytest.raises(InvalidSettingError, match="8 x 4"):
        network(sample[..., :4], 1, text, normal, position)
