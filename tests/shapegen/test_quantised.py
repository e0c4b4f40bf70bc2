# SPDX-License-Identifier: Apache-2.0
"""Weights of eight bits: how far results move, how much is saved, what is refused."""

from pathlib import Path

import pytest
import torch
from torch import nn

from hy3dgen.errors import InvalidSettingError
from hy3dgen.gpu import float8
from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
from hy3dgen.shapegen.quantised import Float8Linear, Int8Linear, quantise_blocks
from hy3dgen.worker.model_cache import bundled_folder

PICTURE = Path(__file__).parents[2] / "examples" / "pictures" / "car.png"
CPU = torch.device("cpu")


def layer(bias=True):
    torch.manual_seed(0)
    return nn.Linear(64, 96, bias=bias).requires_grad_(False)


def pipeline():
    return Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
        bundled_folder(), subfolder=None, device="cpu"
    )


@pytest.mark.parametrize(("kind", "most"), [(Int8Linear, 0.01), (Float8Linear, 0.06)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_is_off_by_its_rounding(kind, most, bias):
    linear = layer(bias)
    x = torch.randn(2, 50, 64, generator=torch.Generator().manual_seed(1))
    want = linear(x)
    error = float((kind(linear)(x) - want).norm() / want.norm())
    print(f"{kind.__name__} is off by {error:.4f}")
    assert 1e-4 < error < most


def test_int8_rounds_to_the_nearest_of_each_output():
    linear = layer()
    quantised = Int8Linear(linear)
    steps = linear.weight.abs().amax(dim=1, keepdim=True) / 127
    assert ((quantised.weight - linear.weight).abs() <= steps * 0.5001).all()


@pytest.mark.parametrize("kind", [Int8Linear, Float8Linear])
def test_weights_keep_their_type_when_the_network_changes_its(kind):
    quantised = kind(layer())
    scales, codes = quantised.scales.clone(), quantised.codes.dtype
    quantised.half()
    assert quantised.codes.dtype == codes and torch.equal(quantised.scales, scales)
    assert quantised.weight.dtype == quantised.bias.dtype == torch.float16
    assert quantised(torch.ones(1, 64, dtype=torch.float16)).dtype == torch.float16


def test_float8_of_nothing_and_of_much():
    assert torch.equal(float8.to_float8(torch.zeros(3, 4))[0].float(), torch.zeros(3, 4))
    codes, scale = float8.to_float8(torch.tensor([[1e6, -3.0, 2e4]]))
    assert float(codes[0, 0].float() * scale) == pytest.approx(1e6)


@pytest.mark.parametrize(("kind", "most"), [("int8", 0.05), ("fp8", 0.25)])
def test_latents_stay_near(kind, most):
    made = pipeline()
    settings = {"num_inference_steps": 4, "guidance_scale": 2.0, "output_type": "latent"}

    def latents():
        return made(PICTURE, generator=torch.Generator().manual_seed(3), **settings)

    def weights():
        parts = [*made.model.parameters(), *made.model.buffers()]
        return sum(part.numel() * part.element_size() for part in parts)

    want, before = latents(), weights()
    made.quantize(kind)
    error = float((latents() - want).norm() / want.norm())
    print(f"{kind}: latents are off by {error:.4f}, {weights() / before:.2f} of the weights' bytes")
    assert 0 < error < most
    assert weights() < (0.35 if kind == "int8" else 0.55) * before


def test_what_is_refused():
    with pytest.raises(InvalidSettingError, match="'int4'; choose from fp8, int8"):
        quantise_blocks(nn.ModuleList([layer()]), "int4", CPU)
    made = pipeline()
    with pytest.raises(InvalidSettingError, match="'model' and 'conditioner'"):
        made.quantize("int8", ["vae"])
    with pytest.raises(InvalidSettingError, match="choose 'int8'"):
        quantise_blocks(nn.ModuleList([layer()]), "fp8", torch.device("mps"))
