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
