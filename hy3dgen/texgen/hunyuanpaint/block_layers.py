# SPDX-License-Identifier: Apache-2.0
"""The layers of the UNets' transformer blocks: attention, and the network after it.

Attribute names become the keys of the published weights.
"""

from torch import Tensor, nn

from ...gpu.fused_layers import gated
from ...shapegen.models.attention import join_heads
from .fast_attention import attend

KeysAndValues = tuple[Tensor, Tensor]


class Attention(nn.Module):
    """Softmax attention with learned projections; queries, keys and values have no bias."""

    def __init__(
        self,
        width: int,
        heads: int,
        context_width: int | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.heads = heads
        context_width = context_width or width
        self.to_q = nn.Linear(width, width, bias=bias)
        self.to_k = nn.Linear(context_width, width, bias=bias)
        self.to_v = nn.Linear(context_width, width, bias=bias)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def keys_and_values(self, context: Tensor) -> KeysAndValues:
        """`(B, M, X)` -> twice `(B, heads, M, d)`."""
        return self.split(self.to_k(context)), self.split(self.to_v(context))

    def forward(
        self, x: Tensor, context: Tensor | None = None, known: KeysAndValues | None = None
    ) -> Tensor:
        """`x` `(B, L, C)` asks itself, or `context`, or keys and values that are `known`."""
        if known is None:
            known = self.keys_and_values(x if context is None else context)
        return self.to_out[0](join_heads(attend(self.split(self.to_q(x)), *known)))

    def split(self, x: Tensor) -> Tensor:
        """`(B, L, C)` -> `(B, heads, L, d)`."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class _GEGLU(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        return gated(self.proj(x))


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        # The published layout has a dropout in the middle.
        self.net = nn.ModuleList(
            [_GEGLU(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)]
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.net:
            x = layer(x)
        return x
