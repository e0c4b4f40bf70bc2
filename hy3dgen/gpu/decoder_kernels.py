# SPDX-License-Identifier: Apache-2.0
"""Triton kernels of the geometry decoder's arithmetic around its attention.

Loads without Triton; `AVAILABLE` then is False. Each function here has its plain counterpart in
`hy3dgen.shapegen.models.autoencoders.attention_blocks`; folded weights come from `fused_query`.
Points' features are `[x | sin | cos | 1 | 0 ...]`, padded to `FEATURES` columns.
"""

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError:  # other systems than Linux
    AVAILABLE = False
else:
    AVAILABLE = True

FEATURES = 64

if AVAILABLE:

    @triton.jit
    def _features(points, frequencies, rows, count, NUM: tl.constexpr, FEATURES: tl.constexpr):
        """Features `(rows, FEATURES) float32` of points at `rows`."""
        columns = tl.arange(0, FEATURES)
        waves: tl.constexpr = 3 * NUM
        wave = (columns - 3) % waves
        is_wave = (columns >= 3) & (columns < 3 + 2 * waves)
        axis = tl.where(is_wave, wave // NUM, tl.where(columns < 3, columns, 0))
        place = points + rows.to(tl.int64)[:, None] * 3 + axis[None, :]
        x = tl.load(place, mask=(rows < count)[:, None], other=0.0).to(tl.float32)
        frequency = tl.load(frequencies + wave % NUM, mask=is_wave, other=0.0).to(tl.float32)
        quarter = tl.where(columns >= 3 + waves, 1.5707963267948966, 0.0)
        wave_values = tl.sin(x * frequency[None, :] + quarter[None, :])
        rest = tl.where((columns < 3)[None, :], x, 0.0)
        rest = tl.where((columns == 3 + 2 * waves)[None, :], 1.0, rest)
        return tl.where(is_wave[None, :], wave_values, rest)

    @triton.jit
    def _first_kernel(out):
        tl.store(out, 1.0)

    @triton.jit
    def _queries_kernel(
        points, frequencies, root, weight, shift, norm_weight, norm_bias, start_weight, q, start,
        count, width, eps, norm_eps,
        NUM: tl.constexpr, FEATURES: tl.constexpr, HEADS: tl.constexpr, HEAD: tl.constexpr,
        NORM: tl.constexpr, START: tl.constexpr, ROWS: tl.constexpr,
    ):  # fmt: skip
        rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        here = (rows < count)[:, None]
        features = _features(points, frequencies, rows, count, NUM, FEATURES).to(q.dtype.element_ty)
        inner = tl.arange(0, FEATURES)
        roots = tl.load(root + inner[:, None] * FEATURES + inner[None, :])
        centred = tl.dot(features, roots)
        scale = tl.rsqrt(tl.sum(centred * centred, axis=1) / width + eps)
        part = tl.arange(0, HEAD)
        line = rows.to(tl.int64)[:, None] * (HEADS * HEAD)
        for head in range(HEADS):
            columns = head * HEAD + part
            block = inner[:, None] * (HEADS * HEAD) + columns[None, :]
            value = tl.dot(features, tl.load(weight + block)) * scale[:, None]
            value += tl.load(shift + columns)[None, :]
            if NORM:
                value -= (tl.sum(value, axis=1) / HEAD)[:, None]
                spread = tl.sum(value * value, axis=1) / HEAD
                value *= tl.rsqrt(spread + norm_eps)[:, None]
                value = value * tl.load(norm_weight + part)[None, :]
                value += tl.load(norm_bias + part)[None, :]
            tl.store(q + line + columns[None, :], value.to(q.dtype.element_ty), mask=here)
            if START:
                value = tl.dot(features, tl.load(start_weight + block))
                tl.store(start + line + columns[None, :], value.to(q.dtype.element_ty), mask=here)

    @triton.jit
    def _narrow_kernel(
        points, frequencies, attended, to_sum_points, to_sum, to_hidden_points, to_hidden, shift,
        head, hidden_head, out, count, offset, eps,
        NUM: tl.constexpr, FEATURES: tl.constexpr, WIDTH: tl.constexpr, HIDDEN: tl.constexpr,
        ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
    ):  # fmt: skip
        rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        here = (rows < count)[:, None]
        dtype = attended.dtype.element_ty
        features = _features(points, frequencies, rows, count, NUM, FEATURES).to(dtype)
        inner = tl.arange(0, FEATURES)
        column = tl.arange(0, COLUMNS)
        depth = tl.arange(0, DEPTH)
        line = attended + rows.to(tl.int64)[:, None] * WIDTH + depth[None, :]
        total = tl.zeros([ROWS], tl.float32)
        squares = tl.zeros([ROWS], tl.float32)
        answer = tl.zeros([ROWS], tl.float32)
        for first in range(0, WIDTH, COLUMNS):
            columns = first + column
            block = tl.load(to_sum_points + inner[:, None] * WIDTH + columns[None, :])
            value = tl.dot(features, block)
            for k in range(0, WIDTH, DEPTH):
                left = tl.load(line + k, mask=here, other=0.0)
                right = tl.load(to_sum + (k + depth)[:, None] * WIDTH + columns[None, :])
                value = tl.dot(left, right, value)
            total += tl.sum(value, axis=1)
            squares += tl.sum(value * value, axis=1)
            answer += tl.sum(value * tl.load(head + columns)[None, :], axis=1)
        mean = total / WIDTH
        scale = tl.rsqrt(tl.maximum(squares / WIDTH - mean * mean, 0.0) + eps)
        for first in range(0, HIDDEN, COLUMNS):
            columns = first + column
            block = tl.load(to_hidden_points + inner[:, None] * HIDDEN + columns[None, :])
            value = tl.dot(features, block)
            for k in range(0, WIDTH, DEPTH):
                left = tl.load(line + k, mask=here, other=0.0)
                right = tl.load(to_hidden + (k + depth)[:, None] * HIDDEN + columns[None, :])
                value = tl.dot(left, right, value)
            value = value * scale[:, None] + tl.load(shift + columns)[None, :]
            value = 0.5 * value * (1.0 + tl.erf(value * 0.7071067811865476))
            answer += tl.sum(value * tl.load(hidden_head + columns)[None, :], axis=1)
        tl.store(out + rows, (answer + offset).to(out.dtype.element_ty), mask=rows < count)

    @triton.jit
    def _norm_head_kernel(
        x, bias, head, out, count, offset, eps,
        WIDTH: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr,
    ):  # fmt: skip
        rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        columns = tl.arange(0, BLOCK)
        place = x + rows.to(tl.int64)[:, None] * WIDTH + columns[None, :]
        inside = (rows < count)[:, None] & (columns < WIDTH)[None, :]
        value = tl.load(place, mask=inside, other=0.0).to(tl.float32)
        extra = tl.load(bias + columns, mask=columns < WIDTH, other=0.0)
        value += extra.to(tl.float32)[None, :]
        mean = tl.sum(value, axis=1) / WIDTH
        value = tl.where(inside, value - mean[:, None], 0.0)
        scale = tl.rsqrt(tl.sum(value * value, axis=1) / WIDTH + eps)
        weight = tl.load(head + columns, mask=columns < WIDTH, other=0.0)
        answer = tl.sum(value * weight[None, :], axis=1) * scale + offset
        tl.store(out + rows, answer.to(out.dtype.element_ty), mask=rows < count)


def begin(device: torch.device) -> None:
    """Have Triton make itself ready, which takes half a second at its first kernel."""
    if AVAILABLE:
        with torch.cuda.device(device):
            _first_kernel[(1,)](torch.empty(1, device=device))


def queries(
    points: Tensor,
    frequencies: Tensor,
    root: Tensor,
    weight: Tensor,
    shift: Tensor,
    norm: tuple[Tensor, Tensor, float] | None,
    start_weight: Tensor | None,
    width: int,
    heads: int,
    eps: float,
) -> tuple[Tensor, Tensor | None]:
    """Attention queries `(P, D)` of points `(P, 3)`, and the residual stream if wanted.

    Parameters
    ----------
    root : (F, F); the length of `features @ root` is that of the centred embedding
    weight, shift : (F, D) and (D,) float32: a query is `features @ weight / deviation + shift`
    norm : weight, bias (float32) and epsilon of the heads' layer norm
    start_weight : (F, D); the stream is `features @ start_weight`
    """
    count, head = len(points), weight.shape[1] // heads
    q = weight.new_empty(count, weight.shape[1])
    start = None if start_weight is None else torch.empty_like(q)
    norm_weight, norm_bias, norm_eps = norm or (shift, shift, 0.0)
    rows = 128
    _queries_kernel[(triton.cdiv(count, rows),)](
        points, frequencies, root, weight, shift, norm_weight, norm_bias,
        weight if start_weight is None else start_weight, q, q if start is None else start,
        count, width, eps, norm_eps,
        NUM=len(frequencies), FEATURES=FEATURES, HEADS=heads, HEAD=head, NORM=norm is not None,
        START=start is not None, ROWS=rows, num_warps=4,
    )  # fmt: skip
    return q, start


# Rows, columns, depth, warps, stages; the last fits into any card's shared memory.
NARROW_SHAPES = (
    (128, 128, 64, 8, 3),
    (128, 256, 64, 8, 3),
    (64, 64, 32, 4, 2),
)


def narrow_answers(
    points: Tensor,
    frequencies: Tensor,
    attended: Tensor,
    to_sum: Tensor,
    to_hidden: Tensor,
    shift: Tensor,
    head: Tensor,
    hidden_head: Tensor,
    offset: float,
    eps: float,
    shape: tuple[int, int, int, int, int] = NARROW_SHAPES[-1],
) -> Tensor:
    """Logits `(P,)` from what the attention gave `(P, D)`, for a decoder without a last norm.

    Such a decoder is linear after its hidden layer, so that layer's outgoing matrix and the head
    are one vector, and no stream is ever written.

    Parameters
    ----------
    to_sum, to_hidden : (F + D, D) and (F + D, hidden), by which features and attended values give
        the stream, and the hidden layer times the stream's deviation
    shift : (hidden,) float32
    head, hidden_head : (D,) and (hidden,) float32
    """
    count, width = attended.shape
    rows, columns, depth, warps, stages = shape
    columns = min(columns, width)
    out = attended.new_empty(count)
    _narrow_kernel[(triton.cdiv(count, rows),)](
        points, frequencies, attended, to_sum[:FEATURES], to_sum[FEATURES:],
        to_hidden[:FEATURES], to_hidden[FEATURES:], shift, head, hidden_head, out,
        count, offset, eps,
        NUM=len(frequencies), FEATURES=FEATURES, WIDTH=width, HIDDEN=to_hidden.shape[1], ROWS=rows,
        COLUMNS=columns, DEPTH=min(depth, width), num_warps=warps, num_stages=stages,
    )  # fmt: skip
    return out


def norm_head(x: Tensor, bias: Tensor, head: Tensor, offset: float, eps: float) -> Tensor:
    """`layer_norm(x + bias) @ head + offset` of rows `(P, D)`: `(P,)`; `head` is float32."""
    count, width = x.shape
    out = x.new_empty(count)
    rows = 4
    _norm_head_kernel[(triton.cdiv(count, rows),)](
        x, bias, head, out, count, offset, eps,
        WIDTH=width, BLOCK=triton.next_power_of_2(width), ROWS=rows, num_warps=4,
    )  # fmt: skip
    return out
