# SPDX-License-Identifier: Apache-2.0
"""Mixture of experts: a gate sends each token through a few of many feed-forward networks.

Module attributes keep the published checkpoints' spelling. Source: Shazeer et al. 2017 and, for the
shared expert, Dai et al. 2024 ("DeepSeekMoE"). The loss that balances experts in training is left
out: it has no effect on what the network returns.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....errors import InvalidSettingError


class MoEGate(nn.Module):
    """Chooses each token's experts; the weights are not rescaled to sum to one."""

    def __init__(self, embed_dim: int, num_experts: int = 16, num_experts_per_tok: int = 2) -> None:
        super().__init__()
        if not 1 <= num_experts_per_tok <= num_experts:
            raise InvalidSettingError(
                f"moe_top_k is {num_experts_per_tok}, but there are {num_experts} experts; choose "
                "from one to all of them."
            )
        self.top_k = num_experts_per_tok
        self.weight = nn.Parameter(torch.empty(num_experts, embed_dim))
        # Explicit bounds, as nn.Linear would draw them.
        nn.init.uniform_(self.weight, -(embed_dim**-0.5), embed_dim**-0.5)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Expert numbers and probabilities, each `(T, top_k)`, of tokens `(T, D)`."""
        probabilities = F.linear(tokens, self.weight).softmax(dim=-1)
        weights, experts = probabilities.topk(self.top_k, dim=-1, sorted=False)
        return experts, weights


class GELUProjection(nn.Module):
    def __init__(self, width: int, hidden: int, bias: bool) -> None:
        super().__init__()
        self.proj = nn.Linear(width, hidden, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.proj(x))


class FeedForward(nn.Module):
    """One expert. The empty place in the middle is a dropout's in the published key names."""

    def __init__(self, width: int, hidden: int, bias: bool = True) -> None:
        super().__init__()
        self.net = nn.Sequential(
            GELUProjection(width, hidden, bias), nn.Identity(), nn.Linear(hidden, width, bias=bias)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class MoEBlock(nn.Module):
    """Weighted sum of each token's experts, plus one expert that sees every token.

    Parameters
    ----------
    dim : D, width of a token
    num_experts, moe_top_k : how many there are, and how many a token goes through
    ff_inner_dim : hidden width of an expert, 4 D if None
    ignored : `dropout` and `final_dropout`, which concern training
    """

    def __init__(
        self,
        dim: int,
        num_experts: int = 8,
        moe_top_k: int = 2,
        activation_fn: str = "gelu",
        ff_inner_dim: int | None = None,
        ff_bias: bool = True,
        **ignored: Any,
    ) -> None:
        super().__init__()
        if activation_fn != "gelu":
            raise InvalidSettingError(
                f"the experts' activation is {activation_fn!r}, but only 'gelu' is known; use that."
            )
        hidden = 4 * dim if ff_inner_dim is None else ff_inner_dim
        self.gate = MoEGate(dim, num_experts, moe_top_k)
        self.experts = nn.ModuleList(FeedForward(dim, hidden, ff_bias) for _ in range(num_experts))
        self.shared_experts = FeedForward(dim, hidden, ff_bias)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """`(B, N, D)` -> `(B, N, D)`."""
        tokens = hidden_states.flatten(0, -2)  # (B, N, D) -> (T, D)
        experts, weights = self.gate(tokens)
        # Every expert runs once, over the run of tokens that chose it.
        order = experts.flatten().argsort(stable=True)
        counts = experts.flatten().bincount(minlength=len(self.experts)).tolist()
        mixed = torch.zeros_like(tokens)
        chosen = (order // self.gate.top_k).split(counts)
        shares = weights.flatten()[order][:, None].split(counts)
        for expert, rows, share in zip(self.experts, chosen, shares, strict=True):
            if len(rows):
                mixed.index_add_(0, rows, (share * expert(tokens[rows])).to(mixed.dtype))
        return mixed.view_as(hidden_states) + self.shared_experts(hidden_states)
