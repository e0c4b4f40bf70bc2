# SPDX-License-Identifier: Apache-2.0
"""The geometry decoder's query in few kernels on a CUDA GPU, the same up to rounding.

What stands before the attention depends on a point alone: embedding, layer norm and projection to
queries are one affine map of its features, divided by the embedding's deviation. What stands behind
it is folded likewise. The attention itself is whatever the decoder's processor computes.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ....gpu import decoder_kernels as kernels
from ...log import logger
from ..attention import join_heads

_HIDDEN_ROWS = 16384  # of the wide hidden layer at a time; more are no faster and hold more
_SAMPLE = 200
_TOLERANCE = 0.02  # of the largest value; half precision's rounding is a tenth of it


class FoldedWeights(NamedTuple):
    frequencies: Tensor
    root: Tensor
    to_query: Tensor
    query_shift: Tensor
    query_norm: tuple[Tensor, Tensor, float] | None
    to_start: Tensor | None  # None for the narrow decoder
    to_sum: Tensor | None
    to_hidden: Tensor | None
    hidden_shift: Tensor | None
    head: Tensor
    hidden_head: Tensor | None
    offset: float
    shape: Any = kernels.NARROW_SHAPES[-1]


def foldable(decoder: Any) -> bool:
    """Whether the kernels know a decoder of this shape."""
    embedder, block = decoder.fourier_embedder, decoder.cross_attn_decoder
    width = block.attn.c_q.out_features
    head = width // block.attn.heads
    sizes = (width, head, block.mlp.c_fc.out_features)
    return (
        embedder.include_input
        and embedder.out_dim < kernels.FEATURES
        and decoder.query_proj.in_features == embedder.out_dim == 3 + 6 * len(embedder.frequencies)
        and decoder.output_proj.out_features == 1
        and all(size >= 16 and size & (size - 1) == 0 for size in sizes)
    )


def fold(decoder: Any) -> FoldedWeights:
    """The weights of a decoder as its kernels want them, computed in float64."""
    block, embedder = decoder.cross_attn_decoder, decoder.fourier_embedder
    attn, mlp = block.attn, block.mlp
    dtype, device = attn.c_q.weight.dtype, attn.c_q.weight.device
    width = attn.c_q.out_features

    def wide(value: Tensor | None) -> Tensor | float:
        return 0.0 if value is None else value.detach().double()

    def narrowed(value: Tensor) -> Tensor:
        return value.to(dtype).contiguous()

    # Columns are those of the features: the embedding's, then its bias.
    embedding = torch.zeros(width, kernels.FEATURES, dtype=torch.float64, device=device)
    embedding[:, : embedder.out_dim] = wide(decoder.query_proj.weight)
    embedding[:, embedder.out_dim] = wide(decoder.query_proj.bias)
    centred = embedding - embedding.mean(dim=0)
    triangle = torch.linalg.qr(centred.cpu(), mode="r").R
    root = torch.zeros(kernels.FEATURES, kernels.FEATURES, dtype=torch.float64)
    root[: len(triangle)] = triangle
    before = wide(attn.c_q.weight) * wide(block.ln_1.weight)
    query_shift = wide(attn.c_q.weight) @ wide(block.ln_1.bias) + wide(attn.c_q.bias)
    norm = attn.attention.q_norm
    query_norm = None
    if isinstance(norm, torch.nn.LayerNorm):
        query_norm = (norm.weight.detach().float(), norm.bias.detach().float(), norm.eps)

    start = embedding.clone()
    start[:, embedder.out_dim] += wide(attn.c_proj.bias)
    head = wide(decoder.output_proj.weight)[0]
    offset = wide(decoder.output_proj.bias)
    narrow = not decoder.enable_ln_post
    to_sum = to_hidden = hidden_shift = hidden_head = None
    if narrow:
        both = torch.cat([start, wide(attn.c_proj.weight)], dim=1)  # (D, F + D)
        into = wide(mlp.c_fc.weight) * wide(block.ln_3.weight)
        to_sum = narrowed(both.T)
        to_hidden = narrowed((into @ (both - both.mean(dim=0))).T)
        hidden_shift = (wide(mlp.c_fc.weight) @ wide(block.ln_3.bias) + wide(mlp.c_fc.bias)).float()
        hidden_head = (wide(mlp.c_proj.weight).T @ head).float()
        offset = offset + head @ wide(mlp.c_proj.bias)
    else:
        offset = offset + head @ wide(decoder.ln_post.bias)
        head = head * wide(decoder.ln_post.weight)
    return FoldedWeights(
        embedder.frequencies.float(),
        narrowed(root.T.to(device)),
        narrowed((before @ centred).T),
        query_shift.float().contiguous(),
        query_norm,
        None if narrow else narrowed(start.T),
        to_sum,
        to_hidden,
        hidden_shift,
        head.float().contiguous(),
        hidden_head,
        float(offset),
    )


def fused_query(decoder: Any, folded: FoldedWeights, projected: Any, points: Tensor) -> Tensor:
    """What `decoder.query(projected, points)` gives: `(B, P, 1)` at `(B, P, 3)`."""
    with torch.cuda.device_of(points):  # Triton launches on the current device, wherever data lies
        return _by_kernels(decoder, folded, projected, points)


def _by_kernels(decoder: Any, folded: FoldedWeights, projected: Any, points: Tensor) -> Tensor:
    block = decoder.cross_attn_decoder
    attn = block.attn
    rows, count = points.shape[:2]
    flat = points.float().reshape(-1, 3).contiguous()
    width = folded.to_query.shape[1]
    q, start = kernels.queries(
        flat, folded.frequencies, folded.root, folded.to_query, folded.query_shift,
        folded.query_norm, folded.to_start, width, attn.heads, block.ln_1.eps,
    )  # fmt: skip
    heads = q.view(rows, count, attn.heads, -1).transpose(1, 2)
    attended = join_heads(attn.processor(attn, heads, projected.keys, projected.values))
    attended = attended.reshape(-1, width)
    del q, heads
    if start is None:
        values = kernels.narrow_answers(
            flat, folded.frequencies, attended.contiguous(), folded.to_sum, folded.to_hidden,
            folded.hidden_shift, folded.head, folded.hidden_head, folded.offset, block.ln_3.eps,
            folded.shape,
        )  # fmt: skip
        return values.view(rows, count, 1)
    values = start.new_empty(len(start))
    mlp = block.mlp
    for first in range(0, len(start), _HIDDEN_ROWS):
        part = slice(first, first + _HIDDEN_ROWS)
        x = start[part].addmm_(attended[part], attn.c_proj.weight.T)
        hidden = mlp.c_fc(block.ln_3(x))
        x.addmm_(torch.ops.aten.gelu_(hidden), mlp.c_proj.weight.T)
        values[part] = kernels.norm_head(
            x, mlp.c_proj.bias, folded.head, folded.offset, decoder.ln_post.eps
        )
    return values.view(rows, count, 1)


class FusedQuery:
    """Folds a decoder's weights when they are new, tries the kernels, and remembers the outcome."""

    def __init__(self) -> None:
        self._key: Any = None
        self._folded: FoldedWeights | None = None

    def weights(self, decoder: Any, projected: Any) -> FoldedWeights | None:
        """None where the plain way is to be gone."""
        values = projected.values
        if (
            not kernels.AVAILABLE
            or values.device.type != "cuda"
            or values.dtype not in (torch.float16, torch.bfloat16)
            or torch.is_grad_enabled()
            or torch.is_autocast_enabled("cuda")
        ):
            return None
        key = tuple(
            (weight.data_ptr(), 0 if weight.is_inference() else weight._version)
            for weight in decoder.parameters()
        )
        if key != self._key:
            self._key, self._folded = key, _tried(decoder, projected)
        return self._folded


def _tried(decoder: Any, projected: Any) -> FoldedWeights | None:
    if not foldable(decoder) or decoder.query_proj.weight.dtype != projected.values.dtype:
        return None
    generator = torch.Generator().manual_seed(0)
    points = 2 * torch.rand(1, _SAMPLE, 3, generator=generator) - 1
    points = points.to(projected.values.device)
    one = type(projected)(*(part[:1] for part in projected))
    processor = decoder.cross_attention_processor
    decoder.set_default_cross_attention_processor()  # others may keep what the next call is to do
    try:
        return _first_that_fits(decoder, fold(decoder), one, points)
    finally:
        decoder.set_cross_attention_processor(processor)


def _first_that_fits(
    decoder: Any, folded: FoldedWeights, projected: Any, points: Tensor
) -> FoldedWeights | None:
    want = decoder.plain_query(projected, points).float()
    reason = ""
    for shape in kernels.NARROW_SHAPES:
        folded = folded._replace(shape=shape)
        try:
            error = (fused_query(decoder, folded, projected, points).float() - want).abs().max()
        except torch.OutOfMemoryError:
            raise
        except Exception as failure:  # Triton's errors have no base of their own
            reason = str(failure)
            continue
        if error <= _TOLERANCE * want.abs().max():
            return folded
        reason = f"off by {float(error):.3g}"
    logger.info("The geometry decoder goes in plain steps here: %s", reason)
    return None
