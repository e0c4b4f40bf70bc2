# SPDX-License-Identifier: Apache-2.0
"""Both samplers against recordings of diffusers' classes of those names."""

import numpy as np
import pytest
import torch
from texture_golden import load

from hy3dgen.errors import CheckpointMismatchError, InvalidSettingError
from hy3dgen.texgen.noise_schedules import (
    TURBO_TIMESTEPS,
    Consistency,
    EulerAncestral,
    NoiseSettings,
)

CONFIG = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "_class_name": "DDIMScheduler",
    "skip_prk_steps": True,
}


def settings(**changes):
    return NoiseSettings.from_config(CONFIG, timestep_spacing="trailing", **changes)


@pytest.mark.parametrize("kind", ["v_prediction", "epsilon"])
@pytest.mark.parametrize("zero_snr", [0, 1])
def test_tables_and_steps(kind, zero_snr):
    golden = load("schedulers")

    def close(got, name):
        want = golden[f"{kind}_zsnr{zero_snr}.{name}"]
        atol = 1e-5 * float(np.abs(want).max())
        np.testing.assert_allclose(np.asarray(got), want, rtol=1e-5, atol=atol)

    chosen = settings(prediction_type=kind, rescale_betas_zero_snr=bool(zero_snr))
    euler, consistency = EulerAncestral(chosen), Consistency(chosen)
    euler.set_timesteps(30)
    consistency.set_timesteps(TURBO_TIMESTEPS)
    close(euler.timesteps, "euler_a.timesteps")
    close(euler.sigmas, "euler_a.sigmas")
    close(euler.init_noise_sigma, "init_noise_sigma")
    close(consistency.timesteps, "lcm.timesteps")
    close(consistency.alphas_cumprod, "alphas_cumprod")
    for scheduler, name in ((euler, "euler_a"), (consistency, "lcm")):
        noise = torch.Generator().manual_seed(0)
        sample = torch.from_numpy(golden[f"{kind}_zsnr{zero_snr}.x0"]) * scheduler.init_noise_sigma
        if name == "euler_a":
            close(scheduler.scale_model_input(sample, 0), "euler_a.scaled_input0")
        for i in range(4):
            output = torch.from_numpy(golden[f"{kind}_zsnr{zero_snr}.model_out{i}"])
            sample = scheduler.step(output, i, sample, noise)
            close(sample, f"{name}.step{i}")


def test_the_last_consistency_step_draws_nothing():
    consistency = Consistency(settings(prediction_type="v_prediction"))
    consistency.set_timesteps(TURBO_TIMESTEPS)
    noise = torch.Generator().manual_seed(0)
    before = noise.get_state()
    last = len(TURBO_TIMESTEPS) - 1
    consistency.step(torch.ones(1, 4, 2, 2), last, torch.ones(1, 4, 2, 2), noise)
    assert torch.equal(noise.get_state(), before)


def test_spacings():
    assert settings().times(4).tolist() == [999, 749, 499, 249]
    linspace = NoiseSettings.from_config(CONFIG)
    assert linspace.times(4).tolist() == [999, 666, 333, 0]
    leading = NoiseSettings.from_config(CONFIG, timestep_spacing="leading", steps_offset=1)
    assert leading.times(4).tolist() == [751, 501, 251, 1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prediction_type": "sample"}, "prediction_type 'sample'"),
        ({"beta_schedule": "squaredcos_cap_v2"}, "beta_schedule 'squaredcos_cap_v2'"),
    ],
)
def test_unknown_kinds_are_told(changes, words):
    with pytest.raises(CheckpointMismatchError, match=words):
        EulerAncestral(settings(**changes))
    with pytest.raises(CheckpointMismatchError, match="trained_betas"):
        NoiseSettings.from_config({**CONFIG, "trained_betas": [0.1]})
    with pytest.raises(InvalidSettingError, match="0 steps"):
        settings().times(0)
