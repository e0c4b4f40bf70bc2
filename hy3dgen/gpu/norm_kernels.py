# SPDX-License-Identifier: Apache-2.0
"""Triton kernels of convolution networks: norms with what comes before and after them, sums, gated
units.

Loaded only where there is Triton; `fused_layers.py` decides whether they are used.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

# Pixels and channels that one program looks at together: the same for all layers, so that there are
# few kernels to compile.
_ROWS, _WIDE = 64, 64
_TILE = 1024  # values of a gated row, and of a sum
_ROW_VALUES = 2048  # of rows that are normed together


@triton.jit
def _shift(
    bias, addend, picture, channels, column, inside, BIAS: tl.constexpr, ADDED: tl.constexpr
):
    """What is added to a picture's channels before they are normed."""
    shift = tl.zeros(column.shape, tl.float32)
    if BIAS:
        shift += tl.load(bias + column, mask=inside, other=0.0).to(tl.float32)
    if ADDED:
        place = addend + picture * channels + column
        shift += tl.load(place, mask=inside, other=0.0).to(tl.float32)
    return shift


@triton.jit
def _sums(
    x, bias, addend, partial, pixels, rows, channels,
    ROWS: tl.constexpr, WIDE: tl.constexpr, BIAS: tl.constexpr, ADDED: tl.constexpr,
):  # fmt: skip
    """Sums and sums of squares of each channel over the pixels of one part of one picture."""
    picture, part = tl.program_id(0), tl.program_id(1)
    column = tl.program_id(2) * WIDE + tl.arange(0, WIDE)
    inside = column < channels
    total = tl.zeros((WIDE,), tl.float32)
    squares = tl.zeros((WIDE,), tl.float32)
    first = part * rows
    base = x + picture.to(tl.int64) * pixels * channels
    shift = _shift(bias, addend, picture, channels, column, inside, BIAS, ADDED)
    for start in range(0, rows, ROWS):
        row = first + start + tl.arange(0, ROWS)
        kept = (start + tl.arange(0, ROWS) < rows) & (row < pixels)
        place = row[:, None] * channels + column[None, :]
        values = tl.load(base + place, mask=kept[:, None] & inside[None, :], other=0.0)
        values = tl.where(kept[:, None], values.to(tl.float32) + shift[None, :], 0.0)
        total += tl.sum(values, axis=0)
        squares += tl.sum(values * values, axis=0)
    out = partial + (picture * tl.num_programs(1) + part) * 2 * channels
    tl.store(out + column, total, mask=inside)
    tl.store(out + channels + column, squares, mask=inside)


@triton.jit
def _finish(
    partial, weight, bias, before, addend, factors, parts, count, epsilon, channels, size,
    PARTS: tl.constexpr, SIZE: tl.constexpr, BIAS: tl.constexpr, ADDED: tl.constexpr,
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
    channel = group * size + column
    shift = _shift(before, addend, picture, channels, channel, inside, BIAS, ADDED)
    tl.store(out + channels + column, b + (shift - mean) * inverse * w, mask=inside)


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


@triton.jit
def _joined(x, other, bias, last, size, channels, TILE: tl.constexpr, LAST: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    inside = at < size
    channel = at % channels
    total = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    total += tl.load(other + at, mask=inside, other=0.0).to(tl.float32)
    total += tl.load(bias + channel, mask=inside, other=0.0).to(tl.float32)
    if LAST:
        total += tl.load(last + channel, mask=inside, other=0.0).to(tl.float32)
    tl.store(x + at, total.to(x.dtype.element_ty), mask=inside)


@triton.jit
def _layer_norm(
    x, first, second, third, after, weight, bias, out, rows, start, channels, epsilon,
    ROWS: tl.constexpr, WIDE: tl.constexpr, BIASES: tl.constexpr, AFTER: tl.constexpr,
):  # fmt: skip
    """Adds up to three biases to rows, the third from row `start` on; norms them; adds `after`."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDE)
    inside = column < channels
    kept = (row < rows)[:, None] & inside[None, :]
    place = row.to(tl.int64)[:, None] * channels + column[None, :]
    y = tl.load(x + place, mask=kept, other=0.0).to(tl.float32)
    if BIASES > 0:
        shift = tl.load(first + column, mask=inside, other=0.0).to(tl.float32)
        if BIASES > 1:
            shift += tl.load(second + column, mask=inside, other=0.0).to(tl.float32)
        y += shift[None, :]
        if BIASES > 2:
            shift = tl.load(third + column, mask=inside, other=0.0).to(tl.float32)
            y += tl.where((row >= start)[:, None], shift[None, :], 0.0)
    if BIASES > 0 or AFTER:
        rest = y
        if AFTER:
            rest = y + tl.load(after + column, mask=inside, other=0.0).to(tl.float32)[None, :]
        tl.store(x + place, rest.to(x.dtype.element_ty), mask=kept)
    mean = tl.sum(y, axis=1) / channels
    y = tl.where(inside[None, :], y - mean[:, None], 0.0)
    inverse = 1.0 / tl.sqrt(tl.sum(y * y, axis=1) / channels + epsilon)
    w = tl.load(weight + column, mask=inside, other=0.0).to(tl.float32)
    b = tl.load(bias + column, mask=inside, other=0.0).to(tl.float32)
    y = y * inverse[:, None] * w[None, :] + b[None, :]
    tl.store(out + place, y.to(out.dtype.element_ty), mask=kept)


def group_norm(
    x: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    epsilon: float,
    activate: bool,
    before: Tensor | None = None,
    addend: Tensor | None = None,
) -> Tensor:
    """The group norm of `(N, C, H, W)` in the order N, H, W, C of memory; then SiLU if asked.

    `before` (C,) and `addend` (N, C) are added to it first.
    """
    pictures, channels, height, width = x.shape
    pixels = height * width
    rows = max(_ROWS, triton.cdiv(pixels, 256))
    parts, across = triton.cdiv(pixels, rows), triton.cdiv(channels, _WIDE)
    partial = torch.empty(pictures, parts, 2, channels, device=x.device, dtype=torch.float32)
    factors = torch.empty(pictures, 2, channels, device=x.device, dtype=torch.float32)
    first = x if before is None else before
    then = x if addend is None else addend.contiguous()
    shifts = before is not None, addend is not None
    _sums[(pictures, parts, across)](
        x, first, then, partial, pixels, rows, channels, _ROWS, _WIDE, *shifts
    )
    size = channels // groups
    _finish[(pictures, groups)](
        *(partial, weight, bias, first, then, factors, parts, float(pixels * size), epsilon),
        *(channels, size, 64, triton.next_power_of_2(size), *shifts),
    )
    out = torch.empty_like(x)
    _apply[(pictures, triton.cdiv(pixels, _ROWS), across)](
        x, factors, out, pixels, channels, _ROWS, _WIDE, activate
    )
    return out


def join(x: Tensor, other: Tensor, bias: Tensor, last: Tensor | None) -> Tensor:
    """`x` in place: it, `other` and biases (C,), all in the order N, H, W, C of memory."""
    grid = (triton.cdiv(x.numel(), _TILE),)
    last_or_any = bias if last is None else last
    _joined[grid](x, other, bias, last_or_any, x.numel(), x.shape[1], _TILE, last is not None)
    return x


def layer_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    epsilon: float,
    biases: Sequence[Tensor] = (),
    start: int = 0,
    after: Tensor | None = None,
) -> Tensor:
    """The norm of rows `(…, C)`, which get up to three biases (C,) before, in place.

    The third is for rows from `start` on. `after` (C,) is added to the rows, not to their norm.
    """
    channels = x.shape[-1]
    count = x.numel() // channels
    wide = triton.next_power_of_2(channels)
    rows = max(_ROW_VALUES // wide, 1)
    out = torch.empty_like(x)
    given = [*biases, *[weight] * (3 - len(biases))]
    _layer_norm[(triton.cdiv(count, rows),)](
        *(x, *given, weight if after is None else after, weight, bias, out),
        *(count, start, channels, epsilon, rows, wide, len(biases), after is not None),
    )
    return out


def gated_gelu(x: Tensor) -> Tensor:
    """`(…, 2 C)` in rows -> `(…, C)`: the first half times GELU of the second."""
    width = x.shape[-1] // 2
    out = torch.empty(*x.shape[:-1], width, device=x.device, dtype=x.dtype)
    _gated[(out.numel() // width, triton.cdiv(width, _TILE))](x, out, width, _TILE)
    return out
