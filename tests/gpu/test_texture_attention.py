# SPDX-License-Identifier: Apache-2.0
"""Every kernel that the texture networks' attention may run on gives what the plain one gives."""

import pytest
import torch

from hy3dgen.gpu.attention_kernel import HEAD, kernel_for
from hy3dgen.texgen.hunyuanpaint import fast_attention
from hy3dgen.texgen.hunyuanpaint.block_layers import Attention

# Batch, heads, queries, keys: of the views together, each alone, and of the references.
SHAPES = [
    (2, 5, 24576, 24576),
    (1, 5, 24576, 4096),
    (12, 5, 4096, 4096),
    (2, 10, 6144, 6144),
    (12, 10, 1024, 1024),
    (1, 10, 6144, 3072),
    (2, 20, 1536, 1536),
]


def drawn(batch, heads, queries, keys, device="cuda", dtype=torch.float16):
    """As the networks lay them: token by token, a head being a part of one."""
    generator = torch.Generator(device).manual_seed(0)
    return [
        torch.randn(batch, tokens, heads, HEAD, generator=generator, device=device)
        .to(dtype)
        .transpose(1, 2)
        for tokens in (queries, keys, keys)
    ]


@pytest.mark.gpu
@pytest.mark.parametrize("shape", SHAPES)
def test_kernels_agree(shape):
    q, k, v = drawn(*shape)
    with torch.inference_mode():
        want = fast_attention.attend_plainly(q, k, v).float()
        for kernel in (fast_attention.attend_by_ours, fast_attention.attend):
            difference = float((kernel(q, k, v).float() - want).abs().max())
            print(f"{shape} {kernel.__name__}: largest difference {difference:.2e}")
            assert difference < 2e-3
    print(f"{shape}: {fast_attention.fastest(q, k, v).__name__}")


@pytest.mark.gpu
def test_our_kernel_takes_what_the_networks_give_it():
    if torch.cuda.get_device_capability() != (9, 0):
        pytest.skip("made for compute capability 9.0")
    for shape in SHAPES:
        assert kernel_for([tuple(drawn(*shape))]) is not None
    layer = Attention(320, 5)
    split = torch.zeros(2, 4096, 960, device="cuda", dtype=torch.float16).split([320] * 3, dim=-1)
    assert kernel_for([tuple(layer.split(part) for part in split)]) is not None


@pytest.fixture
def forgotten(monkeypatch):
    monkeypatch.setattr(fast_attention, "_fastest", {})


@pytest.mark.gpu
def test_a_shape_first_met_in_a_recording_takes_the_plain_way(forgotten):
    q, k, v = drawn(1, 2, 1500, 1500)
    want = fast_attention.attend_plainly(q, k, v)
    recording = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recording):
        got = fast_attention.attend(q, k, v)
    recording.replay()
    assert torch.equal(got, want) and not fast_attention._fastest


def tried(monkeypatch, milliseconds, ours=None):
    """Which kernel is taken if they need so long, and ours gives that."""
    times = iter(milliseconds)
    monkeypatch.setattr(fast_attention, "_milliseconds", lambda function: next(times))

    def attend_by_ours(q, k, v):
        return fast_attention.attend_plainly(q, k, v) if ours is None else ours(q, k, v)

    def attend_by_cudnn(q, k, v):
        raise RuntimeError("no kernel is available")

    monkeypatch.setattr(fast_attention, "attend_by_ours", attend_by_ours)
    monkeypatch.setattr(fast_attention, "attend_by_cudnn", attend_by_cudnn)
    chosen = fast_attention._try_all(*drawn(1, 2, 30, 40, "cpu", torch.float32))
    return chosen.__name__.removeprefix("attend_")


def test_the_faster_one_is_taken(monkeypatch):
    assert tried(monkeypatch, [1.0, 0.8]) == "by_ours"


def test_the_plain_one_unless_another_is_clearly_faster(monkeypatch):
    assert tried(monkeypatch, [1.0, 0.98]) == "plainly"


@pytest.mark.parametrize("factor", [1.1, float("nan")])
def test_one_that_gives_something_else_is_left(monkeypatch, factor):
    assert tried(monkeypatch, [1.0, 0.1], lambda q, k, v: factor * v[:, :, :30]) == "plainly"


def test_on_a_processor_nothing_is_tried():
    q, k, v = drawn(1, 1, 1100, 1100, "cpu", torch.float32)
    assert torch.equal(fast_attention.attend(q, k, v), fast_attention.attend_plainly(q, k, v))
    assert torch.equal(
        fast_attention.attend_by_ours(q, k, v), fast_attention.attend_plainly(q, k, v)
    )
    assert fast_attention.fastest(q, k, v) is fast_attention.attend_plainly
