# SPDX-License-Identifier: Apache-2.0
"""The vecset VAE, volume decoders and surface extractors. Exports are lazy."""

from ...._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "CoarseToFineVolumeDecoder": ".coarse_to_fine",
        "CrossAttentionDecoder": ".attention_blocks",
        "CrossAttentionProcessor": ".attention_processors",
        "DMCSurfaceExtractor": ".surface_extractors",
        "DiagonalGaussianDistribution": ".model",
        "FlashVDMCrossAttentionProcessor": ".attention_processors",
        "FlashVDMTopMCrossAttentionProcessor": ".attention_processors",
        "FlashVDMVolumeDecoding": ".flash_vdm",
        "HierarchicalVolumeDecoding": ".hierarchical",
        "Latent2MeshOutput": ".surface_extractors",
        "MCSurfaceExtractor": ".surface_extractors",
        "PointSelection": ".point_encoder",
        "ShapeVAE": ".model",
        "SurfaceExtractors": ".surface_extractors",
        "VanillaVolumeDecoder": ".volume_decoders",
        "VectsetVAE": ".vectset",
        "farthest_points": ".point_sampling",
    },
)
