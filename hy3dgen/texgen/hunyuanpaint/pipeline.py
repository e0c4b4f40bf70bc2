# SPDX-License-Identifier: Apache-2.0
"""Paints several views of an object at once, from reference pictures, normals and positions.

The sampling loop; networks and schedules are in other files.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InvalidImageError
from ...gpu.graphs import GraphedNetwork
from ..noise_schedules import (
    TURBO_TIMESTEPS,
    Consistency,
    EulerAncestral,
    NoiseSettings,
)
from .autoencoder import Autoencoder
from .components import load_autoencoder, load_paint_unet
from .paint_unet import PaintUNet
from .settings import read_json

Progress = Callable[[str, int, int], object]
SIZE = 512  # pixels a side that the network paints
STEPS = 30
GUIDANCE = 2.0


class HunyuanPaintPipeline:
    """Pictures of N views of one object.

    Parameters
    ----------
    scheduler : `EulerAncestral` for the base model, `Consistency` for the turbo one, which has its
        own steps and no guidance
    size : pixels a side
    views_at_once : pictures that go through the autoencoder together; fewer need less memory

    Attributes
    ----------
    calls_at_once : of the two calls that guidance needs; 1 needs less memory
    use_graphs : record a step on a CUDA device once and replay it
    """

    def __init__(
        self,
        unet: PaintUNet,
        vae: Autoencoder,
        scheduler: EulerAncestral | Consistency,
        size: int = SIZE,
        views_at_once: int = 3,
    ) -> None:
        self.unet = unet
        self.vae = vae
        self.scheduler = scheduler
        self.size = size
        self.views_at_once = views_at_once
        self.calls_at_once = 2
        self.use_graphs = True
        self._graphed = GraphedNetwork(_FirstOf(unet))
        self.on_use: Callable[[Any], None] = lambda network: None

    @property
    def networks(self) -> list[nn.Module]:
        """What is used one at a time."""
        return [self.unet.unet_dual, self.unet.unet, self.vae]

    def save_memory(self) -> None:
        """Less at once, and no recordings; the numbers stay."""
        self.views_at_once = self.calls_at_once = 1
        self.use_graphs = False
        self._graphed.forget()

    @classmethod
    def from_folder(
        cls, folder: Path, turbo: bool, device: torch.device, dtype: torch.dtype
    ) -> "HunyuanPaintPipeline":
        """From a checkpoint folder with `unet`, `vae` and `scheduler`; nothing else is read."""
        config = read_json(folder / "scheduler" / "scheduler_config.json")
        settings = NoiseSettings.from_config(config, timestep_spacing="trailing")
        return cls(
            load_paint_unet(folder / "unet", device, dtype),
            load_autoencoder(folder / "vae", device, dtype),
            Consistency(settings) if turbo else EulerAncestral(settings),
        )

    @torch.inference_mode()
    def __call__(
        self,
        input_images: Sequence[Any],
        control_images: Sequence[Any],
        camera_info: Sequence[int],
        num_inference_steps: int = STEPS,
        guidance_scale: float = GUIDANCE,
        seed: int = 0,
        progress: Progress | None = None,
        preview: Callable[[Any], None] | None = None,
        callback: Callable[[int, Tensor], None] | None = None,
    ) -> list[Any]:
        """PIL images of the views, `size` pixels a side.

        Parameters
        ----------
        input_images : reference pictures, PIL
        control_images : normals of all views, then positions of all views, PIL
        camera_info : number of each view's camera
        num_inference_steps : of the base model; the turbo model has its own
        guidance_scale : of the base model; up to 1 switches guidance off
        progress : `progress("paint views", step, total)`, may raise
        preview : called with each view as soon as it is decoded
        callback : called with each step's number and latents (N, 4, h, w)
        """
        from PIL import Image

        count = len(camera_info)
        if len(control_images) != 2 * count or not input_images:
            raise InvalidImageError(
                f"{len(input_images)} references and {len(control_images)} control images were "
                f"given for {count} views; give at least one reference, and normals and positions "
                "of every view"
            )
        images = [self._pixels(image, 127) for image in input_images]
        controls = [self._pixels(image, 255) for image in control_images]
        latents = self.paint(
            np.stack(images),
            np.stack(controls[:count]),
            np.stack(controls[count:]),
            camera_info,
            num_inference_steps,
            guidance_scale,
            seed,
            progress,
            callback,
        )
        pictures = []
        for decoded in self.decode(latents):
            pictures.append(Image.fromarray(decoded))
            if preview is not None:
                preview(pictures[-1])
        return pictures

    def paint(
        self,
        references: np.ndarray,
        normals: np.ndarray,
        positions: np.ndarray,
        cameras: Sequence[int],
        steps: int = STEPS,
        guidance: float = GUIDANCE,
        seed: int = 0,
        progress: Progress | None = None,
        callback: Callable[[int, Tensor], None] | None = None,
    ) -> Tensor:
        """Latents of the N views, `(N, 4, h, w)`; pictures are (…, S, S, 3) uint8."""
        dtype = self.unet.dtype
        turbo = isinstance(self.scheduler, Consistency)
        report = progress or (lambda stage, step, total: None)
        if isinstance(self.scheduler, Consistency):
            self.scheduler.set_timesteps(TURBO_TIMESTEPS)
        else:
            self.scheduler.set_timesteps(steps)
        times = self.scheduler.timesteps.tolist()
        report("paint views", 0, len(times))
        self.on_use(self.vae)
        device = self.vae.device
        # Pinned: the order of the draws. The first latents come from a generator of their own; the
        # noise of the steps goes on where the draws from the autoencoder ended.
        drawn = torch.Generator(device).manual_seed(seed)
        ref_latents = self.encode(references, drawn)
        normal_latents = self.encode(normals, drawn, torch.float16)
        position_latents = self.encode(positions, drawn, torch.float16)
        first = torch.Generator(device).manual_seed(seed)
        latents = torch.randn(normal_latents.shape[1:], generator=first, device=device, dtype=dtype)
        latents = latents * self.scheduler.init_noise_sigma

        # The references do not change, so they are looked at once.
        self.on_use(self.unet.unet_dual)
        features = self.unet.look_at_references(ref_latents)
        self.on_use(self.unet.unet)
        text = self.unet.unet.learned_text_clip_gen.to(device, dtype)
        guided = not turbo and guidance > 1
        # With guidance there are two calls; the first has neither text nor references.
        scales = [0.0, 1.0] if guided else [1.0]
        maps = {"normal_imgs": normal_latents, "position_imgs": position_latents}
        parts = [
            self._fixed(text, scales[i : i + self.calls_at_once], features, maps, cameras)
            for i in range(0, len(scales), self.calls_at_once)
        ]
        graphed = self.use_graphs and device.type == "cuda"
        step = self._graphed if graphed else self._graphed.network
        on_device = torch.tensor(times, dtype=torch.float32, device=device)
        for i in range(len(times)):
            seen = self.scheduler.scale_model_input(latents, i)[None]
            output = torch.cat([step(seen, on_device[i], **part) for part in parts])
            if guided:
                without, with_all = output.chunk(2)
                output = without + guidance * (with_all - without)
            latents = self.scheduler.step(output, i, latents, drawn)
            report("paint views", i + 1, len(times))
            if callback is not None:
                callback(i, latents)
        return latents

    def _fixed(
        self,
        text: Tensor,
        scales: list[float],
        features: dict[str, Tensor],
        maps: dict[str, Tensor],
        cameras: Sequence[int],
    ) -> dict[str, Any]:
        """Arguments of the network that stay the same at all steps, for some of the calls.

        They differ only in who has the text and sees the references: those with a scale of 1.
        """
        silent = sum(scale == 0 for scale in scales)
        text = text[: len(scales) - silent]
        return {
            "encoder_hidden_states": text,
            **maps,
            "camera_info_gen": torch.tensor([list(cameras)], device=text.device),
            "ref_scale": scales,
            "condition_embed_dict": {},  # all of it is in `kept`
            "kept": self.unet.contexts(text, features, scales, silent),
            "silent": silent,
        }

    def encode(
        self,
        pictures: np.ndarray,
        generator: torch.Generator,
        through: torch.dtype = torch.float32,
    ) -> Tensor:
        """`(1, N, 4, h, w)` drawn latents of (N, H, W, 3) uint8, rounded to `through` before."""
        values = torch.from_numpy(np.ascontiguousarray(pictures)).to(self.vae.device)
        values = values.permute(0, 3, 1, 2).contiguous().float()
        # By a tensor: CUDA would multiply by the inverse of a number, which rounds otherwise.
        values = values / torch.full((1,), 255.0, device=values.device)
        values = ((values.to(through) - 0.5) * 2.0).to(self.vae.dtype)
        parts = [self.vae.encode(part) for part in values.split(self.views_at_once)]
        posterior = type(parts[0])(*(torch.cat(one) for one in zip(*parts, strict=True)))
        return posterior.sample(generator)[None] * self.vae.settings.scaling_factor

    def decode(self, latents: Tensor):
        """Yields each view, (H, W, 3) uint8."""
        self.on_use(self.vae)
        for part in (latents / self.vae.settings.scaling_factor).split(self.views_at_once):
            images = (self.vae.decode(part) / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).float()
            yield from (images * 255).round().to(torch.uint8).cpu().numpy()

    def _pixels(self, image: Any, grey: int) -> np.ndarray:
        """(S, S, 3) uint8 of a PIL image, over grey where it is transparent."""
        from PIL import Image

        image = image.resize((self.size, self.size), Image.Resampling.BICUBIC)
        if image.mode == "RGBA":
            background = Image.new("RGB", image.size, (grey,) * 3)
            background.paste(image, mask=image.getchannel("A"))
            image = background
        return np.asarray(image.convert("RGB"))


class _FirstOf(nn.Module):
    """The network's result without the tuple around it."""

    def __init__(self, unet: PaintUNet) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, *arguments: Any, **options: Any) -> Tensor:
        return self.unet(*arguments, **options)[0]
