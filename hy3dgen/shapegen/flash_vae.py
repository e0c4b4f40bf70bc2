# SPDX-License-Identifier: Apache-2.0
"""Which published VAE goes with FlashVDM: a smaller geometry decoder, trained for it.

A model is known by the name of its subfolder, or else by its repository's, or else by the size of
its denoiser; what a local folder is called does not matter.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..errors import CheckpointError
from .log import logger
from .models.denoisers.hunyuan3ddit import Hunyuan3DDiT


class ModelSource(NamedTuple):
    """Where a pipeline was loaded from."""

    model_path: str
    subfolder: str | None
    use_safetensors: bool
    variant: str | None
    local_files_only: bool


class _Place(NamedTuple):
    repository: str
    subfolder: str


_V2 = _Place("tencent/Hunyuan3D-2", "hunyuan3d-vae-v2-0-turbo")
_MINI = _Place("tencent/Hunyuan3D-2mini", "hunyuan3d-vae-v2-mini-turbo")
_BY_SUBFOLDER = {
    "hunyuan3d-dit-v2-0": _V2,
    "hunyuan3d-dit-v2-mv": _V2,
    "hunyuan3d-dit-v2-mini": _MINI,
}
_BY_REPOSITORY = {"Hunyuan3D-2": _V2, "Hunyuan3D-2mv": _V2, "Hunyuan3D-2mini": _MINI}
_BY_BLOCKS = {(16, 32): _V2, (8, 16): _MINI}  # double and single blocks, at the published width
_WIDTH = 1024
_SPEEDS = ("-fast", "-turbo")


def load_flash_vae(
    source: ModelSource | None, model: Any, vae: Any, device: torch.device, dtype: torch.dtype
) -> Any:
    """The VAE to decode with: the published one for FlashVDM with `model`, or `vae` itself.

    The log says in a sentence why `vae` is kept.
    """
    place = _place(source, model)
    if source is None or place is None:
        logger.info("No VAE was published for FlashVDM with this model; its own VAE is kept.")
        return vae
    beside = Path(os.path.expanduser(source.model_path)) / place.subfolder
    repository = source.model_path if beside.is_dir() else place.repository
    try:
        other = type(vae).from_pretrained(
            repository,
            device=device,
            dtype=dtype,
            use_safetensors=source.use_safetensors,
            variant=source.variant,
            subfolder=place.subfolder,
            local_files_only=source.local_files_only,
        )
    except (CheckpointError, ImportError) as error:
        logger.warning("FlashVDM uses the model's own VAE, which is slower: %s", error)
        return vae
    if other.latent_shape[1] != vae.latent_shape[1]:
        logger.warning(
            "FlashVDM uses the model's own VAE: the one in %s/%s takes latents of %d channels, but "
            "this model makes %d.",
            repository,
            place.subfolder,
            other.latent_shape[1],
            vae.latent_shape[1],
        )
        return vae
    return other


def _place(source: ModelSource | None, model: Any) -> _Place | None:
    if source is None:
        return None
    name = source.subfolder or ""
    for speed in _SPEEDS:
        name = name.removesuffix(speed)
    last = source.model_path.replace("\\", "/").rstrip("/").split("/")[-1]
    return _BY_SUBFOLDER.get(name) or _BY_REPOSITORY.get(last) or _place_by_size(model)


def _place_by_size(model: Any) -> _Place | None:
    if not isinstance(model, Hunyuan3DDiT) or model.latent_in.out_features != _WIDTH:
        return None
    return _BY_BLOCKS.get((len(model.double_blocks), len(model.single_blocks)))
