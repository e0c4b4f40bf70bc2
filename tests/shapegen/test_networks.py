# SPDX-License-Identifier: Apache-2.0
"""What the networks promise beyond the recorded results, which `test_goldens.py` compares."""

import numpy as np
import pytest
import torch
from golden import Case, resolve

from hy3dgen.errors import CheckpointError, InputError, InvalidSettingError
from hy3dgen.shapegen.models import Hunyuan3DDiT, ShapeVAE
from hy3dgen.shapegen.models.autoencoders import PointSelection, farthest_points


@pytest.mark.parametrize("name", ["vae_decode_std", "vae_decode_options"])
def test_geometry_decoder_gives_the_same_logits_when_keys_are_projected_once(name):
    case = Case(name)
    decoder = case.build().geo_decoder
    latents, points = case["out.decoded"], case["in.points"]
    keys = decoder.project(latents)
    halves = [decoder.query(keys, half) for half in points.split(17, dim=1)]
    case.check(torch.cat(halves, dim=1).detach(), "out.logits")


@pytest.mark.parametrize("name", ["vae_encode_sharp", "vae_encode_eps"])
def test_encoding_with_given_points_and_with_a_generator(name):
    case = Case(name)
    vae = case.build()
    surface = case["in.surface"]
    generator = torch.Generator().manual_seed(case.calls[1]["rng_seed"])
    with torch.inference_mode():
        uniform, sharp = vae.encoder.select_points(surface[..., :3], generator)
        parts = [uniform] if sharp is None else [uniform, sharp]
        selection = PointSelection(
            torch.cat([part.queries for part in parts], dim=1),
            torch.cat([part.data for part in parts], dim=1),
        )
        assert torch.equal(uniform.data[0], case["in.idx_random_pc"])
        case.check(vae.encode(surface, sample_posterior=False, selection=selection), "out.mode")
        generator.manual_seed(case.calls[2]["rng_seed"])
        case.check(vae.encode(surface, generator=generator), "out.sample")


def test_farthest_points_of_a_square_are_its_corners():
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
    middle = torch.full((20, 3), 0.5) + 0.1 * torch.rand(20, 3)
    middle[:, 2] = 0
    cloud = torch.cat([corners[:1], middle, corners[1:]])[None]
    assert set(farthest_points(cloud, 4)[0].tolist()) == {0, 21, 22, 23}


def test_a_random_start_is_drawn_from_the_generator():
    fps = resolve("hy3dgen.shapegen.models.autoencoders.attention_blocks.fps")
    points = torch.rand(100, 3)
    batch = torch.repeat_interleave(torch.arange(2), 50)
    picks = {
        tuple(fps(points, batch, 0.1, generator=torch.Generator().manual_seed(seed)).tolist())
        for seed in (1, 1, 2)
    }
    assert len(picks) == 2
    assert all(max(pick[:5]) < 50 <= min(pick[5:]) for pick in picks)


def test_a_posterior_does_not_diverge_from_itself():
    posterior = Case("diagonal_gaussian").build()
    assert torch.allclose(posterior.kl(posterior, dims=(1, 2)), torch.zeros(()), atol=1e-6)


def tiny_vae(**options):
    settings = dict(num_latents=8, embed_dim=4, width=16, heads=2, num_decoder_layers=1)
    encoder = dict(num_encoder_layers=1, pc_size=64, pc_sharpedge_size=0, downsample_ratio=4)
    return ShapeVAE(**settings, **encoder, **options)


def test_every_vae_parameter_gets_a_gradient():
    vae = tiny_vae(qk_norm=True)
    posterior = vae.encode_posterior(torch.rand(2, 64, 6))
    tokens = vae.decode(posterior.sample())
    loss = vae.geo_decoder(torch.rand(2, 30, 3), latents=tokens).square().mean()
    (loss + posterior.kl(dims=(1, 2)).mean()).backward()
    assert [name for name, p in vae.named_parameters() if p.grad is None] == []


def test_every_denoiser_parameter_gets_a_gradient_under_autocast():
    dit = Hunyuan3DDiT(
        in_channels=4, context_in_dim=6, hidden_size=16, num_heads=2, axes_dim=[8],
        depth=1, depth_single_blocks=1, guidance_embed=True,
    )  # fmt: skip
    with torch.autocast("cpu", dtype=torch.bfloat16):
        velocity = dit(
            torch.randn(2, 5, 4), torch.rand(2), {"main": torch.randn(2, 3, 6)}, torch.ones(2)
        )
    velocity.float().square().mean().backward()
    # The last block's condition tokens are dropped at the end but looked at before.
    assert [name for name, p in dit.named_parameters() if p.grad is None] == []


def test_denoiser_does_not_care_about_the_order_of_latents():
    case = Case("dit_cfg")
    dit = case.build()
    order = torch.tensor(np.random.default_rng(0).permutation(case["in.x"].shape[1]))
    with torch.inference_mode():
        velocity = dit(case["in.x"][:, order], case["in.t"], {"main": case["in.main"]})
    assert torch.allclose(velocity, case["out.y"][:, order], atol=1e-5)


def test_wrong_network_settings_are_named():
    with pytest.raises(InvalidSettingError, match="num_heads 5"):
        Hunyuan3DDiT(hidden_size=16, num_heads=5)
    with pytest.raises(InvalidSettingError, match="adds up to 64, but a head is 8 wide"):
        Hunyuan3DDiT(hidden_size=16, num_heads=2)
    with pytest.raises(InputError, match="63 points"):
        tiny_vae().encode(torch.rand(1, 63, 6))
    with pytest.raises(InputError, match=r"4 values a point beside its place, .* takes 3"):
        tiny_vae().encode(torch.rand(1, 64, 7))


def test_encoding_without_an_encoder_says_so():
    vae = tiny_vae()
    vae.drop_encoder()
    with pytest.raises(CheckpointError, match="no encoder"):
        vae.encode(torch.rand(1, 64, 6))
