# SPDX-License-Identifier: Apache-2.0
"""Rounding to eight-bit floats in one pass; needs Triton. Its plain twin is in `float8`."""

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 2048


@triton.jit
def _divide_kernel(x, largest, out, scale, count, BLOCK: tl.constexpr):
    places = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    step = tl.maximum(tl.load(largest), 1e-12) / 448.0
    if tl.program_id(0) == 0:
        tl.store(scale, step)
    value = tl.load(x + places, mask=places < count, other=0.0).to(tl.float32) / step
    value = tl.minimum(tl.maximum(value, -448.0), 448.0)
    tl.store(out + places, value.to(tl.float8e4nv), mask=places < count)


def divided(x: Tensor, largest: Tensor) -> tuple[Tensor, Tensor]:
    """`float8.plain_to_float8` of a contiguous tensor on a CUDA device."""
    out = torch.empty_like(x, dtype=torch.float8_e4m3fn)
    scale = torch.empty_like(largest)
    count = x.numel()
    with torch.cuda.device_of(x):
        _divide_kernel[(triton.cdiv(count, _BLOCK),)](x, largest, out, scale, count, BLOCK=_BLOCK)
    return out, scale
