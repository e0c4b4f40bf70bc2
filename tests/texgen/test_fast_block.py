# SPDX-License-Identifier: Apache-2.0
"""The networks' blocks with fewer passes over memory give what the plain ones give."""

import pytest
import torch
from test_paint_network import CONFIG, random_inputs

from hy3dgen.texgen.hunyuanpaint import fast_block, transformer
from hy3dgen.texgen.hunyuanpaint.paint_unet import PaintUNet
from hy3dgen.texgen.hunyuanpaint.settings import unet_settings
from hy3dgen.texgen.hunyuanpaint.transformer import Views
from hy3dgen.texgen.hunyuanpaint.unet import UNet

CAMERAS = torch.tensor([[21, 12, 15]])


@pytest.fixture
def in_place(monkeypatch):
    """A function after whose call blocks work in place, on any device and without kernels."""
    return lambda: monkeypatch.setattr(transformer, "is_fused", lambda x: True)


def made(network, *arguments, **options):
    torch.manual_seed(0)
    return network(unet_settings(CONFIG), *arguments, **options).eval().requires_grad_(False)


def close(got, want):
    torch.testing.assert_close(got, want, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("arranged", [False, True])
@pytest.mark.parametrize("scales", [(1.0,), (0.0, 1.0), (0.0, 0.0), (1.0, 0.5)])
@pytest.mark.parametrize("count", [1, 3])
@torch.inference_mode()
def test_painting_blocks(in_place, arranged, scales, count):
    network = made(PaintUNet)
    (sample, normal, position, reference), text = random_inputs(len(scales), count)
    cameras = CAMERAS[:, :count].expand(len(scales), -1)
    inputs = sample, 400, text, normal, position, reference, cameras, None, 1.0, scales
    (want,) = network(*inputs)
    if arranged:
        network.arrange()
    in_place()
    close(network(*inputs)[0], want)


@pytest.mark.parametrize("fast", [False, True])
@torch.inference_mode()
def test_guided_calls_share_what_is_the_same(in_place, fast):
    network = made(PaintUNet)
    (sample, normal, position, reference), text = random_inputs(1, 3)
    both = [torch.cat([one, one]) for one in (sample, normal, position)]
    texts = torch.cat([torch.zeros_like(text), text])
    features = network.look_at_references(reference)
    options = {"camera_info_gen": CAMERAS, "ref_scale": [0.0, 1.0]}
    (want,) = network(
        both[0], 400, texts, *both[1:], None, CAMERAS.expand(2, -1), ref_scale=[0.0, 1.0],
        condition_embed_dict=features,
    )  # fmt: skip
    if fast:
        in_place()
    kept = network.contexts(text, features, [0.0, 1.0], silent=1)
    for _ in range(2):
        (got,) = network(
            sample, 400, text, normal, position, **options, condition_embed_dict={}, kept=kept,
            silent=1,
        )  # fmt: skip
        close(got, want)
    # Nobody asks anything: the half without text and references by itself.
    kept = network.contexts(text[:0], features, [0.0], silent=1)
    (alone,) = network(
        sample, 400, text[:0], normal, position, None, CAMERAS, ref_scale=[0.0],
        condition_embed_dict={}, kept=kept, silent=1,
    )  # fmt: skip
    close(alone, want[:3])


@torch.inference_mode()
def test_ordinary_blocks_and_kept_text(in_place):
    network = made(UNet)
    (sample, *_), text = random_inputs(2, 1)
    want = network(sample[:, 0], 30, text)
    in_place()
    network.arrange()
    close(network(sample[:, 0], 30, text), want)
    close(network(sample[:, 0], 30, text, views=Views(1, kept=network.keep_text(text))), want)


def test_weights_lie_side_by_side_under_their_names():
    network, other = made(PaintUNet), made(PaintUNet)
    network.arrange()
    state, before = network.state_dict(), other.state_dict()
    assert state.keys() == before.keys()
    assert all(torch.equal(state[name], before[name]) for name in state)
    block = network.unet.transformers()["down_0_0_0"]
    layers = [block.transformer.attn1.to_q, block.transformer.attn1.to_k]
    together = fast_block.side_by_side(layers)
    assert torch.equal(together, torch.cat([layer.weight for layer in layers]))
    network.double()  # as any move does: they lie apart again, and are used one by one
    assert fast_block.side_by_side(layers) is None
