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

from ....gpu.attention_kernel import AttentionKernel, Task, run_tasks
from ....gpu.fused_reduce import Kernels
from ....gpu.transformer_kernels import gated_norm, head_norms, transformer_kernels
from ..attention import Repeats, attend, join_heads, own_kernel
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
        latent_out, cond_out = _joint_attention(
            products, block, latent_in, cond_in, halves, batch, latent
        )
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
) -> tuple[Any, Any]:
    """The two streams' parts of attention over both, as inputs, from their modulated norms."""
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
    calls = _calls(targets, halves, batch)
    own = own_kernel(calls)
    if own is None:
        works = [functools.partial(_attend, *call) for call in calls]
        return products.streams(_beside(latent, works), halves)
    latents = latent.new_empty(halves[-1].latents.stop, *shape[1:])
    conditions = latent.new_empty(halves[-1].condition.stop, *shape[1:])
    outputs = [
        [rows_of(conditions, half.condition, batch), rows_of(latents, half.latents, batch)]
        for half in halves
    ]
    _attend_all(own, calls, outputs)
    return products.rows(latents.flatten(1)), products.rows(conditions.flatten(1))


def _calls(
    targets: Sequence[Tensor], halves: Sequence[Half], batch: int
) -> list[tuple[Tensor, Tensor, Tensor, Repeats | None]]:
    """What attention is asked for, half after half, from q, k and v `(R, heads, d)`."""
    calls = []
    for half in halves:
        q, k, v = (rows_of(target, half.joint, batch).transpose(1, 2) for target in targets)
        calls.append((q, k, v, half.repeats))
    return calls


def _attend_all(
    own: AttentionKernel,
    calls: Sequence[tuple[Tensor, Tensor, Tensor, Repeats | None]],
    outputs: Sequence[Sequence[Tensor]],
) -> None:
    tasks = [
        Task(q, k, v, places, 1 if repeats is None else repeats.times)
        for (q, k, v, repeats), places in zip(calls, outputs, strict=True)
    ]
    run_tasks(own, tasks)


def _beside(x: Tensor, works: Sequence[Callable[[], Any]]) -> list[Any]:
    """What works give that do not wait for one another.

    A work leaves part of a GPU idle towards its end. A recording has the others beside it. Every
    stream waits for the main one before it begins and is waited for in the end, so memory that one
    of them gives back is free for all.
    """
    if not _is_recording(x):
        return [work() for work in works]
    here = torch.cuda.current_stream(x.device)
    streams = [_side_stream(here.device.index, number) for number in range(len(works) - 1)]
    given = []
    for stream, work in zip(streams, works[:-1], strict=True):
        stream.wait_stream(here)
        with torch.cuda.stream(stream):
            given.append(work())
    given.append(works[-1]())
    for stream in streams:
        here.wait_stream(stream)
    return given


@functools.cache
def _side_stream(device: int, number: int) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


def _is_recording(x: Tensor) -> bool:
    return x.is_cuda and torch.cuda.is_current_stream_capturing()


def _attend(q: Tensor, k: Tensor, v: Tensor, repeats: Repeats | None) -> Tensor:
    """Attention of tensors `(B, heads, N, d)`, `(B, N, heads * d)`."""
    return join_heads(attend(q, k, v, repeats))


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
    calls = _calls((q[0], k[0], v), halves, batch)
    own = own_kernel(calls)
    if own is None:
        works = [functools.partial(_attend, *call) for call in calls]
        *attended, rest = _beside(joint, [*works, hidden])
        return products.end_single(block, attended, [half.joint for half in halves], rest)
    attended = torch.empty_like(joint)
    heads = attended.view(shape[1:])
    _attend_all(own, calls, [[rows_of(heads, half.joint, batch)] for half in halves])
    return products.end_single(block, [attended], [slice(0, rows)], hidden())
