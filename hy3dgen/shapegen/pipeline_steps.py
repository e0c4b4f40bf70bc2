# SPDX-License-Identifier: Apache-2.0
"""The single steps of a pipeline: pictures, condition tokens, noise, and small public helpers.

Part of `pipeline_parts.PipelineParts`; `pipelines.py` calls them in order.
"""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InvalidImageError, InvalidSettingError
from .models.autoencoders.surface_extractors import make_surface_extractor
from .sampling import draw_noise


class Steps:
    """The part of a pipeline that computes, with what `PipelineParts` holds."""

    vae: Any
    conditioner: Any
    scheduler: Any
    image_processor: Any
    device: torch.device
    dtype: torch.dtype

    @staticmethod
    def get_guidance_scale_embedding(
        w: Tensor, embedding_dim: int = 512, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Sinusoids `[sin | cos]` of guidance scales, `(B,)` -> `(B, embedding_dim)`."""
        half = embedding_dim // 2
        exponents = -math.log(10000.0) / (half - 1) * torch.arange(half, dtype=dtype)
        angles = (1000.0 * w.to(dtype))[:, None] * exponents.exp().to(w.device)
        embedding = torch.cat([angles.sin(), angles.cos()], dim=1)
        return torch.nn.functional.pad(embedding, (0, embedding_dim % 2))

    def prepare_extra_step_kwargs(
        self, generator: torch.Generator | None, eta: float
    ) -> dict[str, Any]:
        """Those of `eta` and `generator` that the scheduler's `step` takes."""
        taken = inspect.signature(self.scheduler.step).parameters
        offered = {"eta": eta, "generator": generator}
        return {name: value for name, value in offered.items() if name in taken}

    def set_surface_extractor(self, mc_algo: str | None) -> None:
        """Choose how surfaces are extracted from now on; None keeps it as it is."""
        if mc_algo is not None:
            self.vae.surface_extractor = make_surface_extractor(mc_algo)

    def prepare_image(self, image: Any, mask: Tensor | None = None) -> dict[str, Any]:
        """Pictures as `image (B, 3, S, S)` and `mask (B, 1, S, S)` in [-1, 1].

        Takes one picture or a list of them: paths, PIL images, arrays, or dicts of views; with
        views `view_idxs` is a list of tuples. A tensor is taken to be prepared already; of one with
        a views axis `(B, V, 3, S, S)` the views are those in front, to the left and so on.
        """
        if isinstance(image, Tensor):
            return self._prepared(image, mask)
        pictures = list(image) if isinstance(image, (list, tuple)) else [image]
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

    def _prepared(self, image: Tensor, mask: Tensor | None) -> dict[str, Any]:
        several = getattr(self.image_processor, "return_view_idx", False)
        wanted = "(B, V, 3, H, W)" if several else "(B, 3, H, W)"
        if image.ndim != 4 + several or image.shape[-3] != 3 or not image.is_floating_point():
            raise InvalidImageError(
                f"the picture is a tensor of {image.dtype} and shape {tuple(image.shape)}, but "
                f"{wanted} with values from -1 to 1 is wanted; pass that, or a path or picture."
            )
        found: dict[str, Any] = {"image": image}
        if mask is not None:
            found["mask"] = mask
        if several:
            found["view_idxs"] = [tuple(range(image.shape[1]))] * len(image)
        return found

    def encode_cond(
        self,
        image: Tensor,
        additional_cond_inputs: Mapping[str, Any] | None = None,
        do_classifier_free_guidance: bool = True,
        dual_guidance: bool = False,
    ) -> dict[str, Tensor]:
        """Condition tokens `(B, Lc, X)`; with guidance, as many rows of zeros follow.

        With dual guidance B rows stand between them whose `main` is zeros and whose `additional`
        is that of the picture.
        """
        extras = dict(additional_cond_inputs or {})
        calls = {"call": self._recorded} if self.device.type == "cuda" else {}
        condition = self.conditioner(image=image.to(self.device), **calls, **extras)
        if do_classifier_free_guidance:
            empty = self.conditioner.unconditional_embedding(len(image), **extras)
            blocks = [condition, empty]
            if dual_guidance:
                if "additional" not in condition:
                    raise InvalidSettingError(
                        "dual guidance needs a conditioner with two image encoders, but this model "
                        "has one; leave dual_guidance off."
                    )
                blocks.insert(1, {**condition, "main": empty["main"]})
            condition = {name: torch.cat([block[name] for block in blocks]) for name in condition}
        return {name: tokens.to(self.dtype) for name, tokens in condition.items()}

    def prepare_latents(
        self,
        batch_size: int,
        dtype: torch.dtype,
        device: torch.device,
        generator: torch.Generator | Sequence[torch.Generator] | None,
        latents: Tensor | None = None,
    ) -> Tensor:
        """Noise to start from, or the given latents, `(B, L, C)`.

        Noise is scaled by what a scheduler of another maker calls `init_noise_sigma`.
        """
        shape = (batch_size, *self.vae.latent_shape)
        if latents is None:
            scale = getattr(self.scheduler, "init_noise_sigma", 1.0)
            return draw_noise(shape, generator, device, dtype) * scale
        if tuple(latents.shape) != shape:
            raise InvalidSettingError(
                f"the latents have shape {tuple(latents.shape)}, but {shape} is wanted: pictures, "
                "tokens, channels; pass latents of that shape."
            )
        return latents.to(device, dtype)
