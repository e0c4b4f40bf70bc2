# SPDX-License-Identifier: Apache-2.0
"""The denoising loop: from noise to latents along the velocity that a network predicts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InvalidSettingError


def retrieve_timesteps(
    scheduler: Any,
    num_inference_steps: int | None = None,
    device: torch.device | str | None = None,
    sigmas: Sequence[float] | np.ndarray | None = None,
) -> tuple[Tensor, int]:
    """Set the schedule; its timesteps and their number."""
    scheduler.set_timesteps(num_inference_steps, device=device, sigmas=sigmas)
    return scheduler.timesteps, len(scheduler.timesteps)


def draw_noise(
    shape: tuple[int, ...],
    generator: torch.Generator | Sequence[torch.Generator] | None,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """Normal noise `(B, L, C)` on `device`, drawn in `dtype` where the generator lives.

    A sequence of generators draws one row each, so a row's noise does not depend on the others.
    """
    if generator is None or isinstance(generator, torch.Generator):
        where = device if generator is None else generator.device
        return torch.randn(shape, generator=generator, device=where, dtype=dtype).to(device)
    if len(generator) != shape[0]:
        raise InvalidSettingError(
            f"{len(generator)} generators were given for {shape[0]} pictures; give one, or one a "
            "picture."
        )
    rows = [draw_noise((1, *shape[1:]), item, device, dtype) for item in generator]
    return torch.cat(rows)


def denoise(
    model: nn.Module,
    scheduler: Any,
    latents: Tensor,
    condition: Mapping[str, Tensor],
    guidance_scale: float,
    mix_guidance: bool,
    callback: Callable[[int, Tensor, Any], None] | None = None,
    callback_steps: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Latents `(B, L, C)` at time 1, in steps of a scheduler whose timesteps are set.

    Steps of no length are left out, network call and callback included: the usual schedule ends
    with one, because its last time is 1 already.

    Parameters
    ----------
    condition : B rows, or with `mix_guidance` B conditional and B unconditional ones
    guidance_scale : weight of the condition (classifier-free guidance, Ho & Salimans 2022); given
        to the network instead if that takes it
    callback : `callback(step, timestep, scheduler_output)` every `callback_steps` steps
    progress : `progress(steps_done, steps)` before the first step and after every one
    """
    rows = len(latents)
    guidance = None
    if model.guidance_embed:
        guidance = latents.new_full((rows,), guidance_scale)
    lengths = scheduler.step_lengths()
    steps = [index for index, length in enumerate(lengths) if length != 0]
    if progress is not None:
        progress(0, len(steps))
    for done, index in enumerate(steps):
        timestep = scheduler.timesteps[index]
        time = timestep.to(latents.dtype) / scheduler.config.num_train_timesteps
        if mix_guidance:
            both = torch.cat([latents, latents])
            velocity = model(both, time.expand(2 * rows), condition, guidance=guidance)
            conditional, unconditional = velocity.chunk(2)
            velocity = unconditional + guidance_scale * (conditional - unconditional)
        else:
            velocity = model(latents, time.expand(rows), condition, guidance=guidance)
        outputs = scheduler.step(velocity, timestep, latents)
        latents = outputs.prev_sample
        if callback is not None and index % callback_steps == 0:
            callback(index, timestep, outputs)
        if progress is not None:
            progress(done + 1, len(steps))
    return latents
