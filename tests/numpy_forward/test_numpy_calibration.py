# SPDX-License-Identifier: Apache-2.0
"""Measured costs of the bundled model, without torch."""

import math

import pytest

from hy3dgen.errors import Cancelled
from hy3dgen.mesh import native_available
from hy3dgen.model_defaults import bundled_folder
from hy3dgen.numpy_forward.calibration import measure_costs, with_memory_now
from hy3dgen.numpy_forward.pipeline import NumpyPipeline
from hy3dgen.shapegen.cost_model import DECODERS, REDUCERS

if not native_available():
    pytest.skip("the mesh kernel is not built", allow_module_level=True)


@pytest.fixture(scope="module")
def pipeline():
    return NumpyPipeline(bundled_folder())


def test_every_figure_is_measured(pipeline):
    looks = []
    costs = measure_costs(pipeline, lambda: looks.append(0))
    for name in ("prepare", "condition", "step", "guided_step", "latents", "cells"):
        assert 0 < getattr(costs, name) < 60, name
    for name in ("sparse_point", "sparse_bytes", "decode_bytes", "extract_bytes", "held_bytes"):
        assert 0 < getattr(costs, name) < math.inf, name
    assert set(costs.points) == set(DECODERS) and min(costs.points.values()) > 0
    assert set(costs.reduce_faces) == set(REDUCERS) and min(costs.reduce_faces.values()) > 0
    assert len(looks) > 5
    later = with_memory_now(costs)
    assert later.step == costs.step and later.free_bytes > 0


def test_it_can_be_cancelled(pipeline):
    def stop():
        raise Cancelled

    with pytest.raises(Cancelled):
        measure_costs(pipeline, stop)
