# SPDX-License-Identifier: Apache-2.0
"""UVs that lie on top of each other are noticed, and only those."""

import numpy as np
import pytest
from tensor_views import bumpy_ball

from hy3dgen.texgen.uv_overlap import NOTICED, overlapping_share


@pytest.mark.parametrize("rings", [4, 24, 150])
def test_charts_side_by_side_share_nothing(rings):
    _, faces, uvs = bumpy_ball(rings)
    assert overlapping_share(uvs, faces) < NOTICED


def test_charts_on_top_of_each_other_share_half():
    _, faces, uvs = bumpy_ball()
    both = np.concatenate([uvs, uvs]), np.concatenate([faces, faces + len(uvs)])
    assert overlapping_share(*both) == pytest.approx(0.5, abs=0.01)


def test_a_tenth_on_top_is_noticed():
    square = np.float32([[0, 0], [0.5, 0], [0.5, 1], [0, 1]])
    uvs = np.concatenate([square, square + np.float32([0.45, 0])])
    faces = np.int32([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    assert overlapping_share(uvs, faces) == pytest.approx(0.05, abs=0.005)


def test_everything_in_one_place_is_no_overlap():
    assert overlapping_share(np.full((3, 2), 0.5), np.int32([[0, 1, 2]])) == 0


def test_very_many_on_top_are_told_without_drawing():
    uvs = np.float32([[0, 0], [1, 0], [1, 1]])
    faces = np.tile(np.int32([[0, 1, 2]]), (2_000_000, 1))
    assert overlapping_share(uvs, faces) > 0.999
