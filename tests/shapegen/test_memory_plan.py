# SPDX-License-Identifier: Apache-2.0
"""What stays on a device and what comes and goes, for limits from plenty to too little."""

from itertools import pairwise

import pytest

from hy3dgen.errors import InvalidSettingError
from hy3dgen.shapegen.memory_plan import (
    SLOTS,
    Needs,
    least_without_moving_steps,
    plan_memory,
    spread_out,
)

MB = 1 << 20
NEEDS = Needs(
    fixed=100 * MB,
    once=((25 * MB,) * 16, (12 * MB,) * 16, (57 * MB,) * 40),
    steps=(48 * MB,) * 16 + (24 * MB,) * 32,
    condition=250 * MB, denoise=550 * MB, decode=800 * MB, recordings=300 * MB,
)  # fmt: skip
ALL = NEEDS.fixed + sum(map(sum, NEEDS.once)) + sum(NEEDS.steps)


def peak(plan, needs=NEEDS):
    """The most that a plan takes, reckoned anew from what it moves."""
    steps_moving = sum(needs.steps[n] for n in (*plan.visiting, *plan.passing))
    stays = needs.fixed + sum(needs.steps) - steps_moving
    stays += 0 if plan.room else sum(map(sum, needs.once))
    visiting = sum(needs.steps[n] for n in plan.visiting)
    visiting += SLOTS * max((needs.steps[n] for n in plan.passing), default=0)
    recordings = needs.recordings if plan.recorded else 0
    stages = (needs.condition, needs.denoise + visiting, needs.decode)
    return stays + plan.room + recordings + max(stages)


def test_without_a_limit_all_stays():
    plan = plan_memory(NEEDS, None)
    assert not plan.moves and plan.recorded


def test_recordings_go_after_what_is_used_once():
    least = least_without_moving_steps(NEEDS)
    assert not plan_memory(NEEDS, least + 250 * MB).recorded
    assert plan_memory(NEEDS, least + 350 * MB).recorded


@pytest.mark.parametrize("gigabytes", [1.2, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7])
def test_a_plan_keeps_its_limit(gigabytes):
    plan = plan_memory(NEEDS, gigabytes * 1e9)
    assert peak(plan) <= gigabytes * 1e9
    assert plan.peak <= gigabytes * 1e9


def test_what_is_used_once_goes_before_what_every_step_needs():
    least = least_without_moving_steps(NEEDS)
    plan = plan_memory(NEEDS, least)
    assert not plan.visiting and not plan.passing
    assert plan.room >= SLOTS * 57 * MB
    tighter = plan_memory(NEEDS, least - 2)
    assert not tighter.recorded and len(tighter.visiting) == len(NEEDS.steps)


def test_the_room_is_what_the_limit_leaves():
    wanted = ALL + NEEDS.recordings + NEEDS.decode
    assert plan_memory(NEEDS, wanted / 0.94 - 320 * MB).room == sum(NEEDS.once[2])
    plans = [plan_memory(NEEDS, tenths * 1e8) for tenths in range(20, 70)]
    rooms = [plan.room for plan in plans if plan.recorded and plan.moves]
    assert rooms == sorted(rooms) and SLOTS * 57 * MB <= rooms[0] < rooms[-1]


def test_the_part_that_may_be_filled_can_be_chosen():
    assert plan_memory(NEEDS, 4e9, 1.0).room > plan_memory(NEEDS, 4e9).room


def test_with_very_little_some_blocks_pass_at_every_step():
    plan = plan_memory(NEEDS, 1.5e9)
    assert plan.visiting and plan.passing and len(plan.passing) % 2 == 0
    assert sorted((*plan.visiting, *plan.passing)) == list(range(len(NEEDS.steps)))


def test_too_little_says_what_is_needed():
    with pytest.raises(InvalidSettingError, match=r"max_memory is 0\.60 GB.* 1\.\d\d GB") as error:
        plan_memory(NEEDS, 0.6e9)
    least = float(str(error.value).split("about ")[1].split(" GB")[0]) + 0.01
    assert plan_memory(NEEDS, least * 1e9).passing


@pytest.mark.parametrize("wanted", [0, 1, 30, 59, 60, 99, 100, 1000])
@pytest.mark.parametrize("even", [False, True])
def test_units_are_taken_far_apart(wanted, even):
    sizes = [10] * 10
    chosen = spread_out(sizes, wanted, even)
    assert 10 * len(chosen) >= min(wanted, 100) and len(set(chosen)) == len(chosen)
    assert not even or len(chosen) % 2 == 0
    if wanted == 30 and not even:
        assert min(b - a for a, b in pairwise(chosen)) >= 2
