# SPDX-License-Identifier: Apache-2.0
"""The shape a model has in mind in the middle of sampling, as a coarse mesh."""

from typing import Any

import numpy as np
from torch import Tensor

from .mesh_export import export_to_arrays
from .models.autoencoders.volume_decoders import VanillaVolumeDecoder

BOUND = 1.01


class CleanLatents:
    """Where the flow leads if its velocity stays as it is: a guess that gets better.

    Give `after_step` what the pipeline's `callback` gets.

    Attributes
    ----------
    time : that was reached, from 0 to 1
    """

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._before: tuple[float, Tensor] | None = None
        self._times: list[float] = []
        self.time = 0.0

    def after_step(self, index: int, outputs: Any) -> Tensor | None:
        """The latents at time 1 as seen after step `index`; None before there are two of them."""
        sample = outputs.prev_sample
        if not self._times:
            self._times = self._scheduler.times()
        time = self.time = self._times[index + 1]
        before, self._before = self._before, (time, sample)
        if hasattr(outputs, "pred_original_sample"):
            return outputs.pred_original_sample
        if before is None or time <= before[0]:
            return None
        velocity = (sample - before[1]) / (time - before[0])
        return sample + (1 - time) * velocity


def coarse_mesh(pipeline: Any, latents: Tensor, resolution: int) -> tuple[np.ndarray, np.ndarray]:
    """`(V, 3) float32` and `(F, 3) int32` of the first row of latents, on a grid of few cells.

    Raises
    ------
    SurfaceExtractionError
        If the field has no surface.
    """
    vae = pipeline.vae
    grid = VanillaVolumeDecoder()(
        vae(latents[:1].to(pipeline.dtype) / vae.scale_factor),
        vae.geo_decoder,
        bounds=BOUND,
        num_chunks=8000,
        mc_level=0.0,
        octree_resolution=resolution,
    )
    (mesh,) = vae.surface_extractor(grid, mc_level=0.0, bounds=BOUND, octree_resolution=resolution)
    return export_to_arrays(mesh)
