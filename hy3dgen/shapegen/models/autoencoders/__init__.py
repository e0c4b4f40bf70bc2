# SPDX-License-Identifier: Apache-2.0
"""The vecset VAE, volume decoders and surface extractors. Exports are lazy."""

from ...._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "CrossAttentionDecoder": ".attention_blocks",
        "DiagonalGaussianDistribution": ".model",
        "PointSelection": ".point_encoder",
        "ShapeVAE": ".model",
        "farthest_points": ".point_sampling",
    },
)
