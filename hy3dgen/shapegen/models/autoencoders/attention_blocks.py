# SPDX-License-Identifier: Apache-2.0
"""Transformer blocks of the vecset VAE and its geometry decoder.

Module attributes keep the published checkpoints' spelling. Fused projections are laid out head by
head: head 0's q, k, v, then head 1's.
"""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from ..attention import attention, join_heads, split_interleaved_heads
from ..embeddings import FourierEmbedder
from .attention_processors import CrossAttentionProcessor
from .fused_query import FusedQuery, fused_query
from .point_sampling import fps

__all__ = [
    "CrossAttentionDecoder",
    "FourierEmbedder",
    "KeysValues",
    "ResidualAttentionBlock",
    "ResidualCrossAttentionBlock",
    "Transformer",
    "fps",
]

_EPS = 1e-6


class KeysValues(NamedTuple):
    """Latents ready to be queried, each `(B, heads, L, d)`."""

    keys: Tensor
    values: Tensor


class MLP(nn.Module):
    def __init__(self, width: int, expand_ratio: int = 4) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, width * expand_ratio)
        self.c_proj = nn.Linear(width * expand_ratio, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(x)))


class HeadNorm(nn.Module):
    """Layer norm of every head's queries and keys, or nothing."""

    def __init__(self, head_dim: int, enabled: bool) -> None:
        super().__init__()
        self.q_norm = nn.LayerNorm(head_dim, eps=_EPS) if enabled else nn.Identity()
        self.k_norm = nn.LayerNorm(head_dim, eps=_EPS) if enabled else nn.Identity()


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int, qkv_bias: bool, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.c_qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.c_proj = nn.Linear(width, width)
        self.attention = HeadNorm(width // heads, qk_norm)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = split_interleaved_heads(self.c_qkv(x), 3, self.heads)
        return self.c_proj(attention(self.attention.q_norm(q), self.attention.k_norm(k), v))


class CrossAttention(nn.Module):
    def __init__(self, width: int, heads: int, qkv_bias: bool, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.c_q = nn.Linear(width, width, bias=qkv_bias)
        self.c_kv = nn.Linear(width, 2 * width, bias=qkv_bias)
        self.c_proj = nn.Linear(width, width)
        self.attention = HeadNorm(width // heads, qk_norm)
        self.processor = CrossAttentionProcessor()

    def project(self, data: Tensor) -> KeysValues:
        k, v = split_interleaved_heads(self.c_kv(data), 2, self.heads)
        return KeysValues(self.attention.k_norm(k), v)

    def forward(self, x: Tensor, data: KeysValues) -> Tensor:
        (q,) = split_interleaved_heads(self.c_q(x), 1, self.heads)
        heads = self.processor(self, self.attention.q_norm(q), data.keys, data.values)
        return self.c_proj(join_heads(heads))


class ResidualAttentionBlock(nn.Module):
    def __init__(self, width: int, heads: int, qkv_bias: bool, qk_norm: bool) -> None:
        super().__init__()
        self.attn = SelfAttention(width, heads, qkv_bias, qk_norm)
        self.ln_1 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = MLP(width)
        self.ln_2 = nn.LayerNorm(width, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width: int, layers: int, heads: int, qkv_bias: bool, qk_norm: bool) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(
            ResidualAttentionBlock(width, heads, qkv_bias, qk_norm) for _ in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.resblocks:
            x = block(x)
        return x


class ResidualCrossAttentionBlock(nn.Module):
    """Tokens `x` look at `data`. `project` does the data's share once for many calls of `query`."""

    def __init__(
        self, width: int, heads: int, qkv_bias: bool, qk_norm: bool, mlp_expand_ratio: int = 4
    ) -> None:
        super().__init__()
        self.attn = CrossAttention(width, heads, qkv_bias, qk_norm)
        self.ln_1 = nn.LayerNorm(width, eps=_EPS)
        self.ln_2 = nn.LayerNorm(width, eps=_EPS)
        self.ln_3 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = MLP(width, mlp_expand_ratio)

    def project(self, data: Tensor) -> KeysValues:
        return self.attn.project(self.ln_2(data))

    def query(self, x: Tensor, projected: KeysValues) -> Tensor:
        x = x + self.attn(self.ln_1(x), projected)
        return x + self.mlp(self.ln_3(x))

    def forward(self, x: Tensor, data: Tensor) -> Tensor:
        return self.query(x, self.project(data))


class CrossAttentionDecoder(nn.Module):
    """The geometry decoder: a field's logit at any point, positive inside.

    Parameters
    ----------
    width, heads : those of the VAE; divided by `downsample_ratio` here
    enable_ln_post : also switches the heads' norms, as the published turbo weights expect
    """

    def __init__(
        self,
        *,
        fourier_embedder: FourierEmbedder,
        width: int,
        heads: int,
        out_channels: int = 1,
        mlp_expand_ratio: int = 4,
        downsample_ratio: int = 1,
        enable_ln_post: bool = True,
        qkv_bias: bool = True,
        qk_norm: bool = False,
    ) -> None:
        super().__init__()
        inner = width // downsample_ratio
        self.fourier_embedder = fourier_embedder
        self.query_proj = nn.Linear(fourier_embedder.out_dim, inner)
        if downsample_ratio != 1:
            self.latents_proj = nn.Linear(width, inner)
        self.cross_attn_decoder = ResidualCrossAttentionBlock(
            inner,
            heads // downsample_ratio,
            qkv_bias,
            qk_norm and enable_ln_post,
            mlp_expand_ratio,
        )
        if enable_ln_post:
            self.ln_post = nn.LayerNorm(inner)  # eps 1e-5 here, unlike everywhere else
        self.output_proj = nn.Linear(inner, out_channels)
        self.downsample_ratio = downsample_ratio
        self.enable_ln_post = enable_ln_post
        self._fused = FusedQuery()

    @property
    def cross_attention_processor(self) -> CrossAttentionProcessor:
        """Computes the attention; exchangeable, see `attention_processors`."""
        return self.cross_attn_decoder.attn.processor

    def set_cross_attention_processor(self, processor: CrossAttentionProcessor) -> None:
        self.cross_attn_decoder.attn.processor = processor

    def set_default_cross_attention_processor(self) -> None:
        self.set_cross_attention_processor(CrossAttentionProcessor())

    def project(self, latents: Tensor) -> KeysValues:
        """Keys and values of decoded latents `(B, L, D)`; reuse them for every chunk of points."""
        if self.downsample_ratio != 1:
            latents = self.latents_proj(latents)
        return self.cross_attn_decoder.project(latents)

    def query(
        self,
        projected: KeysValues,
        queries: Tensor | None = None,
        query_embeddings: Tensor | None = None,
    ) -> Tensor:
        """Logits `(B, P, 1)` at points `queries (B, P, 3)`, or at embeddings made before."""
        if query_embeddings is None and queries is not None:
            folded = self._fused.weights(self, projected)
            if folded is not None:
                return fused_query(self, folded, projected, queries)
        return self.plain_query(projected, queries, query_embeddings)

    def activation_bytes(self, projected: KeysValues) -> int:
        """About what `query` holds for a point in half precision.

        Kernels hold the hidden layer of few points only. Whether they will be used is found out
        here, so that the first call is cut into the same chunks as every later one.
        """
        inner, hidden = self.query_proj.out_features, self.cross_attn_decoder.mlp.c_fc.out_features
        if self._fused.weights(self, projected) is not None:
            return 2 * (6 if self.enable_ln_post else 3) * inner
        return 2 * (6 * inner + 2 * hidden)

    def plain_query(
        self,
        projected: KeysValues,
        queries: Tensor | None = None,
        query_embeddings: Tensor | None = None,
    ) -> Tensor:
        """`query` as networks are written, one step after the other."""
        if query_embeddings is None:
            features = self.fourier_embedder(queries)
            query_embeddings = self.query_proj(features.to(projected.values.dtype))
        x = self.cross_attn_decoder.query(query_embeddings, projected)
        if self.enable_ln_post:
            x = self.ln_post(x)
        return self.output_proj(x)

    def forward(
        self,
        queries: Tensor | None = None,
        query_embeddings: Tensor | None = None,
        latents: Tensor | None = None,
    ) -> Tensor:
        return self.query(self.project(latents), queries, query_embeddings)
