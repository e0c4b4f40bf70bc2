# SPDX-License-Identifier: Apache-2.0
"""Leaving steps out by what the geometry does, and previews within their share of the time."""

import numpy as np
import pytest
import torch

from hy3dgen.errors import InvalidSettingError
from hy3dgen.mesh import TriangleMesh
from hy3dgen.shapegen.coarse_preview import CleanLatents
from hy3dgen.shapegen.pipelines import Hunyuan3DDiTFlowMatchingPipeline, export_to_arrays
from hy3dgen.shapegen.schedulers import (
    ConsistencyFlowMatchEulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
)
from hy3dgen.shapegen.step_saving import Previews, StepSaving, StepWatch
from training.evaluate import BUNDLED, held_out_pictures
from training.metrics import decoded_solid, iou
from training.programs.batch import ProgramBatch
from training.programs.programs import make_programs


@pytest.fixture(scope="module")
def pipeline():
    return Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(BUNDLED, device="cpu")


@pytest.fixture(scope="module")
def picture():
    return held_out_pictures(ProgramBatch.from_programs(make_programs(7, range(1))), 7)[0]


class Calls:
    """Counts the denoiser's calls."""

    def __init__(self, network):
        self.count = 0
        self.hook = network.register_forward_hook(self.add)

    def add(self, *_ignored):
        self.count += 1


def run(pipeline, picture, steps=12, **options):
    """The denoised latents, and how often the network was called for each half."""
    calls = Calls(pipeline.model)
    latents = pipeline(
        picture, num_inference_steps=steps + 1, guidance_scale=2.0, output_type="latent",
        generator=torch.Generator("cpu").manual_seed(0), **options,
    )  # fmt: skip
    calls.hook.remove()
    return latents, calls.count


@torch.inference_mode()
def agreement(pipeline, one, other):
    vae = pipeline.vae
    solids = [decoded_solid(vae, vae.decode(x / vae.scale_factor), 48) for x in (one, other)]
    return float(iou(*solids))


def test_off_changes_nothing_and_limits_of_zero_neither(pipeline, picture):
    plain, calls = run(pipeline, picture)
    watched, watched_calls = run(pipeline, picture, step_saving=StepSaving())
    assert torch.equal(plain, watched) and calls == watched_calls == 12


def test_reuse_saves_calls_and_keeps_the_shape(pipeline, picture):
    plain, _ = run(pipeline, picture)
    saved, calls = run(pipeline, picture, step_saving=StepSaving(reuse_below=0.2))
    assert 6 <= calls <= 9
    assert agreement(pipeline, plain, saved) > 0.9


def test_early_stop_saves_calls_and_keeps_the_shape(pipeline, picture):
    plain, _ = run(pipeline, picture)
    saved, calls = run(pipeline, picture, step_saving=StepSaving(stop_below=0.05))
    assert calls < 12
    assert agreement(pipeline, plain, saved) > 0.9


@pytest.mark.parametrize(
    "wrong", [{"stop_below": -0.1}, {"reuse_below": 2}, {"every": 0}, {"resolution": 2}]
)
def test_bad_settings_are_told(wrong):
    with pytest.raises(InvalidSettingError):
        StepSaving(**wrong)


def test_looks_compare_with_the_look_before(pipeline):
    watch = StepWatch(StepSaving(stop_below=0.01, every=1, resolution=12), pipeline.vae)
    generator = torch.Generator().manual_seed(0)
    one, two = torch.randn(2, 1, *pipeline.vae.latent_shape, generator=generator)
    with torch.inference_mode():
        assert watch.after(1, 9, lambda: one) == "go on"
        assert watch.after(2, 9, lambda: two) == "go on"
        assert watch.after(3, 9, lambda: two) == "stop"
    (first, changed), (second, same) = watch.looks
    assert (first, second, same) == (2, 3, 0.0) and changed > 0.01


def test_previews_are_meshes_on_the_way(pipeline, picture):
    seen = []
    run(pipeline, picture, preview=seen.append)
    slow = _Clock(step=100.0)
    watcher = Previews(pipeline.vae, seen.append, clock=slow)
    latents, _ = run(pipeline, picture)
    with torch.inference_mode():
        for step in range(1, 10):
            slow.now += 100
            watcher.after(step, 9, lambda: latents)
    assert len(seen) >= 2
    mesh = TriangleMesh(*export_to_arrays(seen[-1]))
    assert len(mesh.faces) > 100 and np.abs(mesh.vertices).max() <= 1.01
    assert mesh.volume > 0


class _Clock:
    """Advances by a thousandth of a step whenever it is asked."""

    def __init__(self, step):
        self.now, self.tick = 0.0, step / 1000

    def __call__(self):
        self.now += self.tick
        return self.now


def test_previews_stay_within_their_share_and_out_of_a_run_that_is_too_short(pipeline):
    latents = torch.zeros(1, *pipeline.vae.latent_shape)
    for step_seconds in (5.0, 500.0):
        clock = _Clock(1000.0)  # a second whenever it is asked
        watcher = Previews(pipeline.vae, lambda mesh: None, clock=clock)
        with torch.inference_mode():
            for step in range(1, 21):
                clock.now += step_seconds
                watcher.after(step, 20, lambda: latents)
        assert watcher.spent <= max(0.05 * 20 * step_seconds, 4)


def test_what_a_vae_costs_is_remembered(pipeline):
    latents, costs = torch.zeros(1, *pipeline.vae.latent_shape), []
    for _ in range(4):
        clock = _Clock(1000.0)
        watcher = Previews(pipeline.vae, lambda mesh: None, clock=clock, costs=costs)
        with torch.inference_mode():
            for step in range(1, 6):
                clock.now += 5
                watcher.after(step, 5, lambda: latents)
    assert len(costs) == 2 and watcher.spent == 0, "too short a run, known without a trial"


@pytest.mark.parametrize(
    "scheduler",
    [FlowMatchEulerDiscreteScheduler(), ConsistencyFlowMatchEulerDiscreteScheduler(1000, 100)],
)
def test_guesses_know_what_time_was_reached(scheduler):
    scheduler.set_timesteps(5, sigmas=np.linspace(0, 1, 5))
    guesses, sample = CleanLatents(scheduler), torch.zeros(1, 2, 3)
    times = []
    for index, timestep in enumerate(scheduler.timesteps):
        outputs = scheduler.step(torch.ones_like(sample), timestep, sample)
        guess = guesses.after_step(index, outputs)
        sample = outputs.prev_sample
        times.append(guesses.time)
        if guess is not None:
            assert torch.allclose(guess, torch.ones_like(guess), atol=1e-5)
    assert times == pytest.approx([float(t) for t in (*scheduler.timesteps[1:] / 1000, 1)])
