# SPDX-License-Identifier: Apache-2.0
"""Painting of several views against recordings at a small size, base and turbo."""

import numpy as np
import pytest
import torch
from texture_golden import load

from hy3dgen.texgen.hunyuanpaint.autoencoder import Autoencoder, with_new_names
from hy3dgen.texgen.hunyuanpaint.paint_unet import PaintUNet
from hy3dgen.texgen.hunyuanpaint.pipeline import HunyuanPaintPipeline
from hy3dgen.texgen.hunyuanpaint.settings import autoencoder_settings, unet_settings
from hy3dgen.texgen.noise_schedules import Consistency, EulerAncestral, NoiseSettings


def tensors(golden, prefix):
    return {
        name.removeprefix(prefix): torch.from_numpy(value)
        for name, value in golden.tensors.items()
        if name.startswith(prefix)
    }


@pytest.fixture(scope="module")
def vae():
    golden = load("pipeline")
    made = Autoencoder(autoencoder_settings(golden.info["vae_config"]))
    made.load_state_dict(tensors(golden, "vae."))
    return made.eval()


def make_pipeline(vae, mode, views_at_once=6):
    golden = load("pipeline")
    unet = PaintUNet(unet_settings(golden.info["unet_config"]))
    if "sd.unet.conv_in.weight" in golden:
        unet.load_state_dict(tensors(golden, "sd."))
    config = golden.info["scheduler_config"]
    settings = NoiseSettings.from_config(config, timestep_spacing="trailing")
    scheduler = {"base": EulerAncestral, "turbo": Consistency}[mode](settings)
    return HunyuanPaintPipeline(unet.eval(), vae, scheduler, golden.info["view"], views_at_once)


@torch.inference_mode()
def test_latents_of_the_references(vae):
    golden = load("pipeline")
    for views_at_once in (6, 1):
        pipeline = make_pipeline(vae, "base", views_at_once)
        found = pipeline.encode(golden["ref_u8"], torch.Generator().manual_seed(0))
        np.testing.assert_allclose(found.numpy(), golden["base.ref_latents"], atol=1e-4)


@pytest.mark.parametrize("mode", ["base", "turbo"])
@torch.inference_mode()
def test_every_step(vae, mode):
    golden = load("pipeline")
    golden.need("sd.unet.conv_in.weight", f"{mode}.images")
    pipeline = make_pipeline(vae, mode)
    steps = []
    latents = pipeline.paint(
        *(golden[f"{name}_u8"] for name in ("ref", "normal", "position")),
        golden.info["camera_info_gen"],
        golden.info["base_steps"],
        golden.info["guidance_scale"],
        callback=lambda i, latents: steps.append(latents.numpy().copy()),
    )
    assert pipeline.scheduler.timesteps.tolist() == golden.info[mode]["timesteps"]
    np.testing.assert_allclose(np.stack(steps), golden[f"{mode}.latents"], atol=1e-4)
    images = np.stack(list(pipeline.decode(latents)))
    half = 0.5 / 255  # of the rounding to bytes
    np.testing.assert_allclose(images / 255, golden[f"{mode}.images"], atol=2e-3 + half)


@torch.inference_mode()
def test_slices_of_views_decode_to_the_same(vae):
    latents = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    together = np.stack(list(make_pipeline(vae, "base", 6).decode(latents)))
    one_by_one = np.stack(list(make_pipeline(vae, "base", 1).decode(latents)))
    assert together.shape == (3, 64, 64, 3)
    np.testing.assert_allclose(one_by_one, together, atol=1e-5)


def test_old_names_of_the_autoencoder(vae):
    state = vae.state_dict()
    old = {}
    for name, value in state.items():
        if ".attentions." in name:
            for new, was in (("to_q", "query"), ("to_k", "key"), ("to_v", "value")):
                if f".{new}." in name and value.ndim == 2:
                    value = value[:, :, None, None]
                name = name.replace(f".{new}.", f".{was}.")
            name = name.replace(".to_out.0.", ".proj_attn.")
        old[name] = value
    assert old.keys() != state.keys()
    renamed = with_new_names(old)
    assert renamed.keys() == state.keys()
    assert all(torch.equal(renamed[name], state[name]) for name in state)
