# SPDX-License-Identifier: Apache-2.0
"""Picture to mesh with the bundled model: prepare, condition, denoise, decode, extract."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import CheckpointMismatchError
from .autoencoder import GeometryDecoder, decode_tokens
from .checkpoint import WEIGHTS_FILE, part, read_config, read_safetensors
from .denoiser import Denoiser, denoise, draw_noise
from .dinov2 import ImageEncoder
from .picture import square_picture
from .surface import extract_surface
from .volume import BOUND, decode_grid

Progress = Callable[[str, int, int], None]
Mesh = tuple[np.ndarray, np.ndarray]


class Previews(Protocol):
    """Whoever shows the shape found so far, and decides when that is worth its time."""

    resolution: int

    def offer(self, time: float, decode: Callable[[], Mesh]) -> None: ...

    def give(self, mesh: Mesh) -> None: ...


class NumpyPipeline:
    """The model of a folder with `config.json` and its weights.

    Raises
    ------
    CheckpointError
        A file is missing, damaged, or belongs to another kind of network.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        folder = Path(folder)
        config = read_config(folder)
        weights = read_safetensors(folder / WEIGHTS_FILE)
        try:
            self._encode = ImageEncoder(part(weights, "conditioner"), config["conditioner"])
            self._denoiser = Denoiser(part(weights, "model"), config["model"])
            self._vae = part(weights, "vae")
            self._vae_config = config["vae"]
            self._latent_shape = (
                config["vae"]["params"]["num_latents"],
                config["vae"]["params"]["embed_dim"],
            )
            self._border_ratio = config["image_processor"]["params"]["border_ratio"]
        except (KeyError, TypeError) as error:
            raise CheckpointMismatchError(
                f"the config of {folder} lacks {error}; install the extension again."
            ) from error

    def __call__(
        self,
        image: np.ndarray,
        seed: int,
        num_inference_steps: int,
        guidance_scale: float,
        octree_resolution: int,
        progress: Progress,
        previews: Previews | None = None,
    ) -> Mesh:
        """Vertices `(V, 3) float32`, y up, and faces `(F, 3) int32` of an `(H, W, 4)` cut-out.

        `progress(stage, step, total)`; an exception it raises ends the call and reaches the caller.
        `previews` is offered the shape after each step and given the coarse one while decoding.
        """
        progress("condition", 0, 1)
        picture = square_picture(image, self._encode.size, self._border_ratio)
        condition = self._encode(picture)
        with ThreadPoolExecutor(processors()) as pool:
            latents = denoise(
                self._denoiser,
                draw_noise(self._latent_shape, seed),
                condition,
                num_inference_steps,
                guidance_scale,
                pool,
                lambda step, total: progress("denoise", step, total),
                previews and self._look(previews, pool),
            )
            progress("decode", 0, 1)
            grid = decode_grid(
                self._decoder(latents),
                octree_resolution,
                pool,
                lambda step, total: progress("decode", step, total),
                previews and (lambda coarse, reach: previews.give(_reaching(coarse, reach))),
            )
        progress("extract", 0, 1)
        return extract_surface(grid, BOUND)

    def _decoder(self, latents: np.ndarray) -> GeometryDecoder:
        tokens = decode_tokens(latents, self._vae, self._vae_config)
        return GeometryDecoder(tokens, self._vae, self._vae_config)

    def _look(
        self, previews: Previews, pool: ThreadPoolExecutor
    ) -> Callable[[float, np.ndarray], None]:
        def coarse(latents: np.ndarray) -> Mesh:
            decoder = self._decoder(latents)
            grid = decode_grid(decoder, previews.resolution, pool, lambda step, total: None)
            return extract_surface(grid, BOUND)

        return lambda time, guess: previews.offer(time, lambda: coarse(guess))


def _reaching(grid: np.ndarray, reach: float) -> Mesh:
    """The surface of a grid that begins where the box does and is `reach` times as long."""
    vertices, faces = extract_surface(grid, BOUND)
    return (vertices + np.float32(BOUND)) * np.float32(reach) - np.float32(BOUND), faces


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
