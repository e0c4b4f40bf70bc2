# SPDX-License-Identifier: Apache-2.0
"""Triton kernels of convolution networks: group norms with what follows them, gated units.

Loaded only where there is Triton; `fused_layers.py` decides whether they are used.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

# Pixels and channels that one program looks at together: the same for all layers, so that there are
# few kernels to compile.
_ROWS, _WIDE = 64, 64
_TILE = 1024  # values of a gated row


@triton.jit
def _sums(x, partial, pixels, rows, channels, ROWS: tl.constexpr, WIDE: tl.constexpr):
    """Sums and sums of squares of each channel over the pixels of one part of one picture."""
    picture, part = tl.program_id(0), tl.program_id(1)
    column = tl.program_id(2) * WIDE + tl.arange(0, WIDE)
    inside = column < channels
    total = tl.zeros((WIDE,), tl.float32)
    squares = tl.zeros((WIDE,), tl.float32)
    first = part * rows
    base = x + picture.to(tl.int64) * pixels * channels
    for start in range(0, rows, ROWS):
        row = first + start + tl.arange(0, ROWS)
        kept = (start + tl.arange(0, ROWS) < rows) & (row < pixels)
        place = row[:, None] * channels + column[None, :]
        values = tl.load(base + place, mask=kept[:, None] & inside[None, :], other=0.0)
        values = values.to(tl.float32)
        total += tl.sum(values, axis=0)
        squares += tl.sum(values * values, axis=0)
    out = partial + (picture * tl.num_programs(1) + part) * 2 * channels
    tl.store(out + column, total, mask=inside)
    tl.store(out + channels + column, squares, mask=inside)


@triton.jit
def _finish(
    partial, weight, bias, factors, parts, count, epsilon, channels, size,
    PARTS: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """Factor and addend of each channel of one group of one picture."""
    picture, group = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, SIZE)
    inside = column < size
    total = tl.zeros((SIZE,), tl.float32)
    squares = tl.zeros((SIZE,), tl.float32)
    base = partial + picture * parts * 2 * channels + group * size
    for start in range(0, parts, PARTS):
        part = start + tl.arange(0, PARTS)
        kept = (part < parts)[:, None] & inside[None, :]
        place = part[:, None] * 2 * channels + column[None, :]
        total += tl.sum(tl.load(base + place, mask=kept, other=0.0), axis=0)
        squares += tl.sum(tl.load(base + channels + place, mask=kept, other=0.0), axis=0)
    mean = tl.sum(total, axis=0) / count
    variance = tl.maximum(tl.sum(squares, axis=0) / count - mean * mean, 0.0)
    inverse = 1.0 / tl.sqrt(variance + epsilon)
    w = tl.load(weight + group * size + column, mask=inside, other=0.0).to(tl.float32)
    b = tl.load(bias + group * size + column, mask=inside, other=0.0).to(tl.float32)
    out = factors + picture * 2 * channels + group * size
    tl.store(out + column, w * inverse, mask=inside)
    tl.store(out + channels + column, b - mean * inverse * w, mask=inside)


@triton.jit
def _apply(
    x, factors, out, pixels, channels,
    ROWS: tl.constexpr, WIDE: tl.constexpr, ACTIVATE: tl.constexpr,
):  # fmt: skip
    picture, part = tl.program_id(0), tl.program_id(1)
    column = tl.program_id(2) * WIDE + tl.arange(0, WIDE)
    inside = column < channels
    factor = tl.load(factors + picture * 2 * channels + column, mask=inside, other=0.0)
    addend = tl.load(factors + (picture * 2 + 1) * channels + column, mask=inside, other=0.0)
    row = part * ROWS + tl.arange(0, ROWS)
    kept = (row < pixels)[:, None] & inside[None, :]
    place = picture.to(tl.int64) * pixels * channels + row[:, None] * channels + column[None, :]
    y = tl.load(x + place, mask=kept, other=0.0).to(tl.float32) * factor[None, :] + addend[None, :]
    if ACTIVATE:
        y = y / (1.0 + tl.exp(-y))
    tl.store(out + place, y.to(out.dtype.element_ty), mask=kept)


@triton.jit
def _gated(x, out, width, TILE: tl.constexpr):
    row, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    column = part * TILE + tl.arange(0, TILE)
    inside = column < width
    value = tl.load(x + row * 2 * width + column, mask=inside, other=0.0).to(tl.float32)
    gate = tl.load(x + row * 2 * width + width + column, mask=inside, other=0.0).to(tl.float32)
    gate = 0.5 * gate * (1.0 + tl.erf(gate * 0.7071067811865476))
    tl.store(out + row * width + column, (value * gate).to(out.dtype.element_ty), mask=inside)


def group_norm(
    x: Tensor, groups: int, weight: Tensor, bias: Tensor, epsilon: float, activate: bool
) -> Tensor:
    """The group norm of `(N, C, H, W)` in the order N, H, W, C of memory; then SiLU if asked."""
    pictures, channels, height, width = x.shape
    pixels = height * width
    rows = max(_ROWS, triton.cdiv(pixels, 256))
    parts, across = triton.cdiv(pixels, rows), triton.cdiv(channels, _WIDE)
    partial = torch.empty(pictures, parts, 2, channels, device=x.device, dtype=torch.float32)
    factors = torch.empty(pictures, 2, channels, device=x.device, dtype=torch.float32)
    _sums[(pictures, parts, across)](x, partial, pixels, rows, channels, _ROWS, _WIDE)
    size = channels // groups
    _finish[(pictures, groups)](
        *(partial, weight, bias, factors, parts, float(pixels * size), epsilon),
        *(channels, size, 64, triton.next_power_of_2(size)),
    )
    out = torch.empty_like(x)
    _apply[(pictures, triton.cdiv(pixels, _ROWS), across)](
        x, factors, out, pixels, channels, _ROWS, _WIDE, activate
    )
    return out


def gated_gelu(x: Tensor) -> Tensor:
    """`(…, 2 C)` in rows -> `(…, C)`: the first half times GELU of the second."""
    width = x.shape[-1] // 2
    out = torch.empty(*x.shape[:-1], width, device=x.device, dtype=x.dtype)
    _gated[(out.numel() // width, triton.cdiv(width, _TILE))](x, out, width, _TILE)
    return out
