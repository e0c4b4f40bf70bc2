# SPDX-License-Identifier: Apache-2.0
"""Where drawing takes long, the search for the view ends in time."""

import numpy as np
from tensor_views import bumpy_ball

from hy3dgen.texgen.find_view import find_view
from hy3dgen.texgen.render import prepare_mesh


def test_out_of_time_the_front_is_taken():
    tried = []
    alpha = np.full((20, 30), 255, np.uint8)
    found = find_view(prepare_mesh(*bumpy_ball(8)), alpha, progress=tried.append, seconds=0.0)
    assert len(tried) == 1
    assert (found.elevation, found.azimuth) == (0, 0)
    assert 0 < found.overlap <= 1
