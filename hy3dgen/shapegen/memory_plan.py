# SPDX-License-Identifier: Apache-2.0
"""Decides which weights stay on a device with little memory, and which come when they are needed.

Arithmetic only, in bytes. In the order of what it costs: all weights stay; what a picture needs
once (the encoder, modulations of all times, the VAE's blocks) takes turns in one room, the smaller
the slower; calls are not recorded; the denoiser's blocks visit for the time of denoising; some of
them come anew at every step.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InvalidSettingError

SLOTS = 2  # that passing units of a chain take turns in
_FILLED = 0.94  # of a limit; the rest is lost between what torch's allocator has handed out


@dataclass(frozen=True)
class Needs:
    """Bytes that a picture needs of a device.

    Attributes
    ----------
    fixed : weights that always stay
    once : units of the chains that are used once for a picture
    steps : units of the chain that is used at every step
    condition, denoise, decode : what each stage works with
    recordings : what recorded calls hold
    """

    fixed: int
    once: tuple[tuple[int, ...], ...]
    steps: tuple[int, ...]
    condition: int
    denoise: int
    decode: int
    recordings: int = 0


@dataclass(frozen=True)
class Plan:
    """What is where.

    Attributes
    ----------
    room : bytes in which the chains of `once` take turns; 0 if they stay
    visiting, passing : numbers of units of `steps` that are there while denoising, and that pass
        through slots at every step; the others stay
    peak : about what is needed at most
    recorded : whether the units of `steps` stay and there is memory for recorded calls
    """

    room: int = 0
    visiting: tuple[int, ...] = ()
    passing: tuple[int, ...] = ()
    peak: int = 0
    recorded: bool = True

    @property
    def moves(self) -> bool:
        """Whether any weight is not always on the device."""
        return bool(self.room or self.visiting or self.passing)


def plan_memory(needs: Needs, limit: float | None, filled: float = _FILLED) -> Plan:
    """The plan that costs least time and needs no more than `limit` bytes; None: no limit.

    Parameters
    ----------
    filled : part of the limit that is handed out

    Raises
    ------
    InvalidSettingError
        Even the plan that needs least does not fit; the sentence says what it needs.
    """
    everything = needs.fixed + sum(map(sum, needs.once)) + sum(needs.steps)
    peak = everything + _working(needs) + needs.recordings
    if limit is None or peak <= limit * filled:
        return Plan(peak=int(peak))
    within = limit * filled
    keeping = needs.fixed + sum(needs.steps) + _working(needs)
    for recorded in (True, False):
        spare = within - keeping - (needs.recordings if recorded else 0)
        if _slots(needs) and spare >= _slots(needs):
            room = int(min(spare, max(map(sum, needs.once))))
            return Plan(room, peak=int(within), recorded=recorded)

    base = needs.fixed + _slots(needs)
    room = within - base - needs.denoise
    visiting, passing = tuple(range(len(needs.steps))), ()
    if sum(needs.steps) > room:
        room -= SLOTS * max(needs.steps)
        passing = spread_out(needs.steps, sum(needs.steps) - room, even=True)
        visiting = tuple(number for number in visiting if number not in passing)
    held = sum(needs.steps[number] for number in visiting)
    held += SLOTS * max((needs.steps[number] for number in passing), default=0)
    others = base + max(needs.decode, needs.condition)
    peak = max(others, base + needs.denoise + held)
    if peak > within:
        least = max(others, base + needs.denoise + SLOTS * max(needs.steps)) / filled
        raise InvalidSettingError(
            f"max_memory is {limit / 1e9:.2f} GB, but this model needs about {least / 1e9:.2f} GB "
            "of the device; allow more, or choose a smaller model."
        )
    return Plan(_slots(needs), visiting, passing, peak, recorded=False)


def least_without_moving_steps(needs: Needs) -> int:
    """The smallest limit with which what every step needs stays."""
    needed = needs.fixed + _slots(needs) + sum(needs.steps) + _working(needs)
    return math.ceil(needed / _FILLED) + 1


def spread_out(sizes: Sequence[int], wanted: float, even: bool = False) -> tuple[int, ...]:
    """Numbers of units with at least `wanted` bytes together, far from each other; or all.

    Parameters
    ----------
    even : their count is even, unless all of an odd number are needed
    """
    share = min(max(wanted / max(sum(sizes), 1), 0.0), 1.0)
    chosen, owed = [], 0.0
    for number, size in enumerate(sizes):
        owed += share * size
        if owed > size / 2:
            chosen.append(number)
            owed -= size
    others = [number for number in range(len(sizes)) if number not in chosen]
    while others and (sum(sizes[n] for n in chosen) < wanted or (even and len(chosen) % 2)):
        chosen.append(others.pop(len(others) // 2))
    return tuple(sorted(chosen))


def _working(needs: Needs) -> int:
    """The most that a stage works with."""
    return max(needs.condition, needs.denoise, needs.decode)


def _slots(needs: Needs) -> int:
    """The smallest room for the chains used once, which are in use one at a time."""
    return SLOTS * max((max(chain, default=0) for chain in needs.once), default=0)
