# SPDX-License-Identifier: Apache-2.0
"""Schedulers give the recorded tables and steps."""

import re

import numpy as np
import pytest
import torch
from golden import Case

from hy3dgen.errors import InvalidSettingError
from hy3dgen.shapegen.schedulers import (
    ConsistencyFlowMatchEulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
)

CASES = ["sched_flow", "sched_flow_shift3", "sched_flow_dynamic"]
CASES += ["sched_consistency", "sched_consistency_50"]


@pytest.mark.parametrize("name", CASES)
def test_recorded_tables_and_steps(name):
    case = Case(name)
    scheduler = case.build()
    for call in case.calls:
        arguments = dict(call["kwargs"])
        if call["method"] == "set_timesteps":
            spacing = re.match(r"numpy\.linspace\(0, 1, (\d+)\)", str(arguments.get("sigmas")))
            if spacing:
                arguments["sigmas"] = np.linspace(0, 1, int(spacing[1]))
            scheduler.set_timesteps(**arguments)
        elif call["method"] == "step":
            number = int(re.fullmatch(r"timesteps\[(\d+)\]", arguments["timestep"])[1])
            if number == 0:
                steps = int(re.search(r"(?:N|num_inference_steps)=(\d+)", call["after"])[1])
                restart(scheduler, steps, case)
            result = scheduler.step(
                case.values(arguments["model_output"]),
                scheduler.timesteps[number],
                case[arguments["sample"]],
            )
            for place, tensor in call["outputs"].items():
                case.check(getattr(result, place.removeprefix("return.")), tensor)
        elif call["method"] == "scale_noise":
            assert arguments["timestep"] == "timesteps[[0, 2]]"
            mixed = scheduler.scale_noise(
                case.values(arguments["sample"]),
                scheduler.timesteps[[0, 2]],
                case.values(arguments["noise"]),
            )
            case.check(mixed, call["outputs"]["return"])
        for place, tensor in call["outputs"].items():
            if place.startswith("attr:"):
                case.check(getattr(scheduler, place.removeprefix("attr:")), tensor)
        attributes = dict(call.get("attrs", {}))
        assert len(scheduler) == attributes.pop("len", len(scheduler))
        for attribute, want in attributes.items():
            assert getattr(scheduler, attribute) == pytest.approx(want, abs=1e-9)


def restart(scheduler, steps, case):
    """Set the schedule that the recorded steps ran on: the pipeline's own, from 0 to 1."""
    if scheduler.__class__ is ConsistencyFlowMatchEulerDiscreteScheduler:
        scheduler.set_timesteps(steps)
    elif scheduler.config.use_dynamic_shifting:
        scheduler.set_timesteps(steps, mu=case.calls[1]["kwargs"]["mu"])
    else:
        scheduler.set_timesteps(sigmas=np.linspace(0, 1, steps))


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
