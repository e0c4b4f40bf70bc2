# SPDX-License-Identifier: Apache-2.0
"""Image to shape: prepare, condition, denoise, decode, extract.

`Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(folder)` loads a model, calling it on a picture
gives meshes. The work of each stage is in its own module; this one puts them in order. Knows
nothing about backgrounds of pictures (`hy3dgen.rembg`) or mesh processing (`hy3dgen.mesh`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..gpu.devices import chosen
from .calibration import machine_costs, model_traits
from .call_settings import check_settings, warn_of_unknown
from .cost_model import (
    REDUCERS,
    TYPICAL_SURFACE,
    OptimalSettings,
    check_speed,
    optimal_settings,
)
from .mesh_export import export_to_arrays, export_to_trimesh
from .models.autoencoders.decoder_choice import VOLUME_DECODERS, pick_volume_decoder
from .models.autoencoders.surface_extractors import Latent2MeshOutput, make_surface_extractor
from .models.conditioner import DualImageEncoder
from .pipeline_parts import PipelineParts
from .residency import within_limit
from .sampling import denoise, retrieve_timesteps
from .settings import instantiate_from_config
from .step_saving import Previews, StepSaving, StepWatch, synchronised_clock
from .terminal_progress import TerminalProgress

__all__ = [
    "Hunyuan3DDiTFlowMatchingPipeline",
    "Hunyuan3DDiTPipeline",
    "export_to_arrays",
    "export_to_trimesh",
    "instantiate_from_config",
    "retrieve_timesteps",
]

Progress = Callable[[str, int, int], None]


class Hunyuan3DDiTPipeline(PipelineParts):
    """Image to shape; the public name of the base class, with the arguments it was published with.

    It samples as `Hunyuan3DDiTFlowMatchingPipeline` does, as all published models are of that kind,
    and can guide by two pictures' encoders.
    """

    @torch.inference_mode()
    def __call__(
        self,
        image: Any = None,
        num_inference_steps: int = 50,
        timesteps: Any = None,
        sigmas: Sequence[float] | None = None,
        eta: float = 0.0,
        guidance_scale: float = 7.5,
        dual_guidance_scale: float = 10.5,
        dual_guidance: bool = True,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        box_v: float | Sequence[float] = 1.01,
        octree_resolution: int = 384,
        mc_level: float = -1 / 512,
        num_chunks: int = 8000,
        mc_algo: str | None = None,
        output_type: str = "trimesh",
        enable_pbar: bool = True,
        **others: Any,
    ) -> list[Any] | Tensor:
        """Meshes of the objects in pictures; see `Hunyuan3DDiTFlowMatchingPipeline`.

        Parameters
        ----------
        dual_guidance : with a conditioner of two encoders, weigh them apart: `guidance_scale` for
            what the main one adds, `dual_guidance_scale` for what the additional one does; without
            effect where there is one encoder
        others : the other arguments of `Hunyuan3DDiTFlowMatchingPipeline`
        """
        dual = dual_guidance and isinstance(self.conditioner, DualImageEncoder)
        with chosen(self.device):
            return self._image_to_shapes(
                image, num_inference_steps, timesteps, sigmas, eta, guidance_scale, generator,
                box_v, octree_resolution, mc_level, mc_algo, num_chunks, output_type,
                dual_guidance_scale=dual_guidance_scale if dual else None, enable_pbar=enable_pbar,
                **others,
            )  # fmt: skip

    @within_limit
    def _image_to_shapes(
        self,
        image: Any,
        num_inference_steps: int,
        timesteps: Any,
        sigmas: Sequence[float] | None,
        eta: float,
        guidance_scale: float,
        generator: torch.Generator | Sequence[torch.Generator] | None,
        box_v: float | Sequence[float],
        octree_resolution: int,
        mc_level: float,
        mc_algo: str | None,
        num_chunks: int,
        output_type: str,
        *,
        dual_guidance_scale: float | None = None,
        enable_pbar: bool = True,
        mask: Tensor | None = None,
        latents: Tensor | None = None,
        volume_decoder: str | None = None,
        compatibility: bool = False,
        face_count: int | None = None,
        reducer: str = "quality",
        step_saving: StepSaving | None = None,
        preview: Callable[[Latent2MeshOutput], None] | None = None,
        callback: Callable[[int, Tensor, Any], None] | None = None,
        callback_steps: int | None = 1,
        progress: Progress | None = None,
        **others: Any,
    ) -> list[Any] | Tensor:
        """The stages in order; arguments are those of the public calls."""
        callback_steps = 1 if callback_steps is None else callback_steps
        check_settings(
            num_inference_steps, timesteps, eta, guidance_scale, box_v, octree_resolution,
            mc_level, num_chunks, output_type, callback_steps, volume_decoder, VOLUME_DECODERS,
            face_count, reducer, REDUCERS,
        )  # fmt: skip
        warn_of_unknown(others, Hunyuan3DDiTFlowMatchingPipeline.__call__)
        extractor = self.vae.surface_extractor
        if mc_algo or compatibility:
            own = getattr(extractor, "mc_algo", "mc")
            extractor = make_surface_extractor(mc_algo or own, compatibility)
        decoder = pick_volume_decoder(
            self.vae.volume_decoder, extractor, octree_resolution, volume_decoder, compatibility,
            self.device.type,
        )  # fmt: skip
        report = progress or (TerminalProgress() if enable_pbar else _ignore_progress)

        report("condition", 0, 1)
        prepared = self.prepare_image(image, mask)
        pixels = prepared.pop("image")
        rows = len(pixels)
        # At a scale of exactly 1 the unconditional half would cancel out.
        dual = dual_guidance_scale is not None
        mixed = guidance_scale >= 0 and not self.model.guidance_embed
        mixed = mixed and (dual or guidance_scale != 1)
        # Before the encoder's work: a copy to a device waits for that, and noise drawn on the CPU
        # should not.
        if sigmas is None:
            sigmas = np.linspace(0, 1, num_inference_steps)
        retrieve_timesteps(self.scheduler, num_inference_steps, self.device, sigmas=sigmas)
        condition = self.encode_cond(pixels, prepared, mixed, dual)
        report("condition", 1, 1)

        latents = self.prepare_latents(rows, self.dtype, self.device, generator, latents)
        self._use(self.model)
        latents = denoise(
            self._denoiser(),
            self.scheduler,
            latents,
            condition,
            guidance_scale,
            mixed,
            callback,
            callback_steps,
            lambda step, total: report("denoise", step, total),
            watchers=self._watchers(step_saving, preview, box_v),
            dual_guidance_scale=dual_guidance_scale,
            ask_times=self._ask_times(guidance_scale),
        )
        if output_type == "latent":
            self.maybe_free_model_hooks()
            return latents

        report("decode", 0, 1)
        self._use(self.vae)
        tokens = self._recorded(self.vae)(latents / self.vae.scale_factor)
        grid = decoder(
            tokens,
            self._geo_decoder(decoder),
            bounds=box_v,
            num_chunks=num_chunks,
            mc_level=mc_level,
            octree_resolution=octree_resolution,
            progress=lambda step, total: report("decode", step, total),
        )

        self.maybe_free_model_hooks()
        report("extract", 0, 1)
        meshes = extractor(
            grid,
            mc_level=mc_level,
            bounds=box_v,
            octree_resolution=octree_resolution,
            face_count=face_count,
            reducer=reducer,
        )
        report("extract", 1, 1)
        if face_count is None:
            self._surfaces.extend(len(mesh.mesh_f) / octree_resolution**2 for mesh in meshes)
        return export_to_trimesh(meshes) if output_type == "trimesh" else meshes

    @within_limit
    def get_optimal_settings(
        self,
        speed_priority: float = 0.5,
        max_seconds: float | None = None,
        max_memory: float | None = None,
        face_count: int | None = None,
    ) -> OptimalSettings:
        """The best arguments for a call on this machine: `pipeline(image, **settings)`.

        The first call measures the model's stages on this machine, which takes a second or two for
        a small model and some times as long as a denoising step for a large one.

        Parameters
        ----------
        speed_priority : 0.0 is the best that the model gives, 1.0 the fastest
        max_seconds : of the whole call
        max_memory : bytes; on a GPU of its memory, else of this process; None: the pipeline's own
            limit (`set_max_memory`), or what is free now
        face_count : reduce to so many faces; is in the result then

        Returns
        -------
        OptimalSettings
            A dict of arguments; its attributes `seconds`, `peak_memory` and `stages` are what the
            call is predicted to take. How large surfaces are is taken from the last meshes that
            this pipeline made.

        Raises
        ------
        InvalidSettingError
            Nothing fits; the sentence has the least that is needed.
        """
        check_speed(speed_priority)
        traits = model_traits(self, self._usual_settings())
        costs = machine_costs(self, traits)
        surface = float(np.median(self._surfaces)) if self._surfaces else TYPICAL_SURFACE
        limit = self.memory_limit if max_memory is None else max_memory
        return optimal_settings(
            costs, traits, speed_priority, max_seconds, limit, surface, face_count
        )

    def _watchers(self, saving: Any, preview: Any, bounds: Any) -> list[Any]:
        watchers: list[Any] = []
        if saving is not None:
            watchers.append(StepWatch(saving, self.vae))
        if preview is not None:
            clock = synchronised_clock(self.device)
            costs = self._preview_costs.setdefault(self.vae, [])
            watchers.append(Previews(self.vae, preview, bounds, clock=clock, costs=costs))
        return watchers


class Hunyuan3DDiTFlowMatchingPipeline(Hunyuan3DDiTPipeline):
    """Image to shape with a flow-matching model."""

    @torch.inference_mode()
    def __call__(
        self,
        image: Any = None,
        num_inference_steps: int = 50,
        timesteps: Any = None,
        sigmas: Sequence[float] | None = None,
        eta: float = 0.0,
        guidance_scale: float = 5.0,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        box_v: float | Sequence[float] = 1.01,
        octree_resolution: int = 384,
        mc_level: float = 0.0,
        mc_algo: str | None = None,
        num_chunks: int = 8000,
        output_type: str = "trimesh",
        enable_pbar: bool = True,
        *,
        mask: Tensor | None = None,
        latents: Tensor | None = None,
        volume_decoder: str | None = None,
        compatibility: bool = False,
        face_count: int | None = None,
        reducer: str = "quality",
        step_saving: StepSaving | None = None,
        preview: Callable[[Latent2MeshOutput], None] | None = None,
        callback: Callable[[int, Tensor, Any], None] | None = None,
        callback_steps: int | None = 1,
        progress: Progress | None = None,
        **others: Any,
    ) -> list[Any] | Tensor:
        """Meshes of the objects in pictures, y up, looking along +z.

        Parameters
        ----------
        image : see `prepare_image`
        num_inference_steps : times of the schedule; the last one costs nothing, being the end
        sigmas : times from 0 to 1 instead
        timesteps, eta : without effect but for a warning; they belong to other samplers
        guidance_scale : negative switches guidance off
        generator : seeds the noise; one, or one a picture
        box_v : the field is decoded in [-box_v, box_v]^3, or in six numbers' box
        octree_resolution : cells a side of the decoding grid
        mc_level : field value of the surface; more is inside
        mc_algo : 'mc' for marching cubes, 'dmc' for dual marching cubes, whose faces are more even
            and corners rounder; None for what the VAE has
        num_chunks : points decoded at a time, at most
        output_type : 'trimesh', 'mesh' (list of `Latent2MeshOutput`) or 'latent' (tensor); another
            is taken for 'mesh', with a warning
        enable_pbar : show progress on a terminal where there is one, unless `progress` is given
        mask : goes with an `image` tensor
        latents : start from these instead of noise
        volume_decoder : 'dense', 'coarse_to_fine', 'flashvdm', or None: what the VAE has been
            given, or if that is the dense default, coarse-to-fine from a resolution of 64 on,
            without full grids from 384 on, on a GPU from 512 on
        compatibility : the original's grids, places of vertices and unknown borders instead of the
            true ones: meshes are a little small and off centre, with FlashVDM more so, and may have
            gaps; dense unless the VAE or `volume_decoder` says otherwise
        face_count : reduce to at most so many faces, on the device; None keeps all
        reducer : how: 'quality' or 'fast'; a GPU has one way
        step_saving : leave out steps that no longer change the shape; None takes all of them
        preview : called now and then with a coarse mesh of what the first picture becomes; takes
            less than 5 % of the denoising time
        callback : `callback(step, timestep, outputs)` every `callback_steps` denoising steps
        progress : `progress(stage, step, total)` with stages 'condition', 'denoise', 'decode' and
            'extract'; an exception it raises ends the call and reaches the caller
        others : without effect but for a warning; scripts pass arguments of other pipelines on

        Raises
        ------
        InvalidImageError, InvalidSettingError, SurfaceExtractionError
        """
        with chosen(self.device):
            return self._image_to_shapes(
                image, num_inference_steps, timesteps, sigmas, eta, guidance_scale, generator,
                box_v, octree_resolution, mc_level, mc_algo, num_chunks, output_type, mask=mask,
                latents=latents, volume_decoder=volume_decoder, compatibility=compatibility,
                face_count=face_count, reducer=reducer, step_saving=step_saving, preview=preview,
                callback=callback, callback_steps=callback_steps, progress=progress,
                enable_pbar=enable_pbar, **others,
            )  # fmt: skip


def _ignore_progress(stage: str, step: int, total: int) -> None:
    pass
