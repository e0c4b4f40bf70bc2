# SPDX-License-Identifier: Apache-2.0
"""One number between fast and good becomes settings of a generation.

Two ways, and an interface can go both, so that it shows the numbers that are used: `Figures` are
what a worker has measured, from which the best settings are solved; `settings_at` is a rule of
thumb for as long as there are none. Arithmetic only.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from hy3dgen.shapegen.cost_model import (
    CallSettings,
    MachineCosts,
    ModelTraits,
    OptimalSettings,
    optimal_settings,
    predict,
)

FEWEST_STEPS = 3
SOLVED = tuple(CallSettings.__dataclass_fields__)  # names of what is solved
_GRIDS = (32, 512)  # a side; finer grids are for those who ask for them by name


@dataclass(frozen=True)
class Figures:
    """What one model costs on one machine, and how large its surfaces are."""

    costs: MachineCosts
    traits: ModelTraits
    surface: float  # faces per squared resolution

    def settings(self, speed_priority: float, face_count: int | None = None) -> OptimalSettings:
        """The best in the time that `speed_priority` allows; see `cost_model.optimal_settings`.

        Raises
        ------
        InvalidSettingError
            Nothing fits the memory; the sentence has the least that is needed.
        """
        found = optimal_settings(
            self.costs,
            self.traits,
            speed_priority,
            surface=self.surface,
            face_count=face_count or None,
        )
        found.pop("face_count", None)
        return found

    def seconds(self, settings: Mapping[str, Any], face_count: int | None = None) -> float:
        """Predicted for settings with the names of `SOLVED`, from a picture to its mesh."""
        return sum(self.stages(settings, face_count).values())

    def stages(
        self, settings: Mapping[str, Any], face_count: int | None = None
    ) -> Mapping[str, float]:
        """The same for each stage."""
        call = CallSettings(**{name: settings[name] for name in SOLVED})
        return predict(self.costs, self.traits, call, self.surface, face_count or None).stages

    def settings_like(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Those of a call with the model's usual ones but for `own`."""
        usual = {name: getattr(self.traits, name) for name in SOLVED if hasattr(self.traits, name)}
        return {**asdict(CallSettings(**usual)), **own}

    def with_surface(self, surface: float) -> "Figures":
        return replace(self, surface=surface)

    def as_values(self) -> dict[str, Any]:
        """As it travels between processes."""
        return asdict(self)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Figures":
        return cls(
            MachineCosts(**values["costs"]), ModelTraits(**values["traits"]), values["surface"]
        )


def settings_at(
    speed_priority: float, num_inference_steps: int, octree_resolution: int
) -> dict[str, Any]:
    """Steps and resolution for a wish from 0 (best) to 1 (fastest), where nothing is measured.

    At 0.5 they are the model's own defaults, which are given; at the ends twice and half as much.
    Steps cost in proportion, the grid nearly with its square, for only cells near the surface are
    decoded. Resolutions are multiples of 32, so that decoding can begin on a coarser grid.
    """
    factor = 2 ** (1 - 2 * min(max(speed_priority, 0.0), 1.0))
    low, high = _GRIDS
    resolution = 32 * round(octree_resolution * factor / 32)
    return {
        "num_inference_steps": max(round(num_inference_steps * factor), FEWEST_STEPS),
        "octree_resolution": min(max(resolution, low), max(high, octree_resolution)),
    }
