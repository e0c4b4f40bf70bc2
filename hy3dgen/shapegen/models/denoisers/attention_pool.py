# SPDX-License-Identifier: Apache-2.0
"""One vector of all condition tokens, an option of the 2.1 denoiser.

Module attributes keep the published checkpoints' spelling.
"""

import torch
from torch import Tensor, nn

from ....errors import InvalidSettingError
from ..attention import attention, split_stacked_heads

POOLED = 1024  # width of the pooled condition
_POOLING_HEADS = 8


class AttentionPool(nn.Module):
    """Condition tokens `(B, N, X)` to one vector `(B, 1024)`: their mean looks at all of them."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.empty(tokens + 1, width))
        nn.init.uniform_(self.positional_embedding, -(width**-0.5), width**-0.5)
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, POOLED)

    def forward(self, tokens: Tensor) -> Tensor:
        x = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1)
        if x.shape[1] != len(self.positional_embedding):
            raise InvalidSettingError(
                f"there are {tokens.shape[1]} condition tokens, but this model pools "
                f"{len(self.positional_embedding) - 1}; use pictures of the size in its config."
            )
        x = x + self.positional_embedding
        (q,) = split_stacked_heads(self.q_proj(x[:, :1]), 1, _POOLING_HEADS)
        (k,) = split_stacked_heads(self.k_proj(x), 1, _POOLING_HEADS)
        (v,) = split_stacked_heads(self.v_proj(x), 1, _POOLING_HEADS)
        return self.c_proj(attention(q, k, v))[:, 0]
