# SPDX-License-Identifier: Apache-2.0
"""The transformer blocks of the UNets with fewer passes over memory; the same sums.

What an attention finds is added to the pixels by its last product itself, biases by the norm that
comes next, and layers that take the same input are one product where their weights lie side by side
(`put_side_by_side`). The plain way is in `transformer.py`.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...gpu.fused_layers import add_product, gated, layer_normed
from ...shapegen.models.attention import join_heads
from .block_layers import Attention, FeedForward, KeysAndValues
from .fast_attention import attend


def put_side_by_side(layers: Sequence[nn.Linear]) -> None:
    """Let the weights of layers with the same input lie in one piece of memory, in this order."""
    if side_by_side(layers) is None:
        together = torch.cat([layer.weight.detach() for layer in layers])
        parts = together.split([layer.out_features for layer in layers])
        for layer, part in zip(layers, parts, strict=True):
            layer.weight.data = part


def side_by_side(layers: Sequence[nn.Linear]) -> Tensor | None:
    """The weights of layers as one, or None where they lie apart or there are biases."""
    first = layers[0].weight
    storage, place = first.untyped_storage().data_ptr(), first.storage_offset()
    for layer in layers:
        weight = layer.weight
        if (
            layer.bias is not None
            or weight.untyped_storage().data_ptr() != storage
            or weight.storage_offset() != place
            or not weight.is_contiguous()
            or weight.is_meta
        ):
            return None
        place += weight.numel()
    height = sum(layer.out_features for layer in layers)
    return first.detach().as_strided((height, first.shape[1]), first.stride())


def projected(x: Tensor, layers: Sequence[nn.Linear]) -> list[Tensor]:
    """What each layer makes of the same input."""
    together = side_by_side(layers)
    if together is None:
        return [layer(x) for layer in layers]
    return list(F.linear(x, together).split([layer.out_features for layer in layers], dim=-1))


def look(h: Tensor, layer: Attention, queries: Tensor, keys_and_values: KeysAndValues) -> None:
    """Add what the queries (B, M, C) find to `h`, (…, C) with B * M rows, but for a bias."""
    found = attend(layer.split(queries), *keys_and_values)
    add_product(h, layer.to_out[0], join_heads(found))


def look_at_each_other(
    h: Tensor, layer: Attention, inputs: Sequence[Tensor], shape: Sequence[int]
) -> None:
    """The same for queries, keys and values of `h` itself; `shape` (B, M, C) says who sees whom."""
    queries, *others = (one.reshape(shape) for one in inputs)
    keys, values = map(layer.split, others)
    look(h, layer, queries, (keys, values))


def read_text_and_think(
    h: Tensor,
    block: nn.Module,
    text: KeysAndValues,
    biases: Sequence[Tensor],
    start: int = 0,
    silent: int = 0,
) -> None:
    """The second half of a block, in place.

    Parameters
    ----------
    h : (…, L, C), call by call
    block : a `TransformerBlock`
    text : of each call that has one
    biases, start : what the first half owes, see `fused_layers.layer_normed`
    silent : the first calls, whose text is all zeros: looking at it gives a bias alone
    """
    calls = len(text[0]) + silent
    rows = h.view(calls, -1, h.shape[-1])
    normed = layer_normed(block.norm2, h, biases, start).view(rows.shape)
    if silent < calls:
        look(rows[silent:], block.attn2, block.attn2.to_q(normed[silent:]), text)
    first, last = _ends(block.ff)
    owed = [block.attn2.to_out[0].bias]
    inner = first(layer_normed(block.norm3, h, owed, after=last.bias))
    add_product(h, last, gated(inner))


def _ends(feed_forward: FeedForward) -> tuple[nn.Linear, nn.Linear]:
    return feed_forward.net[0].proj, feed_forward.net[2]
