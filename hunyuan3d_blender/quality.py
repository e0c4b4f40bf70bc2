# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wish between faster and better comes to: settings and seconds, solved from what the worker
has measured on this machine, or by a rule of thumb until it has. Plain Python.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from hy3dgen.errors import InvalidSettingError
from hy3dgen.model_defaults import SETTINGS, Defaults
from hy3dgen.worker.speed import Figures, settings_at

_REMEMBERED = 16  # surfaces
Key = tuple[str, str | None]  # the worker's Python ("": Blender's own), the model's source


@dataclass(frozen=True)
class Choice:
    """For the task `generate`; empty `settings`: not known before the model is loaded."""

    settings: Mapping[str, Any]
    measured: bool = False
    seconds: float | None = None  # predicted; None: unknown
    problem: str = ""  # why nothing fits this machine


class Known:
    """Figures of models on this machine, as long as this Blender runs."""

    def __init__(self) -> None:
        self._figures: dict[Key, Figures | None] = {}  # None: it has been asked for
        self._surfaces: dict[Key, deque[float]] = {}
        self._shares: dict[Key, float] = {}  # of predicted seconds that the last job took
        self.changes = 0  # for whoever draws them

    def get(self, key: Key) -> Figures | None:
        figures, seen = self._figures.get(key), self._surfaces.get(key)
        if figures is None or not seen:
            return figures
        return figures.with_surface(median(seen))

    def share(self, key: Key) -> float:
        """Of the predicted seconds, what the last job took: a machine that was busy while it was
        measured, or is now, is off by a factor.
        """
        return self._shares.get(key, 1.0)

    def asked(self, key: Key) -> bool:
        """Whether they are here, on their way, or cannot be had."""
        return key in self._figures

    def ask(self, key: Key) -> None:
        self._figures.setdefault(key, None)

    def forget_question(self, key: Key) -> None:
        """The question was dropped; it can be asked again."""
        if self._figures.get(key) is None:
            self._figures.pop(key, None)

    def learn(self, key: Key, values: Mapping[str, Any]) -> None:
        """Take in the `values` of a result of the tasks `generate` or `settings`."""
        if "figures" in values:
            self._figures[key] = Figures.from_values(values["figures"])
            self.changes += 1
        if "faces_raw" in values:
            seen = self._surfaces.setdefault(key, deque(maxlen=_REMEMBERED))
            seen.append(values["faces_raw"] / values["octree_resolution"] ** 2)
            self._compare(key, values)
            self.changes += 1

    def _compare(self, key: Key, values: Mapping[str, Any]) -> None:
        figures = self.get(key)
        if figures is None:
            return
        made = {name: values[name] for name in SETTINGS}
        predicted = figures.stages(figures.settings_like(made))
        taken = {name: seconds for name, seconds in values["stages"] if name in predicted}
        if taken:
            self._shares[key] = sum(taken.values()) / sum(predicted[name] for name in taken)


known = Known()


def choose(
    speed_priority: float,
    own: Mapping[str, Any],
    usual: Defaults | None,
    figures: Figures | None,
    face_count: int | None = None,
    share: float = 1.0,
) -> Choice:
    """What a generation will use.

    Parameters
    ----------
    own : settings that the artist has chosen, by their names; those without a value do not count
    usual : of the model; None where they are not known
    figures : measured on this machine; None if nothing is yet
    share : see `Known.share`
    """
    own = {name: value for name, value in own.items() if value}
    if figures is None:
        if usual is None:
            return Choice(own)
        rule = settings_at(speed_priority, usual.num_inference_steps, usual.octree_resolution)
        return Choice({"guidance_scale": usual.guidance_scale, **rule, **own})
    try:
        settings = figures.settings(speed_priority, face_count) | own
    except InvalidSettingError as error:
        return Choice(own, problem=str(error))
    return Choice(settings, True, share * figures.seconds(settings, face_count))


def own_settings(source: Any) -> dict[str, Any]:
    """The settings that `source`, an operator or the panel's, has by the names of `SETTINGS`."""
    return {name: getattr(source, name) for name in SETTINGS}
