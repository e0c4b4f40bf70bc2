# SPDX-License-Identifier: Apache-2.0
"""`HunYuanDiTPlain`: the velocity network of Hunyuan3D-2.1.

A U-shaped transformer: later blocks also read what their mirror image in the first half returned,
and the last ones have experts instead of a feed-forward network. The time is one more token in
front of the latents. Module attributes keep the published checkpoints' spelling. Knows nothing
about schedules, guidance mixing or images.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....errors import InvalidSettingError
from ..attention import attention, split_interleaved_heads, split_stacked_heads
from ..embeddings import get_1d_sincos_pos_embed_from_grid
from .attention_pool import POOLED, AttentionPool
from .moe_layers import MoEBlock

_EPS = 1e-6
_ADDITIONAL = 1024  # width of an additional condition's tokens behind their projection


def _layer_norm(width: int) -> nn.LayerNorm:
    return nn.LayerNorm(width, eps=_EPS)


def _rms_norm(width: int) -> nn.RMSNorm:
    return nn.RMSNorm(width, eps=_EPS)


class Timesteps(nn.Module):
    """Sinusoids `[sin | cos]` of times, `(B,)` -> `(B, num_channels)` float32.

    An odd number of channels ends in a column of zeros.
    """

    def __init__(
        self,
        num_channels: int,
        downscale_freq_shift: float = 0.0,
        scale: float = 1,
        max_period: float = 10000,
    ) -> None:
        super().__init__()
        self.num_channels = num_channels
        self.downscale_freq_shift = downscale_freq_shift
        self.scale = scale
        self.max_period = max_period

    def forward(self, timesteps: Tensor) -> Tensor:
        half = self.num_channels // 2
        steps = torch.arange(half, dtype=torch.float32, device=timesteps.device)
        exponents = -math.log(self.max_period) * steps / (half - self.downscale_freq_shift)
        angles = self.scale * (timesteps[:, None].float() * exponents.exp())
        embedding = torch.cat([angles.sin(), angles.cos()], dim=-1)
        return F.pad(embedding, (0, self.num_channels % 2))


class TimestepEmbedder(nn.Module):
    """The time token, `(B,)` -> `(B, 1, H)`."""

    def __init__(self, hidden_size: int, frequency_embedding_size: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(hidden_size, frequency_embedding_size),
            nn.GELU(),
            nn.Linear(frequency_embedding_size, hidden_size),
        )
        self.time_embed = Timesteps(hidden_size)

    def forward(self, t: Tensor) -> Tensor:
        return self.mlp(self.time_embed(t).to(self.mlp[0].weight.dtype))[:, None, :]


class TimeValues(NamedTuple):
    """What depends on times only: their tokens `(S, 1, H)`."""

    tokens: Tensor

    def at(self, index: int) -> "TimeValues":
        """That of one time; it fits any batch."""
        return TimeValues(self.tokens[index : index + 1])


class MLP(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


def _head_norm(enabled: bool, norm_layer: Any, head_dim: int) -> nn.Module:
    return norm_layer(head_dim, eps=_EPS) if enabled else nn.Identity()


class Attention(nn.Module):
    """Self attention.

    The three projections are put side by side and then cut head by head, so the query of a head
    does not come from `to_q` alone. It looks like a mistake, but the weights were trained with it.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        qkv_bias: bool = True,
        qk_norm: bool = False,
        norm_layer: Any = nn.LayerNorm,
    ) -> None:
        super().__init__()
        _check_heads(dim, num_heads)
        self.num_heads = num_heads
        self.to_q = nn.Linear(dim, dim, bias=qkv_bias)
        self.to_k = nn.Linear(dim, dim, bias=qkv_bias)
        self.to_v = nn.Linear(dim, dim, bias=qkv_bias)
        self.q_norm = _head_norm(qk_norm, norm_layer, dim // num_heads)
        self.k_norm = _head_norm(qk_norm, norm_layer, dim // num_heads)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([self.to_q(x), self.to_k(x), self.to_v(x)], dim=-1)
        q, k, v = split_interleaved_heads(joined, 3, self.num_heads)
        return self.out_proj(attention(self.q_norm(q), self.k_norm(k), v))


class CrossAttention(nn.Module):
    """Tokens `x` look at `y`; keys and values are cut head by head out of both projections.

    Parameters
    ----------
    decoupled_ca_dim : so many last tokens of `y` are looked at apart, with keys and values of their
        own, and what is seen there is added times `decoupled_ca_weight`
    """

    def __init__(
        self,
        qdim: int,
        kdim: int,
        num_heads: int,
        qkv_bias: bool = True,
        qk_norm: bool = False,
        norm_layer: Any = nn.LayerNorm,
        decoupled_ca_dim: int = 0,
        decoupled_ca_weight: float = 1.0,
    ) -> None:
        super().__init__()
        _check_heads(qdim, num_heads)
        self.num_heads = num_heads
        self.to_q = nn.Linear(qdim, qdim, bias=qkv_bias)
        self.to_k = nn.Linear(kdim, qdim, bias=qkv_bias)
        self.to_v = nn.Linear(kdim, qdim, bias=qkv_bias)
        self.q_norm = _head_norm(qk_norm, norm_layer, qdim // num_heads)
        self.k_norm = _head_norm(qk_norm, norm_layer, qdim // num_heads)
        self.out_proj = nn.Linear(qdim, qdim)
        self.apart, self.weight_apart = decoupled_ca_dim, decoupled_ca_weight
        if self.apart:
            self.kv_proj_dca = nn.Linear(kdim, 2 * qdim, bias=qkv_bias)
            self.k_norm_dca = _head_norm(qk_norm, norm_layer, qdim // num_heads)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        (q,) = split_stacked_heads(self.to_q(x), 1, self.num_heads)
        q = self.q_norm(q)
        y, apart = y.split([y.shape[1] - self.apart, self.apart], dim=1)
        joined = torch.cat([self.to_k(y), self.to_v(y)], dim=-1)
        k, v = split_interleaved_heads(joined, 2, self.num_heads)
        seen = attention(q, self.k_norm(k), v)
        if self.apart:
            k, v = split_stacked_heads(self.kv_proj_dca(apart), 2, self.num_heads)
            seen = seen + self.weight_apart * attention(q, self.k_norm_dca(k), v)
        return self.out_proj(seen)


class HunYuanDiTBlock(nn.Module):
    """Self attention, cross attention, feed-forward; with a skip connection in the second half."""

    def __init__(
        self,
        hidden_size: int,
        context_dim: int,
        num_heads: int,
        qkv_bias: bool,
        qk_norm: bool,
        norm: Any,
        head_norm: Any,
        skip: bool,
        moe: bool,
        num_experts: int,
        moe_top_k: int,
        decoupled_ca_dim: int = 0,
        decoupled_ca_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.norm1 = norm(hidden_size)
        self.attn1 = Attention(hidden_size, num_heads, qkv_bias, qk_norm, head_norm)
        self.norm2 = norm(hidden_size)
        self.attn2 = CrossAttention(
            hidden_size, context_dim, num_heads, qkv_bias, qk_norm, head_norm, decoupled_ca_dim,
            decoupled_ca_weight,
        )  # fmt: skip
        self.norm3 = norm(hidden_size)
        if skip:
            self.skip_norm = norm(hidden_size)
            self.skip_linear = nn.Linear(2 * hidden_size, hidden_size)
        if moe:
            self.moe = MoEBlock(hidden_size, num_experts, moe_top_k)
        else:
            self.mlp = MLP(hidden_size)
        self.feed_forward = "moe" if moe else "mlp"

    def forward(self, x: Tensor, cond: Tensor, skip: Tensor | None = None) -> Tensor:
        if skip is not None:
            x = self.skip_norm(self.skip_linear(torch.cat([skip, x], dim=-1)))
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), cond)
        return x + self.get_submodule(self.feed_forward)(self.norm3(x))


class FinalLayer(nn.Module):
    """Drops the time token and returns to the latents' width."""

    def __init__(self, hidden_size: int, out_channels: int) -> None:
        super().__init__()
        self.norm_final = _layer_norm(hidden_size)
        self.linear = nn.Linear(hidden_size, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.norm_final(x)[:, 1:])


class HunYuanDiTPlain(nn.Module):
    """Velocity of latent tokens at a time, given condition tokens.

    Unknown keywords are ignored, because published configs carry some.

    Parameters
    ----------
    input_size : latent tokens; only counts with `use_pos_emb`
    in_channels : C, width of a latent token
    context_dim : X, width of a condition token
    hidden_size : H, a multiple of `num_heads`; a head is a multiple of 8 wide, at most 128
    mlp_ratio : without effect, feed-forward networks are always four times as wide
    norm_type : 'layer' or anything else for RMS; `qk_norm_type` is 'rms' or anything else for layer
    text_len : condition tokens; only counts with `use_attention_pooling`
    num_moe_layers : so many last blocks have experts
    with_decoupled_ca : `contexts["additional"]`, tokens `additional_cond_hidden_state` wide, follow
        the main ones; the last `decoupled_ca_dim` of all are looked at apart, see `CrossAttention`
    guidance_cond_proj_dim : part of no published model and refused: its vector is wider than what
        it would be added to
    """

    guidance_embed = False  # guidance is mixed outside

    def __init__(
        self,
        input_size: int = 1024,
        in_channels: int = 4,
        hidden_size: int = 1024,
        context_dim: int = 1024,
        depth: int = 24,
        num_heads: int = 16,
        mlp_ratio: float = 4.0,
        norm_type: str = "layer",
        qk_norm_type: str = "rms",
        qk_norm: bool = False,
        text_len: int = 257,
        with_decoupled_ca: bool = False,
        additional_cond_hidden_state: int = 768,
        decoupled_ca_dim: int = 16,
        decoupled_ca_weight: float = 1.0,
        use_pos_emb: bool = False,
        use_attention_pooling: bool = True,
        guidance_cond_proj_dim: int | None = None,
        qkv_bias: bool = True,
        num_moe_layers: int = 6,
        num_experts: int = 8,
        moe_top_k: int = 2,
        **ignored: Any,
    ) -> None:
        super().__init__()
        if guidance_cond_proj_dim is not None:
            raise InvalidSettingError(
                "the config sets guidance_cond_proj_dim, which no published model has and this "
                "version does not know; leave it out."
            )
        self.with_decoupled_ca = with_decoupled_ca
        if with_decoupled_ca:
            self.additional_cond_proj = nn.Sequential(
                nn.Linear(additional_cond_hidden_state, 4 * hidden_size),
                nn.SiLU(),
                nn.Linear(4 * hidden_size, _ADDITIONAL),
            )
        self.x_embedder = nn.Linear(in_channels, hidden_size)
        self.t_embedder = TimestepEmbedder(hidden_size, 4 * hidden_size)
        self.use_pos_emb = use_pos_emb
        if use_pos_emb:
            table = get_1d_sincos_pos_embed_from_grid(hidden_size, np.arange(input_size))
            self.register_buffer("pos_embed", torch.from_numpy(table).float()[None])
        self.use_attention_pooling = use_attention_pooling
        if use_attention_pooling:
            self.pooler = AttentionPool(text_len, context_dim)
            self.extra_embedder = nn.Sequential(
                nn.Linear(POOLED, 4 * hidden_size),
                nn.SiLU(),
                nn.Linear(4 * hidden_size, hidden_size),
            )
        self.blocks = nn.ModuleList(
            HunYuanDiTBlock(
                hidden_size,
                context_dim,
                num_heads,
                qkv_bias,
                qk_norm,
                norm=_layer_norm if norm_type == "layer" else _rms_norm,
                head_norm=nn.RMSNorm if qk_norm_type == "rms" else nn.LayerNorm,
                skip=i > depth // 2,
                moe=depth - i <= num_moe_layers,
                num_experts=num_experts,
                moe_top_k=moe_top_k,
                decoupled_ca_dim=decoupled_ca_dim if with_decoupled_ca else 0,
                decoupled_ca_weight=decoupled_ca_weight,
            )
            for i in range(depth)
        )
        self.final_layer = FinalLayer(hidden_size, in_channels)

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        contexts: Mapping[str, Tensor],
        time_values: TimeValues | None = None,
        condition_repeats: int = 1,
        **ignored: Any,
    ) -> Tensor:
        """Velocity `(B, L, C)` at latents `x (B, L, C)`, time `t (B,)` in [0, 1], 0 being noise.

        Parameters
        ----------
        contexts : `contexts["main"]` is `(B, Lc, X)`; `contexts["additional"]` counts with
            `with_decoupled_ca`
        time_values : what `self.time_values` made of `t`, which then does not count
        condition_repeats : every condition token stands for so many equal ones; that changes
            nothing where all tokens are only looked at, and they are repeated for pooling
        """
        cond = contexts["main"]
        time = (self.time_values(t) if time_values is None else time_values).tokens
        if self.use_attention_pooling:
            repeated = cond.repeat_interleave(condition_repeats, dim=1)
            time = time + self.extra_embedder(self.pooler(repeated))[:, None, :]
        if self.with_decoupled_ca:
            if "additional" not in contexts:
                raise InvalidSettingError(
                    "this model looks at an additional condition, but there is none; use a "
                    "conditioner with two image encoders."
                )
            more = self.additional_cond_proj(contexts["additional"])
            cond = torch.cat([cond.repeat_interleave(condition_repeats, dim=1), more], dim=1)
        tokens = self.x_embedder(x)
        if self.use_pos_emb:
            tokens = tokens + self.pos_embed.to(tokens.dtype)
        tokens = torch.cat([time.expand(len(x), -1, -1), tokens], dim=1)  # the time comes first

        half = len(self.blocks) // 2
        skips: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            tokens = block(tokens, cond, skips.pop() if i > half else None)
            if i < half:
                skips.append(tokens)
        return self.final_layer(tokens)

    def time_values(
        self, t: Tensor, guidance: Tensor | None = None, dtype: torch.dtype | None = None
    ) -> TimeValues:
        """The time tokens of `t (S,)`; a sampler that knows its times asks once for all of them.

        `guidance` is mixed outside of this network and does not count, nor does `dtype`: the
        weights' decides.
        """
        return TimeValues(self.t_embedder(t))


def _check_heads(width: int, heads: int) -> None:
    if width % heads or width // heads % 8 or width // heads > 128:
        raise InvalidSettingError(
            f"hidden_size {width} and num_heads {heads} make heads {width / heads:g} wide, but a "
            "multiple of 8 up to 128 is wanted; choose others."
        )
