# SPDX-License-Identifier: Apache-2.0
"""Leaves out denoising steps that no longer change the shape, and shows it while it forms.

Both look at where the present velocity would lead, decoded coarsely. Whether a step matters is
asked of the geometry, not of the latents: how much of the space that is inside now or was inside at
the look before has changed sides. Off by default: results are close, not equal.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import InvalidSettingError
from .models.autoencoders.field import Field
from .models.autoencoders.surface_extractors import Latent2MeshOutput, MCSurfaceExtractor

_CHUNK = 16_384
_TRIED, _PREVIEW_RESOLUTIONS = 12, (48, 40, 32, 24, 16)
_TRIALS = 2


@dataclass(frozen=True)
class StepSaving:
    """When to leave steps out.

    Parameters
    ----------
    stop_below : end when less than this part of the shape changed since the look before, and go the
        rest of the way in one step; 0 never does
    reuse_below : compute only every other velocity, and continue the line through the last two for
        the rest, while less than this part changed; 0 never does
    every : steps from one look to the next
    resolution : cells a side of the grid that is looked at
    """

    stop_below: float = 0.0
    reuse_below: float = 0.0
    every: int = 2
    resolution: int = 24

    def __post_init__(self) -> None:
        for name in ("stop_below", "reuse_below"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InvalidSettingError(f"{name} is {value}; choose from 0 to 1.")
        if self.every < 1 or not 4 <= self.resolution <= 128:
            raise InvalidSettingError(
                f"every is {self.every} and resolution {self.resolution}; choose at least 1, and "
                "from 4 to 128."
            )


class StepWatch:
    """Decides after each step of one run what the next one is.

    Attributes
    ----------
    looks : (step, part of the shape that changed) of every look but the first
    """

    def __init__(self, saving: StepSaving, vae: Any) -> None:
        self.saving = saving
        self.looks: list[tuple[int, float]] = []
        self._vae = vae
        self._inside: Tensor | None = None
        self._reusing = False

    def after(self, step: int, steps: int, clean: Callable[[], Tensor]) -> str:
        """'go on', 'reuse' (the next step needs no call) or 'stop', after step 1..`steps`.

        `clean()` gives the latents that the present velocity leads to.
        """
        left = steps - step
        if left and step % self.saving.every == 0:
            changed = self._changed(clean())
            if changed is not None:
                self.looks.append((step, changed))
                if changed < self.saving.stop_below:
                    return "stop"
                self._reusing = changed < self.saving.reuse_below
        # The last velocity is always computed: it decides the details.
        return "reuse" if self._reusing and left > 1 and step % 2 else "go on"

    def _changed(self, latents: Tensor) -> float | None:
        inside = coarse_field(self._vae, latents, self.saving.resolution) > 0
        before, self._inside = self._inside, inside
        if before is None:
            return None
        either = (inside | before).sum().clamp_min(1)
        return float((inside ^ before).sum() / either)


class Previews:
    """Coarse meshes of the forming shape, at a bounded part of the time.

    A first, very coarse decoding tells what a point costs here; from that follows how fine the
    meshes can be, or that there is no time for any.

    Parameters
    ----------
    show : called with the first picture's mesh, whose faces look as `Latent2MeshOutput` says
    share : part of the denoising time that all previews together may take
    clock : seconds, all work asked for being done
    costs : what earlier runs have learned of the VAE's costs, which this one adds to
    """

    def __init__(
        self,
        vae: Any,
        show: Callable[[Latent2MeshOutput], None],
        bounds: Any = 1.01,
        share: float = 0.04,
        clock: Callable[[], float] = time.perf_counter,
        costs: list[tuple[float, float]] | None = None,
    ) -> None:
        self._vae, self._show, self._bounds = vae, show, bounds
        self._share, self._clock = share, clock
        self._costs = [] if costs is None else costs  # of latents, of `_TRIED` cells a side
        self._started = clock()
        self._resolution: int | None = None  # not known yet
        self._cost = 0.0  # of one
        self._next = 0  # before that step none is due; to look at the clock holds a GPU up
        self.spent = 0.0

    def after(self, step: int, steps: int, clean: Callable[[], Tensor]) -> None:
        """Show where things stand, if there is time for it."""
        if step < self._next or not 0.2 * steps <= step < steps:  # before, nothing is to be seen
            return
        now = self._clock()
        run = (now - self._started - self.spent) / step * steps
        if self._resolution is None:
            trial = 0.0
            if len(self._costs) < _TRIALS:  # the first of a process is slow
                self._try(clean())
                trial = self._clock() - now
                self.spent += trial
            self._resolution, self._cost = self._fitting_resolution(self._share * run - trial)
            if self._resolution == 0:
                self._next = steps
                return
        # Spread over the run: no more by now than by now is due, but for the first.
        due = self._share * run * max(step / steps, 0.5)
        if self.spent + self._cost > due:
            self._next = math.ceil((self.spent + self._cost) / (self._share * run) * steps)
            return
        now = self._clock()
        self._show_one(clean())
        self._cost = self._clock() - now
        self.spent += self._cost

    def _try(self, latents: Tensor) -> None:
        start = self._clock()
        tokens = self._vae(latents[:1] / self._vae.scale_factor)
        middle = self._clock()
        field = Field(tokens, self._vae.geo_decoder, self._bounds, _CHUNK, None)
        field.everywhere(_TRIED)
        self._costs.append((middle - start, self._clock() - middle))

    def _fitting_resolution(self, budget: float) -> tuple[int, float]:
        fixed, part = (min(costs) for costs in zip(*self._costs, strict=True))
        for resolution in _PREVIEW_RESOLUTIONS:
            cost = fixed + part * (resolution / _TRIED) ** 3
            if 2 * cost < budget:
                return resolution, cost
        return 0, 0.0

    def _show_one(self, latents: Tensor) -> None:
        grid = coarse_field(self._vae, latents[:1], self._resolution or _TRIED, self._bounds)[0]
        if float(grid.amin()) < 0 < float(grid.amax()):
            (mesh,) = MCSurfaceExtractor()([grid], bounds=self._bounds)
            self._show(mesh)


def coarse_field(vae: Any, latents: Tensor, resolution: int, bounds: Any = 1.01) -> Tensor:
    """Field values `(B, n, n, n)` of latents as a denoiser makes them."""
    tokens = vae(latents / vae.scale_factor)
    return Field(tokens, vae.geo_decoder, bounds, _CHUNK, None).everywhere(resolution)


def synchronised_clock(device: torch.device) -> Callable[[], float]:
    """Seconds, after everything that was asked of the device is done, but for copies beside it."""

    def seconds() -> float:
        if device.type == "cuda":
            torch.cuda.current_stream(device).synchronize()
        return time.perf_counter()

    return seconds
