# SPDX-License-Identifier: Apache-2.0
"""`Hunyuan3DDiT`'s blocks with everything between the matrix products in kernels of our own.

The same network as in `hunyuan3ddit.py`, whose functions say what is computed. Here a block is its
matrix products, its attention, and one kernel for each of: gated residual and the next modulated
norm; norms of the heads, written where the joint attention reads them. The tanh-approximated GELU
is computed by the product before it where the library can.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....gpu.fused_reduce import Kernels
from ....gpu.transformer_kernels import gated_norm, head_norms, transformer_kernels
from ..attention import Repeats, attend, join_heads


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
    kernels: Kernels, model: Any, latent: Tensor, cond: Tensor, time_values: Any, repeats: Any
) -> Tensor:
    """Latent tokens `(B, L, D)` after all blocks, and after the last layer's norm."""
    final_shift, final_scale = time_values.final.chunk(2, dim=-1)
    doubles = list(zip(model.double_blocks, time_values.double, strict=True))
    singles = list(zip(model.single_blocks, time_values.single, strict=True))
    tokens = cond.shape[1]

    (img, txt) = doubles[0][1]
    latent_in = gated_norm(kernels, latent.contiguous(), None, None, *img.chunk(6, dim=-1)[:2])
    cond_in = gated_norm(kernels, cond.contiguous(), None, None, *txt.chunk(6, dim=-1)[:2])
    for number, (block, (img, txt)) in enumerate(doubles):
        following = doubles[number + 1][1] if number + 1 < len(doubles) else None
        latent_out, cond_out = _joint_attention(kernels, block, latent_in, cond_in, repeats)
        latent_in = _finish_stream(
            kernels, latent, latent_out, block.img_attn, block.img_mlp, img,
            None if following is None else following[0],
        )  # fmt: skip
        cond_in = _finish_stream(
            kernels, cond, cond_out, block.txt_attn, block.txt_mlp, txt,
            None if following is None else following[1],
        )  # fmt: skip

    joint = torch.cat([cond, latent], dim=1)
    shift, scale, gate = singles[0][1].chunk(3, dim=-1)
    normed = gated_norm(kernels, joint, None, None, shift, scale)
    for number, (block, _values) in enumerate(singles):
        change = _single(kernels, block, normed, repeats)
        if number + 1 < len(singles):
            shift, scale, next_gate = singles[number + 1][1].chunk(3, dim=-1)
            normed = gated_norm(kernels, joint, change, gate, shift, scale)
            gate = next_gate
        else:
            normed = gated_norm(kernels, joint, change, gate, final_shift, final_scale)
    return normed[:, tokens:]


def _joint_attention(
    kernels: Kernels, block: Any, latent: Tensor, cond: Tensor, repeats: Repeats | None
) -> tuple[Tensor, Tensor]:
    """The two streams' parts of attention over both, from their modulated norms."""
    batch, tokens, width = cond.shape
    heads = block.img_attn.num_heads
    shape = (batch, tokens + latent.shape[1], heads, width // heads)
    q, k, v = (latent.new_empty(shape) for _ in range(3))
    for stream, attention, skipped in (
        (cond, block.txt_attn, 0),
        (latent, block.img_attn, tokens),
    ):
        norm = attention.norm
        head_norms(
            kernels, attention.qkv(stream), norm.query_norm.scale, norm.key_norm.scale, (q, k, v),
            skipped,
        )  # fmt: skip
    joint = _attend(q, k, v, repeats)
    return joint[:, tokens:], joint[:, :tokens]


def _attend(q: Tensor, k: Tensor, v: Tensor, repeats: Repeats | None) -> Tensor:
    """Attention of tensors `(B, N, heads, d)`, `(B, N, heads * d)`."""
    return join_heads(attend(*(part.transpose(1, 2) for part in (q, k, v)), repeats))


def _finish_stream(
    kernels: Kernels,
    x: Tensor,
    attended: Tensor,
    attention: Any,
    mlp: nn.Sequential,
    values: Tensor,
    following: Tensor | None,
) -> Tensor | None:
    """Adds what attention and MLP give to `x`, and gives the next block's modulated norm."""
    _shift, _scale, gate1, shift2, scale2, gate2 = values.chunk(6, dim=-1)
    inner = gated_norm(kernels, x, attention.proj(attended), gate1, shift2, scale2)
    change = mlp[2](linear_gelu(inner, mlp[0].weight, mlp[0].bias))
    if following is None:
        gated_norm(kernels, x, change, gate2, None, None)
        return None
    return gated_norm(kernels, x, change, gate2, *following.chunk(6, dim=-1)[:2])


def _single(kernels: Kernels, block: Any, normed: Tensor, repeats: Repeats | None) -> Tensor:
    batch, tokens, width = normed.shape
    inner, hidden = block.widths
    qkv = F.linear(normed, block.linear1.weight[:inner], _part(block.linear1.bias, 0, inner))
    shape = (batch, tokens, block.num_heads, width // block.num_heads)
    q, k = normed.new_empty(shape), normed.new_empty(shape)
    norm = block.norm
    head_norms(kernels, qkv, norm.query_norm.scale, norm.key_norm.scale, (q, k, None))
    v = qkv[..., 2 * width :].unflatten(-1, shape[2:])
    attended = _attend(q, k, v, repeats)
    rest = linear_gelu(
        normed, block.linear1.weight[inner:], _part(block.linear1.bias, inner, inner + hidden)
    )
    # The product over both inputs side by side, without laying them side by side.
    weight = block.linear2.weight
    change = F.linear(rest, weight[:, width:], block.linear2.bias)
    change.view(-1, width).addmm_(attended.reshape(-1, width), weight[:, :width].t())
    return change


def _part(bias: Tensor | None, start: int, stop: int) -> Tensor | None:
    return None if bias is None else bias[start:stop]


def linear_gelu(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """GELU, tanh-approximated, of a linear layer."""
    if bias is None or not x.is_cuda:
        return F.gelu(F.linear(x, weight, bias), approximate="tanh")
    rows = torch._addmm_activation(bias, x.flatten(0, -2), weight.t(), use_gelu=True)
    return rows.unflatten(0, x.shape[:-1])
