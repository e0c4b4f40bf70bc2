# SPDX-License-Identifier: Apache-2.0
"""The VAE's encoder: a surface point cloud becomes `num_latents` tokens.

A random part of the points is the data; farthest points among those are the queries that look at
the data. Points on sharp edges, if any, are sampled apart from the uniform ones.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ....errors import InputError
from ..embeddings import FourierEmbedder
from .attention_blocks import ResidualCrossAttentionBlock, Transformer
from .point_sampling import farthest_points, sample_count


class PointSelection(NamedTuple):
    """Which points of a cloud are queries and which are data, as indices into the cloud.

    queries : (B, K)
    data : (B, M), or None for all points in their order
    """

    queries: Tensor
    data: Tensor | None


class CrossAttentionEncoder(nn.Module):
    def __init__(
        self,
        *,
        num_latents: int,
        downsample_ratio: float,
        pc_size: int,
        pc_sharpedge_size: int,
        fourier_embedder: FourierEmbedder,
        point_feats: int,
        width: int,
        heads: int,
        layers: int,
        qkv_bias: bool,
        qk_norm: bool,
        use_ln_post: bool,
    ) -> None:
        super().__init__()
        self.num_latents = num_latents
        self.downsample_ratio = downsample_ratio
        self.pc_size = pc_size
        self.pc_sharpedge_size = pc_sharpedge_size
        self.fourier_embedder = fourier_embedder
        self.input_proj = nn.Linear(fourier_embedder.out_dim + point_feats, width)
        self.cross_attn = ResidualCrossAttentionBlock(width, heads, qkv_bias, qk_norm)
        self.self_attn = Transformer(width, layers, heads, qkv_bias, qk_norm)
        self.use_ln_post = use_ln_post
        if use_ln_post:
            self.ln_post = nn.LayerNorm(width)  # eps 1e-5

    def select_points(
        self, pc: Tensor, generator: torch.Generator | None = None
    ) -> tuple[PointSelection, PointSelection | None]:
        """Random data points and farthest query points: of the uniform part, of the sharp part.

        The same random points serve all clouds of a batch. Farthest point sampling starts at the
        first of them, which the shuffling has made a random one already.
        """
        total = self.pc_size + self.pc_sharpedge_size
        if pc.shape[1] != total:
            raise InputError(
                f"the surface has {pc.shape[1]} points, but this encoder takes {self.pc_size} "
                f"uniform and {self.pc_sharpedge_size} sharp-edge points; sample that many."
            )
        uniform_latents = self.pc_size / total * self.num_latents
        sharp_latents = self.num_latents - uniform_latents
        uniform = self._select(pc, 0, self.pc_size, uniform_latents, generator)
        if int(sharp_latents * self.downsample_ratio) == 0:
            return uniform, None
        return uniform, self._select(
            pc, self.pc_size, self.pc_sharpedge_size, sharp_latents, generator
        )

    def _select(
        self,
        pc: Tensor,
        first: int,
        size: int,
        latents: float,
        generator: torch.Generator | None,
    ) -> PointSelection:
        kept = int(latents * self.downsample_ratio)
        if kept > size:
            raise InputError(
                f"{kept} of {size} points are wanted for {latents:g} latents at downsample ratio "
                f"{self.downsample_ratio:g}; give a larger pc_size or a smaller ratio."
            )
        # Drawn on the CPU unless a generator says otherwise, so that seeds mean the same anywhere.
        where = "cpu" if generator is None else generator.device
        order = torch.randperm(size, generator=generator, device=where)[:kept]
        data = order.to(pc.device) + first
        queries = farthest_points(pc[:, data], sample_count(kept, latents / kept))
        return PointSelection(data[queries], data.expand(pc.shape[0], -1))

    def sample_points_and_latents(
        self,
        pc: Tensor,
        feats: Tensor | None,
        generator: torch.Generator | None = None,
        selection: PointSelection | None = None,
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Features of the queries and of the data, and the points behind them.

        The list holds query points, data points, then the same for the uniform part and for the
        sharp part; an absent part is one zero point.
        """
        nothing = pc.new_zeros(pc.shape[0], 1, 3)
        parts = [nothing] * 4
        if selection is None:
            uniform, sharp = self.select_points(pc, generator)
            parts[:2] = [_take(pc, uniform.queries), _take(pc, uniform.data)]
            selection = uniform
            if sharp is not None:
                parts[2:] = [_take(pc, sharp.queries), _take(pc, sharp.data)]
                selection = PointSelection(
                    torch.cat([uniform.queries, sharp.queries], dim=1),
                    torch.cat([uniform.data, sharp.data], dim=1),
                )
        features = self.fourier_embedder(pc)
        if feats is not None:
            features = torch.cat([features, feats.to(features.dtype)], dim=-1)
        query = _take(features, selection.queries)
        data = _take(features, selection.data)
        return query, data, [_take(pc, selection.queries), _take(pc, selection.data), *parts]

    def forward(
        self,
        pc: Tensor,
        feats: Tensor | None,
        generator: torch.Generator | None = None,
        selection: PointSelection | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Tokens `(B, K, D)` of points `pc (B, N, 3)` with features `feats (B, N, P)`."""
        given = 0 if feats is None else feats.shape[-1]
        wanted = self.input_proj.in_features - self.fourier_embedder.out_dim
        if given != wanted:
            raise InputError(
                f"the surface has {given} values a point beside its place, but this encoder takes "
                f"{wanted}: 3 of a normal, and 1 of a sharp edge if it takes 4."
            )
        query, data, points = self.sample_points_and_latents(pc, feats, generator, selection)
        dtype = self.input_proj.weight.dtype  # under autocast: keeps the residual stream float32
        x = self.cross_attn(
            self.input_proj(query.to(dtype)).to(dtype), self.input_proj(data.to(dtype)).to(dtype)
        )
        x = self.self_attn(x)
        return (self.ln_post(x) if self.use_ln_post else x), points


def _take(values: Tensor, indices: Tensor | None) -> Tensor:
    """Rows of each cloud: `(B, N, D)` by `(B, K)` -> `(B, K, D)`; all of them for None."""
    if indices is None:
        return values
    return values.gather(1, indices[..., None].expand(-1, -1, values.shape[-1]))
