# SPDX-License-Identifier: Apache-2.0
"""The slider between fast and good, while nothing is measured; `test_cost_model` has the rest."""

from itertools import pairwise

import pytest

from hy3dgen.worker.speed import FEWEST_STEPS, settings_at


def at(speed_priority, steps=12, resolution=128):
    return tuple(settings_at(speed_priority, steps, resolution).values())


def test_the_middle_is_the_models_own():
    assert at(0.5) == (12, 128)
    assert at(0.5, 50, 384) == (50, 384)


def test_ends():
    assert at(0.0) == (24, 256)
    assert at(1.0) == (6, 64)


@pytest.mark.parametrize(("steps", "resolution"), [(5, 128), (30, 256), (50, 384), (4, 40)])
def test_slower_is_never_worse(steps, resolution):
    found = [at(i / 20, steps, resolution) for i in range(21)]
    for better, faster in pairwise(found):
        assert better[0] >= faster[0] and better[1] >= faster[1]
    assert min(found)[0] >= FEWEST_STEPS and all(r % 32 == 0 for _, r in found)


def test_outside_is_the_nearer_end():
    assert at(-3) == at(0) and at(7) == at(1)
