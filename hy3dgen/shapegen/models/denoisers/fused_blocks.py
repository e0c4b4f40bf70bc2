# SPDX-License-Identifier: Apache-2.0
"""`Hunyuan3DDiT`'s blocks with everything between the matrix products in kernels of our own.

The same network as in `hunyuan3ddit.py`, whose functions say what is computed. Here a block is its
matrix products, its attention, and one kernel for each of: gated residual and the next modulated
norm; norms of the heads, written where the joint attention reads them. The tanh-approximated GELU
is computed by the product before it where the library can. What products take and give is told by
`block_products`, for weights of half precision and of eight bits.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ....gpu.fused_reduce import Kernels
from ....gpu.transformer_kernels import gated_norm, head_norms, transformer_kernels
from ..attention import Repeats, attend, join_heads
from .block_products import Half, Products, products_for, rows_of


def kernels_for(model: Any, x: Tensor, times: int) -> Kernels | None:
    """Those for a call with latents `x` and so many different times, or None."""
    if torch.is_autocast_enabled(x.device.type) or times != 1:
        return None
    width = model.latent_in.out_features
    attention = model.double_blocks[0].img_attn if len(model.double_blocks) else None
    if attention is None or not len(model.single_blocks) or torch.compiler.is_compiling():
        return None
    if torch.is_grad_enabled() and model.latent_in.weight.requires_grad:
        return None
    if model.latent_in.weight.dtype != x.dtype:
        return None
    return transformer_kernels(x, width, width // attention.num_heads)


def run_blocks(
    kernels: Kernels,
    model: Any,
    latents: Sequence[Tensor],
    conditions: Sequence[tuple[Tensor, Repeats | None]],
    time_values: Any,
) -> Tensor:
    """Latent tokens after all blocks, and after the last layer's norm, half after half.

    Several halves share every product with weights, which keeps a GPU busier than one after the
    other; only their attention is apart.

    Parameters
    ----------
    latents, conditions : one for each half, `(B, L, D)` and `(B, Lc, D)`; only Lc may differ

    Returns
    -------
    Tensor
        `(halves * B, L, D)`
    """
    final_shift, final_scale = time_values.final.chunk(2, dim=-1)
    doubles = list(zip(model.double_blocks, time_values.double, strict=True))
    singles = list(zip(model.single_blocks, time_values.single, strict=True))
    batch, length, width = latents[0].shape
    halves = _halves(batch, length, conditions)
    products = products_for(model, kernels, latents[0])
    latent = torch.cat([part.reshape(-1, width) for part in latents])
    cond = torch.cat([part.reshape(-1, width) for part, _repeats in conditions])

    (img, txt) = doubles[0][1]
    latent_in = products.norm(latent, None, None, *img.chunk(6, dim=-1)[:2])
    cond_in = products.norm(cond, None, None, *txt.chunk(6, dim=-1)[:2])
    for number, (block, (img, txt)) in enumerate(doubles):
        _enter(block)
        following = doubles[number + 1][1] if number + 1 < len(doubles) else None
        attended = _joint_attention(products, block, latent_in, cond_in, halves, batch, latent)
        latent_out, cond_out = products.streams(attended, halves, batch)
        latent_in = _finish_stream(
            products, latent, latent_out, block.img_attn, block.img_mlp, img,
            None if following is None else following[0],
        )  # fmt: skip
        cond_in = _finish_stream(
            products, cond, cond_out, block.txt_attn, block.txt_mlp, txt,
            None if following is None else following[1],
        )  # fmt: skip

    pairs = [
        (rows_of(cond, half.condition, batch), rows_of(latent, half.latents, batch))
        for half in halves
    ]
    joint = torch.cat([torch.cat(pair, dim=1).flatten(0, 1) for pair in pairs])
    shift, scale, gate = singles[0][1].chunk(3, dim=-1)
    joint_in = products.norm(joint, None, None, shift, scale)
    for number, (block, _values) in enumerate(singles):
        _enter(block)
        change = _single(products, block, joint_in, halves, batch, joint)
        if number + 1 < len(singles):
            shift, scale, next_gate = singles[number + 1][1].chunk(3, dim=-1)
            joint_in = products.norm(joint, change, gate, shift, scale)
            gate = next_gate
    normed = gated_norm(kernels, joint, change, gate, final_shift, final_scale)
    parts = [rows_of(normed, half.joint, batch)[:, half.tokens :] for half in halves]
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _halves(
    batch: int, length: int, conditions: Sequence[tuple[Tensor, Repeats | None]]
) -> list[Half]:
    found, before = [], 0  # rows of conditions so far
    for number, (cond, repeats) in enumerate(conditions):
        tokens = cond.shape[1]
        first = number * batch * length
        rows = batch * tokens
        found.append(
            Half(
                slice(before, before + rows),
                slice(first, first + batch * length),
                slice(before + first, before + first + rows + batch * length),
                tokens,
                repeats,
            )
        )
        before += rows
    return found


def _enter(block: nn.Module) -> None:
    """What is to happen before a block's call, which is here one of each of its parts."""
    for hook in block._forward_pre_hooks.values():
        hook(block, ())


def _joint_attention(
    products: Products,
    block: Any,
    latent_in: Any,
    cond_in: Any,
    halves: Sequence[Half],
    batch: int,
    latent: Tensor,
) -> list[Tensor]:
    """Attention over both streams, of each half `(B, N, D)`, from their modulated norms."""
    width = latent.shape[-1]
    heads = block.img_attn.num_heads
    shape = (halves[-1].joint.stop, heads, width // heads)
    targets = [latent.new_empty(shape) for _ in range(3)]
    streams = [
        (attention, products.product(attention.qkv, stream))
        for attention, stream in ((block.txt_attn, cond_in), (block.img_attn, latent_in))
    ]
    for half in halves:
        joint = tuple(rows_of(target, half.joint, batch) for target in targets)
        parts = ((half.condition, 0), (half.latents, half.tokens))
        for (attention, qkv), (rows, skipped) in zip(streams, parts, strict=True):
            head_norms(
                products.kernels, rows_of(qkv, rows, batch), attention.norm.query_norm.scale,
                attention.norm.key_norm.scale, joint, skipped,
            )  # fmt: skip
    return _attend_beside(targets, halves, batch, None)[0]


def _attend_beside(
    targets: Sequence[Tensor],
    halves: Sequence[Half],
    batch: int,
    meanwhile: Callable[[], Tensor] | None,
) -> tuple[list[Tensor], Tensor | None]:
    """Attention of each half, `(B, N, D)`, and what `meanwhile` gives.

    Attention of one half leaves part of a GPU idle towards its end. A recording has the others, and
    what else does not wait for it, beside it. Every stream waits for the main one before it begins
    and is waited for in the end, so memory that one of them gives back is free for all.
    """
    here = torch.cuda.current_stream(targets[0].device) if _is_recording(targets[0]) else None
    attended = []
    streams = []
    for number, half in enumerate(halves):
        parts = [rows_of(target, half.joint, batch) for target in targets]
        if here is None or (meanwhile is None and number == 0):
            attended.append(_attend(*parts, half.repeats))
            continue
        stream = _side_stream(here.device.index, number)
        stream.wait_stream(here)
        streams.append(stream)
        with torch.cuda.stream(stream):
            attended.append(_attend(*parts, half.repeats))
    other = None if meanwhile is None else meanwhile()
    for stream in streams:
        here.wait_stream(stream)
    return attended, other


@functools.cache
def _side_stream(device: int, number: int) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


def _is_recording(x: Tensor) -> bool:
    return x.is_cuda and torch.cuda.is_current_stream_capturing()


def _attend(q: Tensor, k: Tensor, v: Tensor, repeats: Repeats | None) -> Tensor:
    """Attention of tensors `(B, N, heads, d)`, `(B, N, heads * d)`."""
    return join_heads(attend(*(part.transpose(1, 2) for part in (q, k, v)), repeats))


def _finish_stream(
    products: Products,
    x: Tensor,
    attended: Any,
    attention: Any,
    mlp: nn.Sequential,
    values: Tensor,
    following: Tensor | None,
) -> Any:
    """Adds what attention and MLP give to `x`, and gives the next block's modulated norm."""
    _shift, _scale, gate1, shift2, scale2, gate2 = values.chunk(6, dim=-1)
    inner = products.norm(x, products.product(attention.proj, attended), gate1, shift2, scale2)
    change = products.product(mlp[2], products.activated(mlp[0], inner))
    if following is None:
        gated_norm(products.kernels, x, change, gate2, None, None)
        return None
    return products.norm(x, change, gate2, *following.chunk(6, dim=-1)[:2])


def _single(
    products: Products,
    block: Any,
    joint_in: Any,
    halves: Sequence[Half],
    batch: int,
    joint: Tensor,
) -> Tensor:
    rows, width = joint.shape
    qkv, hidden = products.begin_single(block, joint_in)
    shape = (1, rows, block.num_heads, width // block.num_heads)
    q, k = joint.new_empty(shape), joint.new_empty(shape)
    norm = block.norm
    head_norms(
        products.kernels, qkv[None], norm.query_norm.scale, norm.key_norm.scale, (q, k, None)
    )
    v = qkv[:, 2 * width :].unflatten(-1, shape[2:])
    attended, rest = _attend_beside((q[0], k[0], v), halves, batch, hidden)
    return products.end_single(block, attended, rest, halves)
