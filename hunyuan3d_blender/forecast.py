# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a job still takes, judged by the last one of its kind. Plain Python."""

from collections.abc import Hashable, Mapping

ONCE = ("load model", "measure")  # stages that a warm worker does without


class Forecast:
    """Seconds of each stage, per unit of size, of the last job of each kind.

    Stages are given as `{name: second at which it began}`, in their order.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, dict[str, float]] = {}

    def learn(self, kind: Hashable, size: float, stages: Mapping[str, float], end: float) -> None:
        """Remember a job that ended well after `end` seconds."""
        begins = list(stages.values())
        ends = [*begins[1:], end]
        self._known[kind] = {
            name: max(until - begin, 0.0) / size
            for (name, begin), until in zip(stages.items(), ends, strict=True)
        }

    def whole(self, kind: Hashable, size: float) -> float | None:
        """Seconds that such a job takes, without what is done once only."""
        known = self._known.get(kind)
        if known is None:
            return None
        return size * sum(seconds for name, seconds in known.items() if name not in ONCE)

    def left(
        self,
        kind: Hashable,
        size: float,
        stages: Mapping[str, float],
        stage: str,
        stage_left: float | None,
    ) -> float | None:
        """Seconds until the end of a job in `stage`, which itself says `stage_left`.

        None where no earlier job tells: a stage's own estimate says nothing of those after it.
        """
        known = self._known.get(kind)
        if known is None or stage not in known:
            return None
        names = list(known)
        later = [known[name] * size for name in names[names.index(stage) + 1 :]]
        now = known[stage] * size if stage_left is None else stage_left
        return now + sum(later)
