# SPDX-License-Identifier: Apache-2.0
"""Image to shape: prepare, condition, denoise, decode, extract.

`Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(folder)` loads a model, calling it on a picture
gives meshes. The work of each stage is in its own module; this one puts them in order. Knows
nothing about backgrounds of pictures (`hy3dgen.rembg`) or mesh processing (`hy3dgen.mesh`).
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..errors import InvalidImageError, InvalidSettingError
from ..weights import load_strictly, locate, read_config, read_weights, split_parts
from .devices import default_dtype, pick_device
from .mesh_export import export_to_arrays, export_to_trimesh
from .models.autoencoders.coarse_to_fine import CoarseToFineVolumeDecoder
from .models.autoencoders.surface_extractors import make_surface_extractor
from .models.autoencoders.volume_decoders import VanillaVolumeDecoder, box_corners
from .sampling import denoise, draw_noise, retrieve_timesteps
from .settings import instantiate_from_config

__all__ = [
    "Hunyuan3DDiTFlowMatchingPipeline",
    "Hunyuan3DDiTPipeline",
    "export_to_arrays",
    "export_to_trimesh",
    "instantiate_from_config",
    "retrieve_timesteps",
]

Progress = Callable[[str, int, int], None]
_SUBFOLDER = "hunyuan3d-dit-v2-0"
_NETWORKS = ("model", "vae", "conditioner")
_PARTS = (*_NETWORKS, "scheduler", "image_processor")
_VOLUME_DECODERS = {"dense": VanillaVolumeDecoder, "coarse_to_fine": CoarseToFineVolumeDecoder}
_COARSE_TO_FINE_FROM = 64
_OUTPUT_TYPES = ("trimesh", "mesh", "latent")
_Self = TypeVar("_Self", bound="Hunyuan3DDiTPipeline")


class Hunyuan3DDiTPipeline:
    """The five parts of a model, and how they are loaded and used.

    Attributes
    ----------
    vae, model, conditioner : networks on `device` in `dtype`, in eval mode
    scheduler, image_processor
    """

    def __init__(
        self,
        vae: Any,
        model: Any,
        scheduler: Any,
        conditioner: Any,
        image_processor: Any,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.vae = vae
        self.model = model
        self.scheduler = scheduler
        self.conditioner = conditioner
        self.image_processor = image_processor
        self.device = pick_device(device)
        self.dtype = dtype or default_dtype(self.device)
        for network in (vae, model, conditioner):
            network.eval().requires_grad_(False)
        self.to(self.device, self.dtype)

    @classmethod
    def from_single_file(
        cls: type[_Self],
        ckpt_path: str | os.PathLike[str],
        config_path: str | os.PathLike[str],
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        use_safetensors: bool | None = None,
    ) -> _Self:
        """Load a weight file and its config.

        Parameters
        ----------
        device : None picks a GPU if there is one, else the CPU
        dtype : None is float16 on a GPU and float32 on the CPU
        use_safetensors : True reads the `.safetensors` file beside a given `.ckpt`
        """
        device = pick_device(device)  # before the slow part
        dtype = dtype or default_dtype(device)
        weights = Path(ckpt_path)
        if use_safetensors and weights.suffix == ".ckpt":
            weights = weights.with_suffix(".safetensors")
        config = read_config(config_path, _PARTS)
        state = split_parts(read_weights(weights), _NETWORKS, str(weights))
        with torch.device("meta"):
            parts = {name: instantiate_from_config(config[name]) for name in _NETWORKS}
        parts["vae"].load_weights(state["vae"], f"{weights} (vae)", dtype)
        for name in ("model", "conditioner"):
            load_strictly(parts[name], state[name], f"{weights} ({name})", dtype)
        for name in ("scheduler", "image_processor"):
            parts[name] = instantiate_from_config(config[name])
        return cls(**parts, device=device, dtype=dtype)

    @classmethod
    def from_pretrained(
        cls: type[_Self],
        model_path: str | os.PathLike[str],
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        use_safetensors: bool = True,
        variant: str | None = "fp16",
        subfolder: str | None = _SUBFOLDER,
        local_files_only: bool = False,
    ) -> _Self:
        """Load a model folder, or a repository of the Hugging Face hub.

        See `hy3dgen.weights.locate` for where it is looked for, `from_single_file` for the rest.
        """
        files = locate(
            model_path,
            subfolder,
            use_safetensors=use_safetensors,
            variant=variant,
            default_subfolder=_SUBFOLDER,
            local_files_only=local_files_only,
        )
        return cls.from_single_file(files.weights, files.config, device, dtype)

    def to(
        self, device: str | torch.device | None = None, dtype: torch.dtype | None = None
    ) -> None:
        """Move the networks."""
        if dtype is not None:
            self.dtype = dtype
        if device is not None:
            self.device = pick_device(device)
        for network in (self.vae, self.model, self.conditioner):
            network.to(device=self.device, dtype=self.dtype)

    def compile(self) -> None:
        """Compile the networks with torch.compile; the first call then takes a minute or more."""
        for network in (self.vae, self.model, self.conditioner):
            network.compile()

    def set_surface_extractor(self, mc_algo: str | None) -> None:
        """Choose how surfaces are extracted from now on; None keeps it as it is."""
        if mc_algo is not None:
            self.vae.surface_extractor = make_surface_extractor(mc_algo)

    def prepare_image(self, image: Any, mask: Tensor | None = None) -> dict[str, Any]:
        """Pictures as `image (B, 3, S, S)` and `mask (B, 1, S, S)` in [-1, 1].

        Takes one picture or a list of them: paths, PIL images, arrays, or dicts of views; with
        views `view_idxs` is a list of tuples. A tensor is taken to be prepared already.
        """
        if isinstance(image, Tensor):
            return {"image": image} if mask is None else {"image": image, "mask": mask}
        pictures = image if isinstance(image, list) else [image]
        if not pictures or any(picture is None for picture in pictures):
            raise InvalidImageError("no picture was given; pass image= a path, picture or array.")
        prepared = [self.image_processor(picture) for picture in pictures]
        views = {np.shape(item["image"])[1] for item in prepared}
        if len(views) > 1:
            raise InvalidImageError(
                f"the objects have {' and '.join(map(str, sorted(views)))} views; give every "
                "object the same number."
            )
        return {
            name: torch.cat([item[name] for item in prepared])
            if isinstance(value, Tensor)
            else [item[name] for item in prepared]
            for name, value in prepared[0].items()
        }

    def encode_cond(
        self,
        image: Tensor,
        additional_cond_inputs: Mapping[str, Any] | None = None,
        do_classifier_free_guidance: bool = True,
        dual_guidance: bool = False,
    ) -> dict[str, Tensor]:
        """Condition tokens `(B, Lc, X)`; with guidance, as many rows of zeros follow."""
        if dual_guidance:
            raise InvalidSettingError(
                "dual guidance needs a conditioner with two image encoders, which this version "
                "does not have; leave dual_guidance off."
            )
        extras = dict(additional_cond_inputs or {})
        condition = self.conditioner(image=image.to(self.device), **extras)
        if do_classifier_free_guidance:
            empty = self.conditioner.unconditional_embedding(len(image), **extras)
            condition = {name: torch.cat([condition[name], empty[name]]) for name in condition}
        return {name: tokens.to(self.dtype) for name, tokens in condition.items()}

    def prepare_latents(
        self,
        batch_size: int,
        dtype: torch.dtype,
        device: torch.device,
        generator: torch.Generator | Sequence[torch.Generator] | None,
        latents: Tensor | None = None,
    ) -> Tensor:
        """Noise to start from, or the given latents, `(B, L, C)`."""
        shape = (batch_size, *self.vae.latent_shape)
        if latents is None:
            return draw_noise(shape, generator, device, dtype)
        if tuple(latents.shape) != shape:
            raise InvalidSettingError(
                f"the latents have shape {tuple(latents.shape)}, but {shape} is wanted: pictures, "
                "tokens, channels; pass latents of that shape."
            )
        return latents.to(device, dtype)


class Hunyuan3DDiTFlowMatchingPipeline(Hunyuan3DDiTPipeline):
    """Image to shape with a flow-matching model."""

    @torch.inference_mode()
    def __call__(
        self,
        image: Any = None,
        num_inference_steps: int = 50,
        timesteps: None = None,
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
        callback: Callable[[int, Tensor, Any], None] | None = None,
        callback_steps: int = 1,
        progress: Progress | None = None,
    ) -> list[Any] | Tensor:
        """Meshes of the objects in pictures, y up, looking along +z.

        Parameters
        ----------
        image : see `prepare_image`
        num_inference_steps : times of the schedule; the last one costs nothing, being the end
        sigmas : times from 0 to 1 instead; `timesteps` and `eta` belong to other samplers
        guidance_scale : negative switches guidance off
        generator : seeds the noise; one, or one a picture
        box_v : the field is decoded in [-box_v, box_v]^3, or in six numbers' box
        octree_resolution : cells a side of the decoding grid
        mc_level : field value of the surface; more is inside
        mc_algo : 'mc', or None for what the VAE has
        num_chunks : points decoded at a time, at most
        output_type : 'trimesh', 'mesh' (list of `Latent2MeshOutput`) or 'latent' (tensor)
        enable_pbar : without effect; use `progress`
        mask : goes with an `image` tensor
        latents : start from these instead of noise
        volume_decoder : 'dense', 'coarse_to_fine', or None: what the VAE has been given, or if that
            is the dense default, coarse-to-fine from a resolution of 64 on
        callback : `callback(step, timestep, outputs)` every `callback_steps` denoising steps
        progress : `progress(stage, step, total)` with stages 'condition', 'denoise', 'decode' and
            'extract'; an exception it raises ends the call and reaches the caller

        Raises
        ------
        InvalidImageError, InvalidSettingError, SurfaceExtractionError
        """
        _check_settings(
            num_inference_steps, timesteps, eta, guidance_scale, box_v, octree_resolution,
            mc_level, num_chunks, output_type, callback_steps, volume_decoder,
        )  # fmt: skip
        decoder = self._pick_volume_decoder(volume_decoder, octree_resolution)
        extractor = make_surface_extractor(mc_algo) if mc_algo else self.vae.surface_extractor
        report = progress or _ignore_progress

        report("condition", 0, 1)
        prepared = self.prepare_image(image, mask)
        pixels = prepared.pop("image")
        rows = len(pixels)
        # At a scale of exactly 1 the unconditional half would cancel out.
        mixed = guidance_scale >= 0 and guidance_scale != 1 and not self.model.guidance_embed
        condition = self.encode_cond(pixels, prepared, mixed)
        report("condition", 1, 1)

        if sigmas is None:
            sigmas = np.linspace(0, 1, num_inference_steps)
        retrieve_timesteps(self.scheduler, num_inference_steps, self.device, sigmas)
        latents = self.prepare_latents(rows, self.dtype, self.device, generator, latents)
        latents = denoise(
            self.model,
            self.scheduler,
            latents,
            condition,
            guidance_scale,
            mixed,
            callback,
            callback_steps,
            lambda step, total: report("denoise", step, total),
        )
        if output_type == "latent":
            return latents

        report("decode", 0, 1)
        tokens = self.vae(latents / self.vae.scale_factor)
        grid = decoder(
            tokens,
            self.vae.geo_decoder,
            bounds=box_v,
            num_chunks=num_chunks,
            mc_level=mc_level,
            octree_resolution=octree_resolution,
            progress=lambda step, total: report("decode", step, total),
        )

        report("extract", 0, 1)
        meshes = extractor(
            grid, mc_level=mc_level, bounds=box_v, octree_resolution=octree_resolution
        )
        report("extract", 1, 1)
        return export_to_trimesh(meshes) if output_type == "trimesh" else meshes

    def _pick_volume_decoder(self, name: str | None, octree_resolution: int) -> Any:
        if name is not None:
            return _VOLUME_DECODERS[name]()
        own = self.vae.volume_decoder
        if type(own) is VanillaVolumeDecoder and octree_resolution >= _COARSE_TO_FINE_FROM:
            return CoarseToFineVolumeDecoder()
        return own


def _ignore_progress(stage: str, step: int, total: int) -> None:
    pass


def _check_settings(
    num_inference_steps: int,
    timesteps: Any,
    eta: float,
    guidance_scale: float,
    box_v: Any,
    octree_resolution: int,
    mc_level: float,
    num_chunks: int,
    output_type: str,
    callback_steps: int,
    volume_decoder: str | None,
) -> None:
    """Raise InvalidSettingError for what would fail later, or silently mean something else."""
    for name, value, low, high in (
        ("num_inference_steps", num_inference_steps, 1, 1000),
        ("octree_resolution", octree_resolution, 4, 2048),
        ("num_chunks", num_chunks, 1, 10**9),
        ("callback_steps", callback_steps, 1, 10**9),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise InvalidSettingError(f"{name} is {value!r}; give a whole number.")
        if not low <= value <= high:
            raise InvalidSettingError(f"{name} is {value}; choose from {low} to {high}.")
    for name, value in (("guidance_scale", guidance_scale), ("mc_level", mc_level)):
        if not math.isfinite(value):
            raise InvalidSettingError(f"{name} is {value}; give a finite number.")
    box_corners(box_v)
    if timesteps is not None or eta != 0.0:
        raise InvalidSettingError(
            "timesteps and eta belong to other samplers; give num_inference_steps or sigmas."
        )
    if output_type not in _OUTPUT_TYPES:
        raise InvalidSettingError(
            f"output_type is {output_type!r}; choose from {', '.join(_OUTPUT_TYPES)}."
        )
    if volume_decoder is not None and volume_decoder not in _VOLUME_DECODERS:
        raise InvalidSettingError(
            f"volume_decoder is {volume_decoder!r}; choose from {', '.join(_VOLUME_DECODERS)}."
        )
