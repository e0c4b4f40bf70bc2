# SPDX-License-Identifier: Apache-2.0
"""Samplers of the painting and delighting networks: ancestral Euler steps, and consistency steps.

A network's output is the noise ("epsilon") or the velocity ("v_prediction"). Random numbers are
drawn in the device and dtype of the network's output from the generator that is given, so a seed
gives what diffusers' classes of the same names give.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import CheckpointMismatchError, InvalidSettingError

_TINY = 2.0**-24  # signal left at the last time, where none would make its sigma infinite
_SIGMA_DATA, _TIMESTEP_SCALING = 0.5, 10.0
# Consistency steps of the turbo model: every third of 30 times, from the last.
TURBO_TIMESTEPS = tuple(33 * k - 1 for k in range(30, 0, -3))


@dataclass(frozen=True)
class NoiseSettings:
    """The part of a `scheduler_config.json` that is used here."""

    num_train_timesteps: int = 1000
    beta_start: float = 0.0001
    beta_end: float = 0.02
    beta_schedule: str = "linear"
    prediction_type: str = "epsilon"
    timestep_spacing: str = "linspace"
    steps_offset: int = 0
    rescale_betas_zero_snr: bool = False
    clip_sample: bool = False
    clip_sample_range: float = 1.0

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **changes: Any) -> "NoiseSettings":
        """Those keys of a config that are known here; `changes` come first."""
        if config.get("trained_betas") is not None or config.get("thresholding"):
            raise CheckpointMismatchError(
                "the scheduler's config has trained_betas or thresholding, which are not known "
                "here; is it the config of a texture model?"
            )
        names = cls.__dataclass_fields__
        return cls(**{k: v for k, v in {**config, **changes}.items() if k in names})

    def betas(self) -> Tensor:
        """(T,) float32, how much noise each time adds."""
        start, end, count = self.beta_start, self.beta_end, self.num_train_timesteps
        if self.beta_schedule == "linear":
            betas = torch.linspace(start, end, count, dtype=torch.float32)
        elif self.beta_schedule == "scaled_linear":
            betas = torch.linspace(start**0.5, end**0.5, count, dtype=torch.float32) ** 2
        else:
            raise CheckpointMismatchError(
                f"the scheduler's config has beta_schedule {self.beta_schedule!r}; only linear and "
                "scaled_linear are known here"
            )
        return _without_signal_at_the_end(betas) if self.rescale_betas_zero_snr else betas

    def times(self, steps: int) -> np.ndarray:
        """(steps,) float32 times, latest first."""
        if steps < 1:
            raise InvalidSettingError(f"{steps} steps were asked for; ask for 1 or more")
        count = self.num_train_timesteps
        if self.timestep_spacing == "linspace":
            return np.linspace(0, count - 1, steps, dtype=np.float32)[::-1].copy()
        if self.timestep_spacing == "leading":
            times = (np.arange(steps) * (count // steps)).round()[::-1]
            return times.astype(np.float32) + self.steps_offset
        if self.timestep_spacing == "trailing":
            return np.arange(count, 0, -count / steps).round().astype(np.float32) - 1
        raise CheckpointMismatchError(
            f"the scheduler's config has timestep_spacing {self.timestep_spacing!r}; only "
            "linspace, leading and trailing are known here"
        )


def _without_signal_at_the_end(betas: Tensor) -> Tensor:
    """Source: Lin et al. 2023, "Common Diffusion Noise Schedules…", algorithm 1."""
    root = torch.cumprod(1 - betas, dim=0).sqrt()
    root = (root - root[-1]) * (root[0] / (root[0] - root[-1]))
    products = root**2
    alphas = torch.cat([products[:1], products[1:] / products[:-1]])
    return 1 - alphas


class EulerAncestral:
    """Each step goes a little too far down and adds noise again."""

    def __init__(self, settings: NoiseSettings) -> None:
        self.settings = settings
        self.alphas_cumprod = torch.cumprod(1 - settings.betas(), dim=0)
        if settings.rescale_betas_zero_snr:
            self.alphas_cumprod[-1] = _TINY
        _check_prediction(settings.prediction_type)

    def set_timesteps(self, steps: int) -> None:
        times = self.settings.times(steps)
        of_times = ((1 - self.alphas_cumprod) / self.alphas_cumprod) ** 0.5
        sigmas = np.interp(times, np.arange(len(of_times)), of_times.numpy())
        self.timesteps = torch.from_numpy(times)
        self.sigmas = torch.from_numpy(np.append(sigmas, 0.0).astype(np.float32))
        largest = float(self.sigmas.max())
        leading = self.settings.timestep_spacing == "leading"
        self.init_noise_sigma = (largest**2 + 1) ** 0.5 if leading else largest

    def scale_model_input(self, sample: Tensor, index: int) -> Tensor:
        return sample / (float(self.sigmas[index]) ** 2 + 1) ** 0.5

    def step(
        self, output: Tensor, index: int, sample: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """The sample of the next time, in the dtype of the network's output."""
        sigma, to = float(self.sigmas[index]), float(self.sigmas[index + 1])
        sample = sample.float()
        if self.settings.prediction_type == "epsilon":
            clean = sample - sigma * output
        else:
            clean = output * (-sigma / (sigma**2 + 1) ** 0.5) + sample / (sigma**2 + 1)
        up = (to**2 * (sigma**2 - to**2) / sigma**2) ** 0.5
        down = (to**2 - up**2) ** 0.5
        moved = sample + (sample - clean) / sigma * (down - sigma)
        return (moved + _noise_like(output, generator) * up).to(output.dtype)


class Consistency:
    """Each step goes all the way to the picture, and back to the next time with new noise.

    Source: Luo et al. 2023, "Latent Consistency Models".
    """

    def __init__(self, settings: NoiseSettings) -> None:
        self.settings = settings
        self.alphas_cumprod = torch.cumprod(1 - settings.betas(), dim=0)
        self.init_noise_sigma = 1.0
        _check_prediction(settings.prediction_type)

    def set_timesteps(self, timesteps: Sequence[int]) -> None:
        self.timesteps = torch.tensor(list(timesteps))

    def scale_model_input(self, sample: Tensor, index: int) -> Tensor:
        return sample

    def step(
        self, output: Tensor, index: int, sample: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        time = int(self.timesteps[index])
        last = index == len(self.timesteps) - 1
        signal, noise = self._shares(time)
        scaled = time * _TIMESTEP_SCALING
        keep = _SIGMA_DATA**2 / (scaled**2 + _SIGMA_DATA**2)
        take = scaled / (scaled**2 + _SIGMA_DATA**2) ** 0.5
        if self.settings.prediction_type == "epsilon":
            clean = (sample - noise * output) / signal
        else:
            clean = signal * sample - noise * output
        if self.settings.clip_sample:
            clean = clean.clamp(-self.settings.clip_sample_range, self.settings.clip_sample_range)
        denoised = take * clean + keep * sample
        if last:
            return denoised
        signal, noise = self._shares(int(self.timesteps[index + 1]))
        return signal * denoised + noise * _noise_like(output, generator)

    def _shares(self, time: int) -> tuple[float, float]:
        product = self.alphas_cumprod[time]
        return float(product.sqrt()), float((1 - product).sqrt())


def _check_prediction(kind: str) -> None:
    if kind not in ("epsilon", "v_prediction"):
        raise CheckpointMismatchError(
            f"the scheduler's config has prediction_type {kind!r}; only epsilon and v_prediction "
            "are known here"
        )


def _noise_like(output: Tensor, generator: torch.Generator | None) -> Tensor:
    """Drawn where the generator is, so that a seed on the processor gives the same on a GPU."""
    device = output.device if generator is None else generator.device
    noise = torch.randn(output.shape, generator=generator, device=device, dtype=output.dtype)
    return noise.to(output.device)
