# SPDX-License-Identifier: Apache-2.0
"""Settings from measured figures: they obey limits, and more speed never means more of anything."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from itertools import pairwise

import pytest

from hy3dgen.errors import InvalidSettingError
from hy3dgen.shapegen.cost_model import (
    CallSettings,
    MachineCosts,
    ModelTraits,
    count_points,
    optimal_settings,
    predict,
)

SMALL = MachineCosts(
    device="cpu", prepare=0.05, condition=0.02, step=0.012, guided_step=0.02, latents=0.01,
    query=1e-4, points={"dense": 1.5e-6, "coarse_to_fine": 1.5e-6, "flashvdm": 1.6e-6},
    largest_chunk=2000, cells=1e-8, extract=2e-8, extract_faces=1e-7,
    reduce_faces={"quality": 4e-6, "fast": 5e-7}, held_bytes=300 << 20, stage_bytes=50 << 20,
    point_bytes=2e4, decode_bytes=20, extract_bytes=40, sparse_point=2e-7, sparse_bytes=100,
    free_bytes=4 << 30,
)  # fmt: skip
LARGE = replace(
    SMALL, device="cuda", condition=0.014, step=0.045, guided_step=0.06, latents=0.01, query=1e-4,
    points={"dense": 1.4e-7, "coarse_to_fine": 1.4e-7, "flashvdm": 0.7e-7}, largest_chunk=2**62,
    held_bytes=5 << 30, stage_bytes=1 << 30, extract_bytes=0, free_bytes=70 << 30,
)  # fmt: skip
MODELS = [(SMALL, ModelTraits(10, 2.0, 128)), (LARGE, ModelTraits()), (LARGE, ModelTraits(5))]


@pytest.mark.parametrize(("costs", "traits"), MODELS)
def test_more_speed_is_never_slower_and_the_ends_are_the_ends(costs, traits):
    chosen = [optimal_settings(costs, traits, i / 20) for i in range(21)]
    assert all(after.seconds <= before.seconds for before, after in pairwise(chosen))
    best, fastest = chosen[0], chosen[-1]
    assert best["num_inference_steps"] == traits.num_inference_steps
    assert best["octree_resolution"] >= traits.octree_resolution
    assert best["volume_decoder"] == "coarse_to_fine" and best["reducer"] == "quality"
    assert fastest["octree_resolution"] == 64
    assert fastest.seconds < best.seconds / 3
    assert len({item["octree_resolution"] for item in chosen}) >= 3


def test_the_result_is_what_a_call_takes_and_says_what_it_will_take():
    chosen = optimal_settings(SMALL, MODELS[0][1], 0.5, face_count=5000)
    assert set(chosen) == {
        *("num_inference_steps", "guidance_scale", "octree_resolution", "num_chunks"),
        *("volume_decoder", "reducer", "face_count"),
    }
    assert chosen.seconds == pytest.approx(sum(chosen.stages.values()))
    assert list(chosen.stages) == ["prepare", "condition", "denoise", "decode", "extract", "reduce"]
    assert json.loads(json.dumps(chosen)) == chosen


@pytest.mark.parametrize(("costs", "traits"), MODELS)
def test_limits_are_kept(costs, traits):
    free = optimal_settings(costs, traits, 0.0)
    for share in (0.9, 0.5, 0.35):
        limited = optimal_settings(costs, traits, 0.0, max_seconds=free.seconds * share)
        assert limited.seconds <= free.seconds * share
    large = optimal_settings(costs, traits, 0.0, surface=20.0)
    limit = large.peak_memory - (100 << 20)
    tight = optimal_settings(costs, traits, 0.0, max_memory=limit, surface=20.0)
    assert tight.peak_memory <= limit
    less = optimal_settings(replace(costs, free_bytes=costs.stage_bytes * 2), traits, 0.0)
    assert less.peak_memory <= costs.held_bytes + 2 * costs.stage_bytes


def test_what_cannot_be_is_said_with_the_least_that_is_needed():
    traits = MODELS[0][1]
    with pytest.raises(InvalidSettingError, match=r"at least 0\.\d s .* max_seconds is 0\.01"):
        optimal_settings(SMALL, traits, max_seconds=0.01)
    with pytest.raises(InvalidSettingError, match=r"needs 0\.\d GiB .* 0\.1 GiB may be used"):
        optimal_settings(SMALL, traits, max_memory=100 << 20)
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(InvalidSettingError, match="speed_priority is"):
            optimal_settings(SMALL, traits, wrong)


def test_counted_points_are_those_that_decoding_asks():
    assert count_points("dense", 99) == 100**3
    assert count_points("coarse_to_fine", 60) == 61**3
    assert count_points("coarse_to_fine", 130) == pytest.approx(66**3 + 3.8 * 4 * 130**2, abs=1)
    # An odd resolution is decoded densely, which the levels know.
    assert count_points("coarse_to_fine", 101) == 102**3


def test_the_empty_last_step_and_the_missing_second_pass_cost_nothing():
    settings = CallSettings(10, 2.0, 128)
    traits = ModelTraits(10, 2.0, 128)

    def denoise(settings, **changes):
        return predict(SMALL, replace(traits, **changes), settings).stages["denoise"]

    assert denoise(settings) == pytest.approx(9 * 0.02)
    assert denoise(settings, last_step_is_empty=False) == pytest.approx(10 * 0.02)
    assert denoise(settings, guided=False) == pytest.approx(9 * 0.012)
    assert denoise(replace(settings, guidance_scale=1.0)) == pytest.approx(9 * 0.012)
    assert denoise(replace(settings, num_inference_steps=1)) == pytest.approx(0.02)


def test_it_needs_neither_torch_nor_numpy():
    code = (
        "import sys; sys.modules['torch'] = sys.modules['numpy'] = None\n"
        "import hy3dgen.shapegen.cost_model"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert MachineCosts(**json.loads(json.dumps(asdict(SMALL)))) == SMALL


def test_a_device_s_own_chunks_do_not_limit_flashvdm_s_regions():
    traits = MODELS[0][1]
    small, large = CallSettings(10, 2.0, 128, 2000), CallSettings(10, 2.0, 128, 9000)
    for decoder, grows in (("coarse_to_fine", False), ("flashvdm", True)):
        less, more = (
            predict(SMALL, traits, replace(settings, volume_decoder=decoder)).peak_memory
            for settings in (small, large)
        )
        assert (more > less) is grows


def test_without_full_grids_memory_grows_with_the_surface():
    traits = MODELS[0][1]
    for decoder, factor in (("dense", 7), ("coarse_to_fine", 5), ("flashvdm", 5)):
        below, above = (
            predict(SMALL, traits, CallSettings(10, 2.0, side, 2000, decoder)).peak_memory
            - SMALL.held_bytes
            for side in (511, 1023)
        )
        assert (above > factor * below) is (decoder == "dense")


def test_flashvdm_chooses_latents_once_more_for_each_level_and_each_following():
    costs, traits = replace(LARGE, regions=0.01), MODELS[1][1]
    for side, rounds in ((100, 1), (192, 3), (384, 5), (512, 7)):
        settings = CallSettings(10, 2.0, side, volume_decoder="flashvdm")
        more, less = (predict(c, traits, settings).stages["decode"] for c in (costs, LARGE))
        assert more - less == pytest.approx(rounds * costs.regions)
    dense = CallSettings(10, 2.0, 192)
    assert predict(costs, traits, dense) == predict(LARGE, traits, dense)
