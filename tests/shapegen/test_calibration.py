# SPDX-License-Identifier: Apache-2.0
"""Measured costs, and settings that a call takes as they are."""

import math
import warnings

import pytest
import torch

from hy3dgen.errors import InvalidSettingError
from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline, calibration
from hy3dgen.shapegen.cost_model import REDUCERS
from hy3dgen.shapegen.models.autoencoders import MCSurfaceExtractor
from hy3dgen.worker.model_cache import bundled_folder


@pytest.fixture(scope="module")
def pipeline():
    return Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
        bundled_folder(), subfolder=None, device="cpu"
    )


@pytest.fixture(scope="module")
def costs(pipeline):
    return calibration.machine_costs(pipeline, calibration.model_traits(pipeline))


def test_every_figure_is_measured(costs):
    assert costs.device == "cpu"
    for name in ("prepare", "condition", "step", "guided_step", "latents", "cells", "extract"):
        assert 0 < getattr(costs, name) < 60, name
    for name in ("sparse_point", "sparse_bytes", "decode_bytes", "extract_bytes", "held_bytes"):
        assert 0 < getattr(costs, name) < math.inf, name
    assert min(costs.points.values()) > 0
    assert set(costs.reduce_faces) == set(REDUCERS)
    assert costs.free_bytes > 0


def test_a_process_measures_once(pipeline, costs, monkeypatch):
    def never(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(calibration, "measure_costs", never)
    again = calibration.machine_costs(pipeline, calibration.model_traits(pipeline))
    assert again.step == costs.step
    calibration.forget_measurements()
    with pytest.raises(AssertionError, match="measured again"):
        calibration.machine_costs(pipeline, calibration.model_traits(pipeline))


@pytest.fixture
def known_costs(costs, monkeypatch):
    monkeypatch.setattr(calibration, "measure_costs", lambda *_: costs)


@pytest.mark.parametrize("speed_priority", [0.0, 0.5, 1.0])
def test_a_call_takes_all_settings_without_a_warning(
    pipeline, known_costs, speed_priority, monkeypatch
):
    settings = pipeline.get_optimal_settings(speed_priority, face_count=400)
    assert settings.seconds > 0 and settings.peak_memory > 0
    seen = {}

    def extractor(grid, **options):
        seen.update(options)
        return MCSurfaceExtractor()(grid, **options)

    monkeypatch.setattr(pipeline.vae, "surface_extractor", extractor)
    cheap = dict(octree_resolution=24)  # the rest as it came
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from PIL import Image

        picture = Image.new("RGBA", (64, 64))
        picture.paste((90, 120, 60, 255), (12, 12, 52, 52))
        (mesh,) = pipeline(
            picture, generator=torch.Generator().manual_seed(1), **{**settings, **cheap}
        )
    assert len(mesh.faces) <= 400
    assert (seen["reducer"], seen["face_count"]) == (settings["reducer"], 400)


def test_the_model_s_own_defaults_are_the_usual_settings(pipeline, known_costs):
    settings = pipeline.get_optimal_settings(0.0)
    assert settings["guidance_scale"] == 2.0
    assert settings["num_inference_steps"] == 10
    assert settings["volume_decoder"] == "coarse_to_fine"


def test_surfaces_that_were_made_count(pipeline, known_costs):
    before = pipeline.get_optimal_settings(0.0).seconds
    pipeline._surfaces.extend([40.0] * 9)
    try:
        assert pipeline.get_optimal_settings(0.0).seconds > before
    finally:
        pipeline._surfaces.clear()


def test_limits_are_kept_or_said(pipeline, known_costs):
    usual = pipeline.get_optimal_settings(0.0)
    quicker = pipeline.get_optimal_settings(0.0, max_seconds=usual.seconds / 2)
    assert quicker.seconds <= usual.seconds / 2
    smaller = pipeline.get_optimal_settings(0.0, max_memory=usual.peak_memory - (1 << 20))
    assert smaller.peak_memory <= usual.peak_memory - (1 << 20)
    with pytest.raises(InvalidSettingError, match=r"max_seconds is 0\.001"):
        pipeline.get_optimal_settings(max_seconds=0.001)
    with pytest.raises(InvalidSettingError, match="may be used"):
        pipeline.get_optimal_settings(max_memory=1 << 20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(reducer="slow"), "reducer is 'slow'; choose from quality, fast"),
        (dict(face_count=0), "face_count is 0"),
    ],
)
def test_wrong_reductions_are_named(pipeline, options, message):
    with pytest.raises(InvalidSettingError, match=message):
        pipeline("never read.png", **options)
