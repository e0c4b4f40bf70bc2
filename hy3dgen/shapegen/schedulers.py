# SPDX-License-Identifier: Apache-2.0
"""Schedulers: which times a flow is followed at, and the Euler step between two of them.

Time runs from 0, noise, to 1, data; a network's output is the velocity and is added. The classes
keep the names and methods of their namesakes in diffusers, whose time runs the other way.
"""

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..errors import InvalidSettingError

_Self = TypeVar("_Self", bound="_EulerScheduler")


@dataclass
class FlowMatchEulerDiscreteSchedulerOutput:
    prev_sample: Tensor


@dataclass
class ConsistencyFlowMatchEulerDiscreteSchedulerOutput:
    prev_sample: Tensor
    pred_original_sample: Tensor


class _Config(dict[str, Any]):
    """Arguments of a scheduler, as items and as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the scheduler's config has no {name!r}") from None


class _EulerScheduler:
    """What both schedulers share: the position in the schedule."""

    order = 1
    timesteps: Tensor
    _times: Tensor  # in [0, 1], one more than there are timesteps
    _host_times: Tensor  # the same in main memory, as to ask a device is to wait for it

    def __init__(self, **config: Any) -> None:
        self.config = _Config(config)
        self._reset()

    @classmethod
    def from_config(cls: type[_Self], config: Mapping[str, Any], **changes: Any) -> _Self:
        """A scheduler of the settings in `config` that it knows, with changes."""
        known = inspect.signature(cls).parameters
        return cls(**{name: v for name, v in {**config, **changes}.items() if name in known})

    def __len__(self) -> int:
        return self.config.num_train_timesteps

    @property
    def step_index(self) -> int | None:
        """Position of the next step; None before the first one."""
        return self._step_index

    @property
    def begin_index(self) -> int | None:
        return self._begin_index

    def times(self) -> list[float]:
        """Where steps of the current schedule begin, and where the last one ends."""
        return self._host_times.tolist()

    def step_lengths(self) -> list[float]:
        """How far each step of the current schedule goes; 0 for one that changes nothing."""
        return self._host_times.diff().tolist()

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Start at this position whatever timestep the first `step` names."""
        self._begin_index = begin_index

    def index_for_timestep(self, timestep: Tensor | float, table: Tensor | None = None) -> int:
        """Position of a timestep; the second one if it occurs several times."""
        table = self.timesteps if table is None else table
        found = (table == timestep).nonzero().flatten().tolist()
        if not found:
            raise InvalidSettingError(
                f"timestep {float(timestep):g} is not in the schedule; pass one of "
                "scheduler.timesteps."
            )
        return found[1] if len(found) > 1 else found[0]

    def _reset(self) -> None:
        self._step_index: int | None = None
        self._begin_index: int | None = None

    def _locate(self, timestep: Tensor | float) -> int:
        if isinstance(timestep, int) or (
            isinstance(timestep, Tensor) and not timestep.is_floating_point()
        ):
            raise InvalidSettingError(
                f"step got the integer timestep {timestep}, which looks like a position; pass one "
                "of scheduler.timesteps."
            )
        if self._step_index is None:
            if self._begin_index is not None:
                self._step_index = self._begin_index
            else:
                self._step_index = self.index_for_timestep(timestep)
        return self._step_index


class FlowMatchEulerDiscreteScheduler(_EulerScheduler):
    """Evenly spaced or given times, optionally shifted.

    Parameters
    ----------
    num_train_timesteps : timesteps are times multiplied by this
    shift : moves times towards 1 if larger than 1
    use_dynamic_shifting : shift by the `mu` of `set_timesteps` instead
    """

    def __init__(
        self,
        num_train_timesteps: int = 1000,
        shift: float = 1.0,
        use_dynamic_shifting: bool = False,
    ) -> None:
        super().__init__(
            num_train_timesteps=num_train_timesteps,
            shift=shift,
            use_dynamic_shifting=use_dynamic_shifting,
        )
        times = np.arange(1, num_train_timesteps + 1, dtype=np.float32) / num_train_timesteps
        sigmas = torch.from_numpy(times.astype(np.float32))
        if not use_dynamic_shifting:
            sigmas = shift * sigmas / (1 + (shift - 1) * sigmas)
        self.sigmas = sigmas
        self._times = self._host_times = torch.cat([sigmas, sigmas.new_ones(1)])
        self.timesteps = sigmas * num_train_timesteps
        self.sigma_min = sigmas[-1].item()  # the largest: names are those of reversed time
        self.sigma_max = sigmas[0].item()

    def time_shift(self, mu: float, sigma: float, t: Any) -> Any:
        return math.exp(mu) / (math.exp(mu) + (1 / t - 1) ** sigma)

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: torch.device | str | None = None,
        sigmas: Sequence[float] | np.ndarray | None = None,
        mu: float | None = None,
    ) -> None:
        """Choose the times of a run: those given, else evenly spaced ones.

        A non-trivial `shift` has already moved the ends that even spacing starts from and is
        applied again, as the published configs expect.
        """
        total = self.config.num_train_timesteps
        if sigmas is not None:
            times = np.asarray(sigmas, dtype=np.float64)
        elif num_inference_steps is not None:
            ends = self.sigma_max * total, self.sigma_min * total
            times = np.linspace(*ends, num_inference_steps) / total
        else:
            raise InvalidSettingError("give num_inference_steps or sigmas to set_timesteps.")
        if self.config.use_dynamic_shifting:
            if mu is None:
                raise InvalidSettingError("a schedule with dynamic shifting needs mu; pass it.")
            with np.errstate(divide="ignore"):  # time 0 stays 0
                times = self.time_shift(mu, 1.0, times)
        else:
            shift = self.config.shift
            times = shift * times / (1 + (shift - 1) * times)
        here = torch.from_numpy(np.asarray(times)).float()
        self._host_times = torch.cat([here, here.new_ones(1)])
        chosen = here.to(device)  # MPS has no float64
        self.timesteps = chosen * total
        self.sigmas = self._times = torch.cat([chosen, chosen.new_ones(1)])
        self._reset()

    def step(
        self,
        model_output: Tensor,
        timestep: Tensor | float,
        sample: Tensor,
        s_churn: float = 0.0,
        s_tmin: float = 0.0,
        s_tmax: float = math.inf,
        s_noise: float = 1.0,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
    ) -> FlowMatchEulerDiscreteSchedulerOutput | tuple[Tensor]:
        """Follow the velocity to the next time, in float32, back in the velocity's dtype.

        The noise arguments have no effect; they keep the published signature.
        """
        index = self._locate(timestep)
        length = self.sigmas[index + 1] - self.sigmas[index]
        moved = (sample.float() + length * model_output).to(model_output.dtype)
        self._step_index = index + 1
        return FlowMatchEulerDiscreteSchedulerOutput(moved) if return_dict else (moved,)

    def scale_noise(self, sample: Tensor, timestep: Tensor, noise: Tensor) -> Tensor:
        """Mix `sigma * noise + (1 - sigma) * sample`, one timestep per row."""
        table = self.timesteps.to(timestep.device)
        indices = [self.index_for_timestep(value, table) for value in timestep.reshape(-1)]
        sigma = self.sigmas.to(sample)[indices].reshape(-1, *[1] * (sample.ndim - 1))
        return sigma * noise + (1.0 - sigma) * sample


class ConsistencyFlowMatchEulerDiscreteScheduler(_EulerScheduler):
    """Times from the coarse grid that phased consistency distillation trained on.

    Parameters
    ----------
    num_train_timesteps : T, points of the fine grid
    pcm_timesteps : points of the coarse grid, every (T // pcm_timesteps)-th of the fine one
    """

    def __init__(self, num_train_timesteps: int = 1000, pcm_timesteps: int = 50) -> None:
        super().__init__(num_train_timesteps=num_train_timesteps, pcm_timesteps=pcm_timesteps)
        stride = num_train_timesteps // pcm_timesteps
        indices = np.concatenate([[0], np.arange(1, pcm_timesteps) * stride - 1])
        grid = np.linspace(0, 1, num_train_timesteps)
        self.euler_timesteps = indices
        self.sigmas = torch.from_numpy(grid[indices].astype(np.float32))
        self.timesteps = self.sigmas * num_train_timesteps
        self.sigmas_ = self._times = torch.cat([self.sigmas, self.sigmas.new_ones(1)])
        self._host_times = self._times

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: torch.device | str | None = None,
        sigmas: Sequence[float] | np.ndarray | None = None,
    ) -> None:
        """Choose evenly spread points of the coarse grid; of `sigmas` only the number counts."""
        if num_inference_steps is None:
            if sigmas is None:
                raise InvalidSettingError("give num_inference_steps or sigmas to set_timesteps.")
            num_inference_steps = len(sigmas)
        total = self.config.pcm_timesteps
        if not 1 <= num_inference_steps <= total:
            raise InvalidSettingError(
                f"{num_inference_steps} steps were asked for, but this model's schedule has "
                f"{total}; choose from 1 to {total}."
            )
        picked = np.floor(np.linspace(0, total, num_inference_steps, endpoint=False))
        here = self.sigmas[torch.from_numpy(picked.astype(np.int64))]
        self._host_times = torch.cat([here, here.new_ones(1)])
        chosen = here.to(device)
        self.timesteps = chosen * self.config.num_train_timesteps
        self.sigmas_ = self._times = torch.cat([chosen, chosen.new_ones(1)])
        self._reset()

    def step(
        self,
        model_output: Tensor,
        timestep: Tensor | float,
        sample: Tensor,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
    ) -> ConsistencyFlowMatchEulerDiscreteSchedulerOutput | tuple[Tensor, Tensor]:
        """Follow the velocity to the next time; also where it would lead at time 1."""
        index = self._locate(timestep)
        sample = sample.float()
        sigma, following = self.sigmas_[index], self.sigmas_[index + 1]
        moved = (sample + (following - sigma) * model_output).to(model_output.dtype)
        final = (sample + (1.0 - sigma) * model_output).to(model_output.dtype)
        self._step_index = index + 1
        if not return_dict:
            return moved, final
        return ConsistencyFlowMatchEulerDiscreteSchedulerOutput(moved, final)
