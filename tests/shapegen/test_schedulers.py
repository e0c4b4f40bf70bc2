# SPDX-License-Identifier: Apache-2.0
"""Schedulers arrive at the end, take lists, and name wrong arguments."""

import numpy as np
import pytest
import torch

from hy3dgen.errors import InvalidSettingError
from hy3dgen.shapegen.sampling import retrieve_timesteps
from hy3dgen.shapegen.schedulers import (
    ConsistencyFlowMatchEulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
)


def test_a_constant_velocity_arrives_after_any_number_of_steps():
    start, velocity = torch.randn(1, 4, 3), torch.randn(1, 4, 3)
    for scheduler in (
        FlowMatchEulerDiscreteScheduler(),
        FlowMatchEulerDiscreteScheduler(shift=3.0),
        ConsistencyFlowMatchEulerDiscreteScheduler(pcm_timesteps=100),
    ):
        for steps in (1, 2, 7):
            scheduler.set_timesteps(steps, sigmas=np.linspace(0, 1, steps))
            sample = start
            for timestep in scheduler.timesteps:
                sample = scheduler.step(velocity, timestep, sample).prev_sample
            assert torch.allclose(sample, start + velocity, atol=1e-6)


def test_times_may_be_a_list():
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[0.0, 0.25])
    assert scheduler.sigmas.tolist() == [0.0, 0.25, 1.0]


def test_a_config_has_items_and_attributes_and_makes_another_scheduler():
    first = FlowMatchEulerDiscreteScheduler(shift=3.0)
    assert first.config.shift == first.config["shift"] == 3.0
    assert first.config.get("nothing") is None and not hasattr(first.config, "nothing")
    config = {**first.config, "_class_name": "of another program"}
    second = FlowMatchEulerDiscreteScheduler.from_config(config, num_train_timesteps=500)
    assert second.config == {**first.config, "num_train_timesteps": 500}
    assert len(second.timesteps) == 500


def test_a_schedule_is_set_as_scripts_do():
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    times, count = retrieve_timesteps(scheduler, 4, "cpu", None, [0.0, 0.5], mu=0.0)
    assert (times.tolist(), count) == ([0.0, 500.0], 2)
    with pytest.raises(InvalidSettingError, match=r"takes no timesteps; give sigmas.* by 1000"):
        retrieve_timesteps(scheduler, 4, "cpu", [0.0, 500.0])


def test_wrong_arguments_are_named():
    flow = FlowMatchEulerDiscreteScheduler()
    flow.set_timesteps(4)
    sample = torch.zeros(1, 2, 3)
    with pytest.raises(InvalidSettingError, match="integer timestep 3"):
        flow.step(sample, 3, sample)
    with pytest.raises(InvalidSettingError, match=r"17\.5 is not in the schedule"):
        flow.step(sample, 17.5, sample)
    with pytest.raises(InvalidSettingError, match="num_inference_steps or sigmas"):
        flow.set_timesteps()
    with pytest.raises(InvalidSettingError, match="needs mu"):
        FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True).set_timesteps(4)
    with pytest.raises(InvalidSettingError, match=r"60 steps .* has 50; choose from 1 to 50"):
        ConsistencyFlowMatchEulerDiscreteScheduler().set_timesteps(60)


@pytest.mark.parametrize("total", [1000, 250, 37])
@pytest.mark.parametrize("shift", [1.0, 3.0, 0.4])
@pytest.mark.parametrize("steps", [1, 2, 9, 30])
def test_times_are_those_of_the_formula(total, shift, steps):
    def shifted(sigma):
        return shift * sigma / (1 + (shift - 1) * sigma)

    scheduler = FlowMatchEulerDiscreteScheduler(total, shift)
    sigmas = shifted(np.arange(1, total + 1) / total)
    assert np.allclose(scheduler.sigmas, sigmas, atol=1e-6)
    assert np.allclose(scheduler.timesteps, sigmas * total, rtol=1e-6)
    assert (scheduler.sigma_max, scheduler.sigma_min) == pytest.approx((sigmas[0], sigmas[-1]))
    assert (len(scheduler), scheduler.order, scheduler.step_index) == (total, 1, None)
    scheduler.set_timesteps(steps)  # evenly between ends that are shifted already, and shifted
    times = shifted(np.linspace(sigmas[0], sigmas[-1], steps))
    assert np.allclose(scheduler.sigmas, [*times, 1.0], atol=1e-6)
    given = np.linspace(0, 1, steps)
    scheduler.set_timesteps(sigmas=given)
    assert np.allclose(scheduler.sigmas, [*shifted(given), 1.0], atol=1e-6)
    assert np.allclose(scheduler.timesteps, shifted(given) * total, rtol=1e-6)
    assert scheduler.timesteps.dtype == scheduler.sigmas.dtype == torch.float32


@pytest.mark.parametrize("mu", [-0.5, 0.0, 1.15])
def test_dynamic_shifting_follows_its_formula(mu):
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=7.0)
    assert np.allclose(scheduler.sigmas, np.arange(1, 1001) / 1000)  # shift does not count
    given = np.linspace(0, 1, 6)
    scheduler.set_timesteps(sigmas=given, mu=mu)
    want = [0.0, *(np.exp(mu) / (np.exp(mu) + 1 / given[1:] - 1)), 1.0]
    assert np.allclose(scheduler.sigmas, want, atol=1e-6)


@pytest.mark.parametrize(("total", "points"), [(1000, 100), (1000, 50), (600, 40), (100, 7)])
def test_the_coarse_grid_follows_its_formula(total, points):
    scheduler = ConsistencyFlowMatchEulerDiscreteScheduler(total, points)
    indices = [0] + [k * (total // points) - 1 for k in range(1, points)]
    sigmas = np.array(indices) / (total - 1)
    assert list(scheduler.euler_timesteps) == indices
    assert np.allclose(scheduler.sigmas, sigmas, atol=1e-7)
    for steps in range(1, points + 1):
        picked = sigmas[[int(j * points / steps) for j in range(steps)]]
        scheduler.set_timesteps(steps)
        assert np.allclose(scheduler.sigmas_, [*picked, 1.0], atol=1e-7)
        assert np.allclose(scheduler.timesteps, picked * total, rtol=1e-6)


def test_a_step_is_an_euler_step_in_float32():
    generator = torch.Generator().manual_seed(0)
    velocity = torch.randn(2, 5, 3, generator=generator).half()
    sample = torch.randn(2, 5, 3, generator=generator).half()
    flow = FlowMatchEulerDiscreteScheduler()
    flow.set_timesteps(sigmas=[0.0, 0.3])
    (moved,) = flow.step(velocity, flow.timesteps[0], sample, return_dict=False)
    assert torch.equal(moved, (sample.float() + flow.sigmas[1] * velocity).half())
    assert flow.step_index == 1
    flow.set_begin_index(1)
    flow.set_timesteps(sigmas=[0.5, 0.5])  # of equal times the second one is meant
    last = flow.step(velocity, flow.timesteps[0], sample).prev_sample
    assert torch.equal(last, (sample.float() + 0.5 * velocity).half())
    pcm = ConsistencyFlowMatchEulerDiscreteScheduler(pcm_timesteps=100)
    pcm.set_timesteps(5)
    moved, final = pcm.step(velocity, pcm.timesteps[2], sample, return_dict=False)
    begin, end = pcm.sigmas_[2:4]
    assert torch.equal(moved, (sample.float() + (end - begin) * velocity).half())
    assert torch.equal(final, (sample.float() + (1 - begin) * velocity).half())


def test_noise_is_mixed_in_by_each_row_s_time():
    flow = FlowMatchEulerDiscreteScheduler()
    flow.set_timesteps(sigmas=[0.0, 0.25, 0.75])
    sample, noise = torch.full((2, 3, 4), 2.0), torch.full((2, 3, 4), 10.0)
    mixed = flow.scale_noise(sample, flow.timesteps[[1, 2]], noise)
    assert mixed[:, 0, 0].tolist() == [0.25 * 10 + 0.75 * 2, 0.75 * 10 + 0.25 * 2]
