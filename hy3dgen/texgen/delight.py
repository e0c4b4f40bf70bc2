# SPDX-License-Identifier: Apache-2.0
"""Takes light and shadow out of a picture, so that a texture can be lit anew."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..gpu.graphs import GraphedNetwork
from .hunyuanpaint.autoencoder import Autoencoder
from .hunyuanpaint.block_layers import KeysAndValues
from .hunyuanpaint.components import embed_nothing, load_autoencoder, load_unet
from .hunyuanpaint.settings import read_json
from .hunyuanpaint.transformer import Views
from .hunyuanpaint.unet import UNet
from .noise_schedules import EulerAncestral, NoiseSettings
from .reference_image import finish_delight, prepare_for_delight

Progress = Callable[[str, int, int], object]
STEPS = 50
SEED = 42


class LightShadowRemover:
    """An InstructPix2Pix network without an instruction, and the colours around it matched.

    Its text guidance is off, and with it all guidance, so that each step is one pass of the UNet.
    All noise is drawn on the processor: a picture gives the same on every GPU.

    Parameters
    ----------
    nothing : (1, T, D) embedding of the empty text
    """

    def __init__(
        self, unet: UNet, vae: Autoencoder, scheduler: EulerAncestral, nothing: Tensor
    ) -> None:
        self.unet, self.vae, self.scheduler, self.nothing = unet, vae, scheduler, nothing
        self.steps = STEPS
        self.use_graphs = True  # record a step on a CUDA device once and replay it
        self.keeps_text = True  # make the text's keys and values once for all steps
        self._graphed = GraphedNetwork(_WithKeptText(unet))
        self.on_use: Callable[[Any], None] = lambda network: None

    @property
    def networks(self) -> list[nn.Module]:
        """What is used one at a time."""
        return [self.unet, self.vae]

    def save_memory(self) -> None:
        """No recordings."""
        self.use_graphs = False
        self._graphed.forget()

    @classmethod
    def from_folder(
        cls, folder: Path, device: torch.device, dtype: torch.dtype
    ) -> "LightShadowRemover":
        config = read_json(folder / "scheduler" / "scheduler_config.json")
        return cls(
            load_unet(folder / "unet", device, dtype),
            load_autoencoder(folder / "vae", device, dtype),
            EulerAncestral(NoiseSettings.from_config(config)),
            embed_nothing(folder, device, dtype),
        )

    def __call__(
        self,
        image: Any,
        num_inference_steps: int | None = None,
        seed: int = SEED,
        progress: Progress | None = None,
    ) -> Any:
        """An RGB PIL image of 512 x 512, over white, of a PIL image in RGB or RGBA.

        Without `num_inference_steps` there are as many as the attribute `steps` says.
        """
        from PIL import Image

        prepared, target, alpha = prepare_for_delight(image)
        result = self.denoise(
            np.asarray(prepared), num_inference_steps or self.steps, seed, progress
        )
        picture = Image.fromarray((result * 255).round().astype(np.uint8))
        return finish_delight(picture, target, alpha)

    @torch.inference_mode()
    def denoise(
        self, picture: np.ndarray, steps: int, seed: int, progress: Progress | None = None
    ) -> np.ndarray:
        """(H, W, 3) uint8 -> float32 in [0, 1]."""
        report = progress or (lambda stage, step, total: None)
        report("delight", 0, steps)
        self.on_use(self.vae)
        device, dtype = self.vae.device, self.vae.dtype
        noise = torch.Generator().manual_seed(seed)
        values = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255.0
        seen = self.vae.encode((values * 2 - 1).to(device, dtype)).mean
        self.scheduler.set_timesteps(steps)
        latents = torch.randn(seen.shape, generator=noise, dtype=dtype).to(device)
        latents = latents * self.scheduler.init_noise_sigma
        self.on_use(self.unet)
        text = self.nothing.to(device, dtype)
        graphed = self.use_graphs and device.type == "cuda"
        step = self._graphed if graphed else self._graphed.network
        kept = self.unet.keep_text(text) if self.keeps_text else None
        for i, time in enumerate(self.scheduler.timesteps.float().to(device)):
            scaled = self.scheduler.scale_model_input(latents, i)
            output = step(torch.cat([scaled, seen], dim=1), time, text, kept)
            latents = self.scheduler.step(output, i, latents, noise)
            report("delight", i + 1, steps)
        self.on_use(self.vae)
        decoded = self.vae.decode(latents / self.vae.settings.scaling_factor)
        return (decoded / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0).float().cpu().numpy()


class _WithKeptText(nn.Module):
    """The network, with keys and values of the text by layer, or None, as an argument."""

    def __init__(self, unet: UNet) -> None:
        super().__init__()
        self.unet = unet

    def forward(
        self, sample: Tensor, time: Tensor, text: Tensor, kept: dict[str, KeysAndValues] | None
    ) -> Tensor:
        return self.unet(sample, time, text, views=Views(1, kept=kept))
