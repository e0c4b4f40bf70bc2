# SPDX-License-Identifier: Apache-2.0
"""Attention in the UNets: to oneself, to the text, to the reference pictures, between views.

Attribute names become the keys of the published weights. Axis letters: `B` calls, `N` views of
each, `L` pixels of a view, `C` channels, `T` text tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ...gpu.fused_layers import is_fused, layer_normed, normed
from .block_layers import Attention, FeedForward, KeysAndValues
from .fast_block import (
    look,
    look_at_each_other,
    projected,
    put_side_by_side,
    read_text_and_think,
)


@dataclass
class Views:
    """What the blocks of one pass share.

    Parameters
    ----------
    count : views of each call; the batch is `B * count`, call by call
    features : layer name -> what the reference pass left there, (B, N_ref * L, C); a pass that
        writes fills it
    write : this is the reference pass
    reference_scale : of the attention to the references: one number, or one for each call; calls
        with 0 do without it, and `features` may have rows for the others only
    multiview_scale : of the attention between views
    kept : keys and values of `features` and text by layer; give the same dict to every step, as
        they stay the same. Or None
    calls : B, where pixels of one call may stand for all as long as they see the same; 0: all are
        there
    silent : the first calls, whose text is all zeros; with `kept`, which has the others' only
    """

    count: int
    features: dict[str, Tensor] = field(default_factory=dict)
    write: bool = False
    reference_scale: float | Sequence[float] = 1.0
    multiview_scale: float = 1.0
    kept: dict[str, KeysAndValues] | None = None
    calls: int = 0
    silent: int = 0

    def scales(self, calls: int) -> list[float]:
        """`reference_scale` of each call."""
        scales = self.reference_scale
        return [scales] * calls if isinstance(scales, int | float) else list(scales)


class TransformerBlock(nn.Module):
    """Attention to oneself and to the text, and a feed-forward network, each on a normed input."""

    name = ""  # in `Views.kept`; set by the network that the block is in

    def __init__(self, width: int, heads: int, text_width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.attn2 = Attention(width, heads, text_width)
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width)

    def forward(self, h: Tensor, text: Tensor, views: Views | None = None) -> Tensor:
        """`(B, L, C)` and `(B, T, X)` -> `(B, L, C)`; `h` may be used up."""
        known = _kept(f"text {self.name}", self.attn2, text, views)
        if is_fused(h) and h.is_contiguous():
            inputs = projected(layer_normed(self.norm1, h), _inputs(self.attn1))
            look_at_each_other(h, self.attn1, inputs, h.shape)
            read_text_and_think(h, self, known, [self.attn1.to_out[0].bias])
            return h
        h = h + self.attn1(self.norm1(h))
        return self.finish(h, known)

    def arrange(self) -> None:
        """Weights that are used together lie together."""
        put_side_by_side(_inputs(self.attn1))

    def finish(self, h: Tensor, text: KeysAndValues) -> Tensor:
        """What comes after the attention to oneself."""
        h = h + self.attn2(self.norm2(h), known=text)
        return h + self.ff(self.norm3(h))


class PaintBlock(nn.Module):
    """A `TransformerBlock` that also looks at the references and at the other views.

    All three attentions take the same normed input. The stream of the references has no weights of
    its own here: it writes down what the other stream will look at.

    Parameters
    ----------
    paints : this block is of the stream that paints
    """

    name = ""  # in `Views`; set by the network that the block is in

    def __init__(self, width: int, heads: int, text_width: int, paints: bool) -> None:
        super().__init__()
        self.transformer = TransformerBlock(width, heads, text_width)
        self.attn_multiview = Attention(width, heads) if paints else None
        self.attn_refview = Attention(width, heads) if paints else None

    def forward(self, h: Tensor, text: Tensor, views: Views) -> Tensor:
        """`h` `(B * N, L, C)`, `text` `(B, T, X)` or one for each view; `h` may be used up."""
        text_known = _kept(f"text {self.name}", self.transformer.attn2, text, views)
        if is_fused(h) and h.is_contiguous() and self._is_usual(len(h), text_known, views):
            return self._in_place(h, text_known, views)
        calls = views.calls or len(h) // views.count
        normed = self.transformer.norm1(h)
        h = h + self.transformer.attn1(normed)
        together = normed.reshape(-1, views.count * normed.shape[1], normed.shape[2])
        seen = None
        if self.attn_multiview is not None and views.count > 1:
            seen = views.multiview_scale * self.attn_multiview(together).reshape(h.shape)
        if views.write:
            views.features[self.name] = together  # (B, N * L, C)
        elif self.attn_refview is not None:
            h, together = (
                as_many(x, len(x) * calls * views.count // len(h)) for x in (h, together)
            )
            h = self._add_references(h, together, views)
        if seen is not None:
            h = h + as_many(seen, len(h))
        keys, values = (_with_silent(one, views.silent) for one in text_known)
        repeat = len(h) // len(keys)
        return self.transformer.finish(
            h, (keys.repeat_interleave(repeat, 0), values.repeat_interleave(repeat, 0))
        )

    def _is_usual(self, rows: int, text: KeysAndValues, views: Views) -> bool:
        """Whether nothing is scaled, and those who ask for references are the last calls."""
        calls = views.calls or rows // views.count
        scales = views.scales(calls)
        return (
            views.multiview_scale == 1
            and set(scales) <= {0, 1}
            and scales == sorted(scales)
            and len(text[0]) + views.silent == calls
        )

    def _in_place(self, h: Tensor, text: KeysAndValues, views: Views) -> Tensor:
        """The same with fewer passes over memory; `h` is used up."""
        t, count = self.transformer, views.count
        calls = views.calls or len(h) // count
        asking = sum(scale != 0 for scale in views.scales(calls)) if self.attn_refview else 0
        between = self.attn_multiview if count > 1 else None
        normed = layer_normed(t.norm1, h)
        layers = [*_inputs(t.attn1), *_inputs(between)]
        if asking:
            assert self.attn_refview is not None
            layers.append(self.attn_refview.to_q)
        inputs = projected(normed, layers)
        look_at_each_other(h, t.attn1, inputs[:3], h.shape)
        together = -1, count * h.shape[1], h.shape[2]
        owed = [t.attn1.to_out[0].bias]
        if between is not None:
            look_at_each_other(h, between, inputs[3:6], together)
            owed.append(between.to_out[0].bias)
        if views.write:
            views.features[self.name] = normed.reshape(together)
        h = as_many(h, calls * count)
        first = (calls - asking) * count
        if asking:
            assert self.attn_refview is not None
            queries = as_many(inputs[-1].reshape(together), calls)[calls - asking :]
            known = self._references(list(range(calls - asking, calls)), views)
            look(h[first:], self.attn_refview, queries, known)
            if between is None:
                owed.append(torch.zeros_like(owed[0]))
            owed.append(self.attn_refview.to_out[0].bias)
        read_text_and_think(h, t, text, owed, first * h.shape[1], views.silent)
        return h

    def arrange(self) -> None:
        """Weights that are used together lie together."""
        layers = [*_inputs(self.transformer.attn1), *_inputs(self.attn_multiview)]
        if self.attn_refview is not None:
            layers.append(self.attn_refview.to_q)
        put_side_by_side(layers)

    def _add_references(self, h: Tensor, together: Tensor, views: Views) -> Tensor:
        assert self.attn_refview is not None
        calls = len(together)
        scales = views.scales(calls)
        asking = [call for call in range(calls) if scales[call] != 0]
        if not asking:
            return h
        rows = _rows(asking, h.device)
        known = self._references(asking, views)
        everyone = len(asking) == calls
        seen = self.attn_refview(together if everyone else together[rows], known=known)
        if len(set(scales[call] for call in asking)) > 1:
            weights = [scales[call] for call in asking]
            seen = seen * torch.tensor(weights, device=h.device, dtype=h.dtype)[:, None, None]
        elif scales[asking[0]] != 1:
            seen = scales[asking[0]] * seen
        if everyone:
            return h + seen.reshape(h.shape)
        h = h.reshape(calls, views.count, *h.shape[1:]).clone()
        h[rows] += seen.reshape(len(asking), *h.shape[1:])
        return h.flatten(0, 1)

    def keep_contexts(self, text: Tensor, views: Views) -> None:
        """Fill `views.kept` with what this block asks at every step.

        `text` is that of the calls that are not silent.
        """
        _kept(f"text {self.name}", self.transformer.attn2, text, views)
        calls = views.silent + len(text)
        asking = [call for call, scale in enumerate(views.scales(calls)) if scale != 0]
        if self.attn_refview is not None and asking:
            self._references(asking, views)

    def _references(self, asking: list[int], views: Views) -> KeysAndValues:
        """Keys and values of the references for those calls."""
        name = f"reference {self.name}"
        if views.kept is not None and name in views.kept:
            return views.kept[name]
        assert self.attn_refview is not None
        features = views.features[self.name]
        if len(features) != len(asking):
            features = features[_rows(asking, features.device)]
        return _kept(name, self.attn_refview, features, views)


def as_many(x: Tensor, rows: int) -> Tensor:
    """`x`, again and again until it has so many rows; the order of memory is kept."""
    return x if len(x) == rows else torch.cat([x] * (rows // len(x)))


def _kept(name: str, layer: Attention, context: Tensor, views: Views | None) -> KeysAndValues:
    """Keys and values of the context, made once for all steps if `views` keeps them."""
    if views is None or views.kept is None:
        return layer.keys_and_values(context)
    if name not in views.kept:
        views.kept[name] = layer.keys_and_values(context)
    return views.kept[name]


def _with_silent(keys: Tensor, silent: int) -> Tensor:
    """Keys or values of all calls, where those of the first are zeros."""
    return torch.cat([keys.new_zeros(silent, *keys.shape[1:]), keys]) if silent else keys


def _inputs(attention: Attention | None) -> list[nn.Linear]:
    return [] if attention is None else [attention.to_q, attention.to_k, attention.to_v]


def _rows(numbers: list[int], device: torch.device) -> slice | Tensor:
    """Rows of a batch; neighbours as a slice, which needs no copy and can be recorded on a GPU."""
    first, last = numbers[0], numbers[-1]
    if last - first == len(numbers) - 1:
        return slice(first, last + 1)
    return torch.tensor(numbers, device=device)


class Transformer2D(nn.Module):
    """A block of attention for feature maps, around which they are added to themselves."""

    def __init__(self, width: int, groups: int, linear: bool, block: nn.Module) -> None:
        super().__init__()
        self.linear = linear
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.proj_in = nn.Linear(width, width) if linear else nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([block])
        self.proj_out = nn.Linear(width, width) if linear else nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, text: Tensor, views: Views | None) -> Tensor:
        """`(B, C, H, W)` -> the same; of all calls, where `x` is that of one for all."""
        height, width = x.shape[2:]
        h = normed(self.norm, x, False)
        if not self.linear:
            h = self.proj_in(h)
        h = h.flatten(2).transpose(1, 2)  # (B, C, H, W) -> (B, H * W, C)
        if self.linear:
            h = self.proj_in(h)
        for block in self.transformer_blocks:
            h = block(h, text, views)
        if self.linear:
            h = self.proj_out(h)
        h = h.transpose(1, 2).unflatten(2, (height, width))
        if not self.linear:
            h = self.proj_out(h)
        return h + as_many(x, len(h))
