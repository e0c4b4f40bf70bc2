# SPDX-License-Identifier: Apache-2.0
"""Softmax attention and the per-head layouts that the published weights use.

Knows nothing about which network calls it. Every tensor inside is `(B, heads, tokens, d)`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Softmax attention, `(B, H, N, d)` x3 -> `(B, H, N, d)`.

    Queries and keys may be in a higher precision than the values (normalised under autocast);
    the values' dtype decides. `bias (keys,)` is added to every query's logits.
    """
    if bias is not None:
        bias = bias.to(v.dtype).expand(1, 1, q.shape[2], -1)
    return F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, attn_mask=bias)


def join_heads(x: Tensor) -> Tensor:
    """`(B, H, N, d)` -> `(B, N, H * d)`."""
    return x.transpose(1, 2).flatten(2)


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """`attend` with its heads joined."""
    return join_heads(attend(q, k, v, bias))


def split_stacked_heads(x: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """Cut `(B, N, parts * H * d)` with channels in the order part, head, d: all q, all k, all v."""
    return x.unflatten(-1, (parts, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)


def split_interleaved_heads(x: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """Cut `(B, N, H * parts * d)` with channels in the order head, part, d: head by head."""
    return x.unflatten(-1, (heads, parts, -1)).permute(3, 0, 2, 1, 4).unbind(0)


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis, computed in float32; the key is `scale`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), x.shape[-1:], eps=1e-6).to(x.dtype) * self.scale
