# SPDX-License-Identifier: Apache-2.0
"""Eight-bit products of a GPU against the same values multiplied in float32."""

import pytest
import torch
from torch import nn

from hy3dgen.gpu import float8
from hy3dgen.shapegen.quantised import Float8Linear


@pytest.mark.gpu
def test_products_of_a_gpu_are_those_of_the_plain_way():
    device = torch.device("cuda")
    if not float8.has_float8_products(device):
        pytest.skip("a GPU without eight-bit floats")
    linear = nn.Linear(64, 96).requires_grad_(False).to(device, torch.float16)
    x = torch.randn(50, 64, device=device, dtype=torch.float16)
    quantised = Float8Linear(linear)
    codes, scale = float8.to_float8(x)
    plain = float8.plain_product(codes, scale, quantised.codes, quantised.scales, quantised.bias)
    error = float((quantised(x).float() - plain).abs().max() / plain.abs().max())
    print(f"largest difference {error:.2e}")
    assert error < 2e-3
