# SPDX-License-Identifier: Apache-2.0
"""Ways to compute the geometry decoder's cross attention: in full, or with a few chosen keys.

A point of space depends on few of a shape's latents, and points of one region on the same ones, so
a region can choose its keys from a sample of its points (FlashVDM, Lai et al. 2025). A processor is
called as `processor(attn, q, k, v)` with tensors `(B, heads, tokens, d)` and returns the shape of
`q`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..attention import attend, attend_once

_KEPT_KEYS = {3072: 1024, 512: 256}  # of other numbers a third
_REGION_STRIDE, _GROUP_STRIDE, _MERGE_STRIDE = 100, 50, 30  # every so many queries are looked at
_LEAST_SHARE = 1e-6


class CrossAttentionProcessor:
    """All queries look at all keys."""

    def __call__(self, attn: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attend(q, k, v)


class FlashVDMCrossAttentionProcessor(CrossAttentionProcessor):
    """Queries of one region look at the keys that fit them best on average, chosen head by head.

    Attributes
    ----------
    topk : what the next call does; False again afterwards. False: all keys. True: every batch row
        is a region. `[numbers, counts]`: regions of `counts` consecutive queries.
    """

    def __init__(self, topk: bool | Sequence[Any] | None = None) -> None:
        self.topk = topk or False

    def __call__(self, attn: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        mode, self.topk = self.topk, False
        if mode is False:
            return attend(q, k, v)
        if mode is True:
            return attend(q, *_best_keys(q[:, :, ::_REGION_STRIDE], k, v))
        _, counts = mode
        groups = q.split(torch.as_tensor(counts).tolist(), dim=2)
        return torch.cat(
            [attend_once(group, *self.group_keys(group, k, v)) for group in groups], dim=2
        )

    def group_keys(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values for one group of queries."""
        return _best_keys(q[:, :, ::_GROUP_STRIDE], k, v)


class FlashVDMTopMCrossAttentionProcessor(FlashVDMCrossAttentionProcessor):
    """Groups keep every key that matters to any of their sampled queries, the same in all heads."""

    def group_keys(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if len(q) != 1:
            raise ValueError(f"a group has {len(q)} batch rows, but one is wanted; split the batch")
        shares = (q[:, :, ::_MERGE_STRIDE] @ k.transpose(-1, -2)).softmax(dim=-1)
        wanted = (shares.mean(dim=1) > _LEAST_SHARE).any(dim=1)[0]  # (1, H, Q, K) -> (K,)
        return k[:, :, wanted], v[:, :, wanted]


def _best_keys(sample: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """The keys with the largest mean product with the sampled queries, per row and head."""
    total = k.shape[2]
    kept = _KEPT_KEYS.get(total, max(total // 3, 1))
    # The mean of products with a key is the product with the mean, for a fraction of the work.
    scores = (k @ sample.mean(dim=2)[..., None])[..., 0]  # (B, H, K)
    index = scores.topk(kept, dim=-1).indices[..., None].expand(-1, -1, -1, k.shape[-1])
    return k.gather(2, index), v.gather(2, index)
