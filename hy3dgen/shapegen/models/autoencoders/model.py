# SPDX-License-Identifier: Apache-2.0
"""`ShapeVAE`: surface points to a set of latent tokens, and tokens to a field of logits.

Module attributes keep the published checkpoints' spelling. Turning the field into a grid and a
mesh is the job of the volume decoder and the surface extractor, which can be exchanged.
"""

import math

import torch
from torch import Tensor, nn

from ....errors import CheckpointError
from ..embeddings import FourierEmbedder
from .attention_blocks import CrossAttentionDecoder, Transformer
from .point_encoder import CrossAttentionEncoder, PointSelection
from .vectset import VectsetVAE


class DiagonalGaussianDistribution:
    """Normal distribution with a diagonal covariance, from mean and log variance side by side."""

    def __init__(self, parameters: Tensor, deterministic: bool = False, feat_dim: int = 1) -> None:
        self.mean, logvar = parameters.chunk(2, dim=feat_dim)
        self.logvar = logvar.clamp(-30.0, 20.0)
        self.deterministic = deterministic
        self.std = torch.exp(0.5 * self.logvar)
        self.var = torch.exp(self.logvar)
        if deterministic:
            self.std = torch.zeros_like(self.mean)
            self.var = torch.zeros_like(self.mean)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        where = self.mean.device if generator is None else generator.device
        noise = torch.randn(
            self.mean.shape, generator=generator, device=where, dtype=self.mean.dtype
        )
        return self.mean + self.std * noise.to(self.mean.device)

    def mode(self) -> Tensor:
        return self.mean

    def kl(
        self,
        other: "DiagonalGaussianDistribution | None" = None,
        dims: tuple[int, ...] = (1, 2, 3),
    ) -> Tensor:
        """Divergence from `other`, or from the unit normal, averaged over `dims`."""
        if self.deterministic:
            return self.mean.new_zeros(1)
        if other is None:
            terms = self.mean.square() + self.var - 1.0 - self.logvar
        else:
            terms = (
                (self.mean - other.mean).square() / other.var
                + self.var / other.var
                - 1.0
                - self.logvar
                + other.logvar
            )
        return 0.5 * terms.mean(dim=tuple(dims))

    def nll(self, sample: Tensor, dims: tuple[int, ...] = (1, 2, 3)) -> Tensor:
        """Negative log likelihood of `sample`, summed over `dims`."""
        if self.deterministic:
            return self.mean.new_zeros(1)
        terms = math.log(2.0 * math.pi) + self.logvar + (sample - self.mean).square() / self.var
        return 0.5 * terms.sum(dim=tuple(dims))


class ShapeVAE(VectsetVAE):
    """Vecset autoencoder of Hunyuan3D-2.

    Parameters
    ----------
    num_latents, embed_dim : K and E, so a shape is `(K, E)`
    width, heads : of every block
    pc_size, pc_sharpedge_size : points the encoder takes, uniform and on sharp edges
    point_feats : values per point beside its position (normal, or normal and sharp-edge label)
    downsample_ratio : the encoder looks at this many points per latent
    geo_decoder_ln_post : also switches the norm of queries and keys in the geometry decoder
    scale_factor : a denoiser's latents are `encode(...) * scale_factor`
    ckpt_path : weight file to start from, see `init_from_ckpt`
    """

    def __init__(
        self,
        *,
        num_latents: int,
        embed_dim: int,
        width: int,
        heads: int,
        num_decoder_layers: int,
        num_encoder_layers: int = 8,
        pc_size: int = 5120,
        pc_sharpedge_size: int = 5120,
        point_feats: int = 3,
        downsample_ratio: float = 20,
        geo_decoder_downsample_ratio: int = 1,
        geo_decoder_mlp_expand_ratio: int = 4,
        geo_decoder_ln_post: bool = True,
        num_freqs: int = 8,
        include_pi: bool = True,
        qkv_bias: bool = True,
        qk_norm: bool = False,
        label_type: str = "binary",
        drop_path_rate: float = 0.0,
        scale_factor: float = 1.0,
        use_ln_post: bool = True,
        ckpt_path: str | None = None,
    ) -> None:
        super().__init__()
        self.latent_shape = (num_latents, embed_dim)
        self.scale_factor = scale_factor
        fourier_embedder = FourierEmbedder(num_freqs=num_freqs, include_pi=include_pi)
        self.fourier_embedder = fourier_embedder
        self.encoder: CrossAttentionEncoder | None = CrossAttentionEncoder(
            num_latents=num_latents,
            downsample_ratio=downsample_ratio,
            pc_size=pc_size,
            pc_sharpedge_size=pc_sharpedge_size,
            fourier_embedder=fourier_embedder,
            point_feats=point_feats,
            width=width,
            heads=heads,
            layers=num_encoder_layers,
            qkv_bias=qkv_bias,
            qk_norm=qk_norm,
            use_ln_post=use_ln_post,
        )
        self.pre_kl: nn.Linear | None = nn.Linear(width, 2 * embed_dim)
        self.post_kl = nn.Linear(embed_dim, width)
        self.transformer = Transformer(width, num_decoder_layers, heads, qkv_bias, qk_norm)
        self.geo_decoder = CrossAttentionDecoder(
            fourier_embedder=fourier_embedder,
            width=width,
            heads=heads,
            mlp_expand_ratio=geo_decoder_mlp_expand_ratio,
            downsample_ratio=geo_decoder_downsample_ratio,
            enable_ln_post=geo_decoder_ln_post,
            qkv_bias=qkv_bias,
            qk_norm=qk_norm,
        )
        if ckpt_path is not None:
            self.init_from_ckpt(ckpt_path)

    def drop_encoder(self) -> None:
        """Remove the encoder, for checkpoints that only carry the decoder."""
        self.encoder = None
        self.pre_kl = None

    def encode_posterior(
        self,
        surface: Tensor,
        generator: torch.Generator | None = None,
        selection: PointSelection | None = None,
    ) -> DiagonalGaussianDistribution:
        """Distribution of latents `(B, K, E)` of surface points `(B, N, 3 + P)`.

        Which points are queries and data comes from `selection`, else from `generator`, else from
        torch's default generator on the CPU.
        """
        if self.encoder is None or self.pre_kl is None:
            raise CheckpointError(
                "these VAE weights have no encoder, so a surface cannot be encoded; load a VAE "
                "published 'withencoder'."
            )
        tokens, _ = self.encoder(surface[..., :3], surface[..., 3:], generator, selection)
        return DiagonalGaussianDistribution(self.pre_kl(tokens), feat_dim=-1)

    def encode(
        self,
        surface: Tensor,
        sample_posterior: bool = True,
        generator: torch.Generator | None = None,
        selection: PointSelection | None = None,
    ) -> Tensor:
        """Latents `(B, K, E)` of surface points `(B, N, 3 + P)`, not yet times `scale_factor`."""
        posterior = self.encode_posterior(surface, generator, selection)
        return posterior.sample(generator) if sample_posterior else posterior.mode()

    def decode(self, latents: Tensor) -> Tensor:
        """Tokens `(B, K, D)` for the geometry decoder from latents `(B, K, E)`."""
        return self.transformer(self.post_kl(latents).to(latents.dtype))

    def forward(self, latents: Tensor) -> Tensor:
        return self.decode(latents)
