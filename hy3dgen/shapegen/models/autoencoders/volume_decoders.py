# SPDX-License-Identifier: Apache-2.0
"""Volume decoders: a field that can be asked at points becomes a grid of its values.

`VanillaVolumeDecoder` asks at every grid point; the others ask near the surface only and live in
modules of their own. All share one call, `decoder(latents, geo_decoder, bounds=,
octree_resolution=, ...)`, where `geo_decoder` has `project(latents)` and
`query(projected, points)`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .coarse_to_fine import CoarseToFineVolumeDecoder
from .field import Field, Progress
from .flash_vdm import FlashVDMVolumeDecoding
from .grid_levels import halved_levels
from .hierarchical import HierarchicalVolumeDecoding
from .volume_grids import (
    NEAR_LEVEL,
    UNKNOWN,
    box_corners,
    dilate,
    extract_near_surface_volume_fn,
    generate_dense_grid_points,
    refine_mask,
)

__all__ = [
    "NEAR_LEVEL",
    "UNKNOWN",
    "CoarseToFineVolumeDecoder",
    "Field",
    "FlashVDMVolumeDecoding",
    "HierarchicalVolumeDecoding",
    "Progress",
    "VanillaVolumeDecoder",
    "box_corners",
    "dilate",
    "extract_near_surface_volume_fn",
    "generate_dense_grid_points",
    "halved_levels",
    "refine_mask",
]


class VanillaVolumeDecoder:
    """The field at every grid point."""

    @torch.no_grad()
    def __call__(
        self,
        latents: Tensor,
        geo_decoder: Any,
        bounds: float | Sequence[float] = 1.01,
        num_chunks: int = 10000,
        mc_level: float = 0.0,
        octree_resolution: int = 384,
        progress: Progress | None = None,
        **ignored: Any,
    ) -> Tensor:
        """Grid `(B, n, n, n) float32` of decoded latents `(B, L, D)`.

        `progress(asked, total)` is called after every chunk of at most `num_chunks` points.
        """
        field = Field(latents, geo_decoder, bounds, num_chunks, progress)
        return field.everywhere(octree_resolution)
