# SPDX-License-Identifier: Apache-2.0
"""Layers in one pass over memory are torch's; the kernels themselves need a GPU."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hy3dgen.gpu import fused_layers


def test_on_a_processor_they_are_torchs():
    norm, x = nn.GroupNorm(4, 8), torch.randn(2, 8, 3, 5)
    assert torch.equal(fused_layers.normed(norm, x), F.silu(norm(x)))
    assert torch.equal(fused_layers.normed(norm, x, False), norm(x))
    value, gate = x[..., :2], x[..., 2:4]
    assert torch.equal(fused_layers.gated(x[..., :4]), value * F.gelu(gate))


@pytest.mark.gpu
def test_the_kernels_are_used():
    device = torch.device("cuda")
    assert fused_layers._try(device, torch.float16)


@pytest.mark.gpu
@pytest.mark.parametrize(("channels", "side"), [(64, 7), (320, 33), (1920, 8), (128, 130)])
@pytest.mark.parametrize("activate", [True, False])
def test_norms_in_one_pass(channels, side, activate):
    norm = nn.GroupNorm(32, channels).half().cuda()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.randn(3, channels, side, side, device="cuda", dtype=torch.float16) * 3 + 1
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        got = fused_layers.normed(norm, x, activate)
        want = F.group_norm(x.float(), 32, norm.weight.float(), norm.bias.float(), norm.eps)
    want = F.silu(want) if activate else want
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert ((got.float() - want).abs() <= 0.02 * (1 + want.abs())).all()


@pytest.mark.gpu
def test_gated_units_in_one_pass():
    x = torch.randn(5, 77, 2 * 1280, device="cuda", dtype=torch.float16)
    value, gate = x.float().chunk(2, dim=-1)
    got = fused_layers.gated(x)
    assert (got.float() - value * F.gelu(gate)).abs().max() < 0.02
