# SPDX-License-Identifier: Apache-2.0
"""The denoising loop: from noise to latents along the velocity that a network predicts."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InvalidSettingError

_BUSY_GPU = 1024  # tokens a row; between the bundled model's and the smallest published one's


def retrieve_timesteps(
    scheduler: Any,
    num_inference_steps: int | None = None,
    device: torch.device | str | None = None,
    timesteps: Sequence[float] | None = None,
    sigmas: Sequence[float] | np.ndarray | None = None,
    **others: Any,
) -> tuple[Tensor, int]:
    """Set the schedule; its timesteps and their number.

    `others` go to the scheduler's `set_timesteps`. Schedulers here take no `timesteps`.
    """
    if timesteps is not None:
        raise InvalidSettingError(
            f"{type(scheduler).__name__} takes no timesteps; give sigmas, which are timesteps "
            f"divided by {scheduler.config.num_train_timesteps}."
        )
    scheduler.set_timesteps(num_inference_steps, device=device, sigmas=sigmas, **others)
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


def merge_equal_tokens(tokens: Tensor) -> tuple[Tensor, int]:
    """`(B, N, X)` whose tokens are all equal in every row -> `(B, 1, X)` and N; else itself and 1.

    The empty condition of the published models is such a case: all zeros.
    """
    if tokens.shape[1] > 1 and torch.equal(tokens, tokens[:, :1].expand_as(tokens)):
        return tokens[:, :1], tokens.shape[1]
    return tokens, 1


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
    merge_tokens: bool | None = None,
    watchers: Sequence[Any] = (),
    dual_guidance_scale: float | None = None,
    ask_times: Callable[..., Any] | None = None,
) -> Tensor:
    """Latents `(B, L, C)` at time 1, in steps of a scheduler whose timesteps are set.

    Steps of no length need no call of the network and leave the latents as they are: the usual
    schedule ends with one, because its last time is 1 already. What depends on the times alone is
    computed once, before the first step.

    Parameters
    ----------
    condition : B rows, or with `mix_guidance` B conditional and B unconditional ones
    guidance_scale : weight of the condition (classifier-free guidance, Ho & Salimans 2022); given
        to the network instead if that takes it
    callback : `callback(step, timestep, scheduler_output)` every `callback_steps` steps
    progress : `progress(steps_done, steps)` before the first step and after every one, not counting
        steps of no length
    merge_tokens : whether the equal tokens of unconditional rows are one, which makes these rows a
        condition of their own; the result is the same. None decides by what is faster.
    dual_guidance_scale : weight of the additional condition; `condition` then has B rows of both,
        B of the additional one alone and B of none
    ask_times : takes the place of the network's `time_values`
    watchers : see `step_saving`; each is asked after every step, and may say what the next one is
    """
    rows = len(latents)
    lengths = _step_lengths(scheduler)
    steps = [index for index, length in enumerate(lengths) if length != 0]
    scheduler.set_begin_index(0)
    # In half precision times are rounded as in the original. In bfloat16 0.6 would become 0.602,
    # which the embedding's factor of 1000 makes two radians.
    precise = torch.float32 if latents.dtype == torch.bfloat16 else latents.dtype
    times = torch.stack([scheduler.timesteps[index] for index in steps])
    times = times.to(latents.device, precise)
    times = times / scheduler.config.num_train_timesteps
    guidance = None
    if model.guidance_embed:
        guidance = times.new_full((len(steps),), guidance_scale)
    time_values = (ask_times or model.time_values)(times, guidance, latents.dtype)
    calls = [(condition, 1)]
    if mix_guidance and dual_guidance_scale is None:
        together = getattr(model, "takes_empty", None)
        calls = _guided_calls(condition, rows, latents, merge_tokens, together)

    if progress is not None:
        progress(0, len(steps))
    known: list[tuple[int, Tensor]] = []  # the last two velocities that were computed
    reuse = False
    done = 0
    for index, timestep in enumerate(scheduler.timesteps):
        if lengths[index] == 0:
            outputs = scheduler.step(torch.zeros_like(latents), timestep, latents)
            if callback is not None and index % callback_steps == 0:
                callback(index, timestep, outputs)
            continue
        if reuse and len(known) == 2:
            velocity = _continued(known, times, done)
        else:
            velocities = []
            for contexts, repeats in calls:
                copies = len(contexts["main"]) // rows
                velocities.append(
                    model(
                        torch.cat([latents] * copies) if copies > 1 else latents,
                        times[done].expand(copies * rows),
                        contexts,
                        time_values=time_values.at(done),
                        condition_repeats=repeats,
                    )
                )
            velocity = torch.cat(velocities) if len(velocities) > 1 else velocities[0]
            if mix_guidance:
                velocity = _mixed(velocity, guidance_scale, dual_guidance_scale)
            known = [*known[-1:], (done, velocity)]
        clean = functools.partial(_straight_on, latents, velocity, times[done])
        outputs = scheduler.step(velocity, timestep, latents)
        latents = outputs.prev_sample
        done += 1
        if callback is not None and index % callback_steps == 0:
            callback(index, timestep, outputs)
        if progress is not None:
            progress(done, len(steps))
        answers = [watcher.after(done, len(steps), clean) for watcher in watchers]
        if "stop" in answers:
            latents = clean()
            if progress is not None:
                progress(len(steps), len(steps))
            break
        reuse = "reuse" in answers
    return latents


def _step_lengths(scheduler: Any) -> list[float]:
    """How far each step goes; a scheduler of another maker does not say, so no step is left out."""
    if hasattr(scheduler, "step_lengths"):
        return scheduler.step_lengths()
    return [1.0] * len(scheduler.timesteps)


def _mixed(velocity: Tensor, scale: float, dual_scale: float | None) -> Tensor:
    """One velocity of those with and without the condition."""
    if dual_scale is None:
        conditional, unconditional = velocity.chunk(2)
        return unconditional + scale * (conditional - unconditional)
    both, additional, none = velocity.chunk(3)
    return none + scale * (both - additional) + dual_scale * (additional - none)


def _straight_on(latents: Tensor, velocity: Tensor, time: Tensor) -> Tensor:
    """Where a velocity leads at time 1."""
    return (latents.float() + (1 - time.float()) * velocity).to(velocity.dtype)


def _continued(known: Sequence[tuple[int, Tensor]], times: Tensor, step: int) -> Tensor:
    """The velocity at a step on the line through two known ones."""
    (first, before), (second, last) = known
    share = (times[step] - times[second]).float() / (times[second] - times[first]).float()
    return (last + share * (last.float() - before.float())).to(last.dtype)


def _guided_calls(
    condition: Mapping[str, Tensor],
    rows: int,
    latents: Tensor,
    merge: bool | None,
    together: bool | None,
) -> list[tuple[Mapping[str, Tensor], int]]:
    """The network calls of a step with guidance: contexts, and what one of their tokens counts.

    `together` says whether one call can take both conditions; False, that each is wanted apart.
    """
    tokens = condition["main"]
    if merge is None:
        # Below this a GPU is kept waiting for its next call rather than for arithmetic.
        busy = latents.shape[1] + tokens.shape[1] >= _BUSY_GPU
        merge = together is False or latents.device.type == "cpu" or busy
    if merge and set(condition) == {"main"}:
        merged, repeats = merge_equal_tokens(tokens[rows:])
        if repeats > 1 and together:
            return [({"main": tokens[:rows], "empty": merged}, repeats)]
        if repeats > 1:
            return [({"main": tokens[:rows]}, 1), ({"main": merged}, repeats)]
    return [(condition, 1)]
