# SPDX-License-Identifier: Apache-2.0
"""A bare sampling loop for scores during training; evaluation goes through the real pipeline."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .metrics import field_iou
from .programs.batch import ProgramBatch


@torch.inference_mode()
def sample_latents(
    denoiser: nn.Module,
    condition: Tensor,
    noise: Tensor,
    steps: int = 20,
    guidance_scale: float = 2.0,
) -> Tensor:
    """Denoised latents `(B, K, E)` by Euler steps with classifier-free guidance."""
    x = noise
    both = torch.cat([condition, torch.zeros_like(condition)])
    for i in range(steps):
        t = torch.full((2 * len(x),), i / steps, device=x.device)
        conditional, unconditional = denoiser(torch.cat([x, x]), t, {"main": both}).chunk(2)
        velocity = unconditional + guidance_scale * (conditional - unconditional)
        x = x + velocity.float() / steps
    return x


@torch.inference_mode()
def image_to_shape_iou(
    denoiser: nn.Module,
    conditioner: nn.Module,
    vae: nn.Module,
    scale_factor: float,
    pictures: Tensor,
    programs: ProgramBatch,
    *,
    steps: int = 20,
    guidance_scale: float = 2.0,
    resolution: int = 64,
) -> Tensor:
    """(B,) IoU of the shapes generated from `pictures (B, 3, 112, 112) uint8`."""
    scores = []
    generator = torch.Generator(pictures.device).manual_seed(0)
    for i in range(0, len(pictures), 32):
        condition = conditioner(image=pictures[i : i + 32].float() / 127.5 - 1.0)["main"]
        noise = torch.randn(
            len(condition), *vae.latent_shape, generator=generator, device=pictures.device
        )
        latents = sample_latents(denoiser, condition, noise, steps, guidance_scale)
        tokens = vae.decode(latents / scale_factor)
        scores.append(field_iou(vae, tokens, programs[slice(i, i + 32)], resolution))
    return torch.cat(scores).cpu()
