# SPDX-License-Identifier: Apache-2.0
"""Eight-bit products, and rows rounded by what makes them, against the plain way."""

import pytest
import torch
from torch import nn

from hy3dgen.gpu import float8, float8_rows, transformer_kernels
from hy3dgen.shapegen.models.denoisers import block_products, fused_blocks
from hy3dgen.shapegen.models.denoisers.hunyuan3ddit import Hunyuan3DDiT, modulate
from hy3dgen.shapegen.models.eight_bits import Float8Linear
from hy3dgen.shapegen.quantised import quantise_blocks

devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
dtypes = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])


@pytest.fixture
def kernels(request, device):
    """Those of half precision, and those that round."""
    if device == "cpu":
        return (request.getfixturevalue("host_kernels"),) * 2
    where = torch.device("cuda", 0)
    if not float8.has_float8_products(where):
        pytest.skip("a GPU without eight-bit floats")
    half = torch.zeros(1, device=where, dtype=torch.float16)
    found = (
        transformer_kernels.transformer_kernels(half, 1024, 64),
        float8_rows.float8_row_kernels(where),
    )
    assert None not in found
    return found


def random(*shape, device, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).to(device, dtype)


def values(rows):
    return rows.codes.float() * rows.steps


def error(what, got, want):
    difference = float((got.float() - want.float()).norm() / want.float().norm())
    print(f"{what}: off by {difference:.2e}")
    return difference


@devices
@dtypes
def test_the_modulated_norm_is_rounded_as_the_plain_one(kernels, device, dtype):
    x = random(7, 1024, device=device, dtype=dtype)
    y = random(7, 1536, device=device, dtype=dtype, seed=1)[:, :1024]
    gate, shift, scale = random(3, 1024, device=device, dtype=dtype, seed=2).unbind(0)
    sums = torch.addcmul(x.float(), gate.float(), y.float()).to(dtype)
    want = modulate(sums.float(), shift.float(), scale.float())
    rows = float8_rows.gated_norm_codes(kernels[1], x, y, gate, shift, scale)
    assert error("residual", x, sums) < (2e-3 if dtype is torch.float16 else 2e-2)
    plain = values(float8.plain_to_float8(want))
    # A number near the middle of two codes may become either.
    assert error("codes", values(rows), plain) < (5e-3 if dtype is torch.float16 else 2e-2)
    assert 0.01 < error("rounding", values(rows), want) < 0.04
    most = (rows.codes.float() * rows.steps).abs().amax(dim=1) / want.abs().amax(dim=1)
    assert torch.allclose(most, torch.ones_like(most), atol=1e-2)


@devices
@dtypes
@pytest.mark.parametrize("which", ["rows", "hidden", "both"])
def test_rows_go_to_their_places(kernels, device, dtype, which):
    count = 2 * 5  # of two pictures, five tokens each, of which two go elsewhere
    x = random(count, 1280, device=device, dtype=dtype)[:, :1024] if which != "hidden" else None
    hidden = random(count, 4096, device=device, dtype=dtype, seed=1) if which != "rows" else None
    plain = float8_rows.plain_codes_of(x, hidden)
    rows = float8_rows.room_for(20, plain.codes.shape[1], plain.codes.half())
    rows.codes.view(torch.uint8).fill_(0)
    rows.steps.fill_(1)
    float8_rows.codes_of(kernels[1], rows, float8_rows.Places(5, 2, 14, 1), x, hidden)
    order = [14, 15, 1, 2, 3, 16, 17, 4, 5, 6]
    assert error(which, values(rows)[order], values(plain)) < 0.02
    untouched = [place for place in range(20) if place not in order]
    assert not values(rows)[untouched].any()


@devices
@dtypes
def test_zeros_and_large_numbers(kernels, device, dtype):
    x = torch.zeros(2, 1024, device=device, dtype=dtype)
    x[1, 3], x[1, 9] = -6e4, 25.0
    rows = float8_rows.room_for(2, 1024, x)
    float8_rows.codes_of(kernels[1], rows, float8_rows.Places(2, 2, 0, 0), x, None)
    assert not rows.codes[0].float().any()
    found = values(rows)[1]
    assert float(found[3]) == pytest.approx(float(x[1, 3]), rel=1e-3)
    assert float(found[9]) == pytest.approx(25.0, rel=0.07)
    assert int((found != 0).sum()) == 2


@devices
@dtypes
@pytest.mark.parametrize("tokens", [{"main": 20}, {"main": 20, "empty": 1}])
@torch.inference_mode()
def test_network_with_rounding_kernels_gives_what_its_layers_give(
    kernels, device, dtype, tokens, monkeypatch
):
    torch.manual_seed(0)
    network = Hunyuan3DDiT(64, 48, 1024, 4.0, 16, 2, 2).eval().requires_grad_(False)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.03 if parameter.ndim > 1 else 0.3)
    network = network.to(device)
    x = random(2, 12, 64, device=device, dtype=torch.float32)
    contexts = {
        name: random(2, count, 48, device=device, dtype=torch.float32, seed=count)
        for name, count in tokens.items()
    }
    t = torch.tensor([0.3], device=device)
    repeats = 9 if "empty" in tokens else 1
    exact = network(x, t, contexts, time_values=network.time_values(t), condition_repeats=repeats)

    network = network.to(dtype)
    quantise_blocks(network, "fp8", torch.device("cpu"))
    half = {name: part.to(dtype) for name, part in contexts.items()}
    arguments = {
        "time_values": network.time_values(t, None, dtype).at(0), "condition_repeats": repeats,
    }  # fmt: skip
    monkeypatch.setattr(fused_blocks, "transformer_kernels", lambda *_: None)
    layers = network(x.to(dtype), t, half, **arguments)
    monkeypatch.setattr(fused_blocks, "transformer_kernels", lambda *_: kernels[0])
    asked = []
    monkeypatch.setattr(
        block_products, "float8_row_kernels", lambda *_: asked.append(0) or kernels[1]
    )
    fused = network(x.to(dtype), t, half, **arguments)
    assert asked and len(fused) == 2 * len(tokens)
    theirs, ours = error("layers", layers, exact), error("fused", fused, exact)
    assert 0 < ours < 1.3 * theirs


@pytest.mark.gpu
@dtypes
@pytest.mark.parametrize("rows", [50, 1371])
def test_products_of_a_gpu_are_those_of_the_plain_way(dtype, rows):
    device = torch.device("cuda", 0)
    if not float8.has_float8_products(device):
        pytest.skip("a GPU without eight-bit floats")
    linear = nn.Linear(1024, 96).requires_grad_(False).to(device, dtype)
    x = torch.randn(rows, 1024, device=device, dtype=dtype)
    quantised = Float8Linear(linear)
    plain = float8.plain_product(float8.to_float8(x), quantised.rows(), quantised.bias)
    difference = float((quantised(x).float() - plain).abs().max() / plain.abs().max())
    print(f"largest difference {difference:.2e}")
    assert difference < (3e-3 if dtype is torch.float16 else 1e-2)
