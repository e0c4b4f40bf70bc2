# SPDX-License-Identifier: Apache-2.0
"""Rounding to eight-bit floats in one pass; needs Triton. Its plain twin is in `float8`."""

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _round_kernel(x, codes, steps, columns, stride, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    places = tl.arange(0, BLOCK)
    inside = places < columns
    value = tl.load(x + row * stride + places, mask=inside, other=0.0).to(tl.float32)
    step = tl.maximum(tl.max(tl.abs(value), axis=0), 1e-12) / 448.0
    tl.store(steps + row, step)
    value = tl.minimum(tl.maximum(value / step, -448.0), 448.0)
    tl.store(codes + row * columns + places, value.to(tl.float8e4nv), mask=inside)


def rounded_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """`float8.plain_to_float8` of rows on a CUDA device, which may be parts of wider ones."""
    rows, columns = x.shape
    codes = x.new_empty(rows, columns, dtype=torch.float8_e4m3fn)
    steps = x.new_empty(rows, 1, dtype=torch.float32)
    if rows:
        with torch.cuda.device_of(x):
            _round_kernel[(rows,)](
                x, codes, steps, columns, x.stride(0), BLOCK=triton.next_power_of_2(columns)
            )
    return codes, steps
