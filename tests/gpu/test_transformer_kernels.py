# SPDX-License-Identifier: Apache-2.0
"""Blocks with kernels between the matrix products give what the plain blocks give."""

import pytest
import torch
from torch import nn

from hy3dgen.gpu import transformer_kernels
from hy3dgen.shapegen.models import attention
from hy3dgen.shapegen.models.denoisers import fused_blocks
from hy3dgen.shapegen.models.denoisers.hunyuan3ddit import Hunyuan3DDiT, modulate

devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
dtypes = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])


@pytest.fixture
def kernels(request, device):
    if device == "cpu":
        return request.getfixturevalue("host_kernels")
    return transformer_kernels.transformer_kernels(
        torch.zeros(1, device="cuda", dtype=torch.float16), 1024, 64
    )


def random(*shape, device, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).to(device, dtype)


def error(what, got, want):
    largest = float((got.float() - want.float()).abs().max())
    scale = float(want.float().abs().max())
    print(f"{what}: largest difference {largest:.2e} of {scale:.2e}")
    return largest / scale


@devices
@dtypes
def test_gated_residual_and_modulated_norm(kernels, device, dtype):
    x = random(2, 5, 1024, device=device, dtype=dtype)
    wide = random(2, 5, 1536, device=device, dtype=dtype, seed=1)
    y = wide[..., :1024]
    gate, shift, scale = random(3, 1024, device=device, dtype=dtype, seed=2).unbind(0)
    want = torch.addcmul(x.float(), gate.float(), y.float())
    tolerance = 2e-3 if dtype is torch.float16 else 2e-2
    sums = x.clone()
    normed = transformer_kernels.gated_norm(kernels, sums, y, gate, shift, scale)
    assert error("residual", sums, want) < tolerance
    assert error("norm", normed, modulate(want, shift.float(), scale.float())) < tolerance
    alone = x.clone()
    assert transformer_kernels.gated_norm(kernels, alone, y, gate, None, None) is alone
    assert torch.equal(alone, sums)


@devices
@dtypes
def test_norms_of_heads_go_behind_other_tokens(kernels, device, dtype):
    qkv = random(2, 7, 3 * 1024, device=device, dtype=dtype)
    q_weight, k_weight = random(2, 64, device=device, dtype=dtype, seed=3).unbind(0)
    targets = [torch.zeros(2, 10, 16, 64, device=device, dtype=dtype) for _ in range(3)]
    transformer_kernels.head_norms(kernels, qkv, q_weight, k_weight, tuple(targets), 3)
    parts = qkv.unflatten(-1, (3, 16, 64)).unbind(2)
    tolerance = 2e-3 if dtype is torch.float16 else 2e-2
    for target, part, weight in zip(targets, parts, (q_weight, k_weight, None), strict=True):
        assert not target[:, :3].any()
        want = part.float()
        if weight is not None:
            want = torch.nn.functional.rms_norm(want, (64,), eps=1e-6) * weight.float()
        assert error("heads", target[:, 3:], want) < tolerance


@devices
@dtypes
def test_copies_of_the_first_key(kernels, device, dtype):
    q, k, v = random(2, 9, 3, 4, 64, device=device, dtype=dtype).permute(2, 0, 3, 1, 4).unbind(0)
    logits = q.float() @ k.float().transpose(-1, -2) / 8
    once = (logits.softmax(dim=-1) @ v.float()).to(dtype).transpose(1, 2).contiguous()
    once = once.transpose(1, 2)  # as the layout of q is
    log_sums = logits.logsumexp(dim=-1)
    want = attention.attend_biased(q.float(), k.float(), v.float(), attention.Repeats(1, 30))
    transformer_kernels.add_copies(kernels, once, q, k, v, log_sums, 29, 1 / 8)
    assert error("copies", once, want) < (2e-3 if dtype is torch.float16 else 2e-2)


def attend_in_plain_steps(_own, tasks):
    for task in tasks:
        repeats = attention.Repeats(1, task.times)
        whole = attention.attend_biased(task.q, task.k, task.v, repeats).transpose(1, 2)
        parts = whole.split([output.shape[1] for output in task.outputs], dim=1)
        for output, part in zip(task.outputs, parts, strict=True):
            output.copy_(part)


@pytest.fixture(params=["half by half", "together"])
def launches(request, device, monkeypatch):
    """Attention of all halves in one launch, also where there is no kernel for that; or not."""
    if request.param == "half by half":
        monkeypatch.setattr(fused_blocks, "own_kernel", lambda _calls: None)
    elif device == "cpu":
        monkeypatch.setattr(fused_blocks, "own_kernel", lambda _calls: "one")
        monkeypatch.setattr(fused_blocks, "run_tasks", attend_in_plain_steps)
    else:
        monkeypatch.setattr(attention, "_FEWEST_PRODUCTS", 0)


@devices
@dtypes
@pytest.mark.parametrize("tokens", [{"main": 20}, {"main": 1}, {"main": 20, "empty": 1}])
@torch.inference_mode()
def test_network_gives_what_it_gave(kernels, launches, device, dtype, tokens, monkeypatch):
    torch.manual_seed(0)
    network = Hunyuan3DDiT(64, 48, 1024, 4.0, 16, 2, 2).eval().requires_grad_(False)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.03 if parameter.ndim > 1 else 0.3)
    exact = network.to(device).float()
    x = random(2, 12, 64, device=device, dtype=torch.float32)
    contexts = {
        name: random(2, count, 48, device=device, dtype=torch.float32, seed=count)
        for name, count in tokens.items()
    }
    repeats = 9 if 1 in tokens.values() else 1
    t = torch.tensor([0.3], device=device)
    want = exact(x, t, contexts, time_values=exact.time_values(t), condition_repeats=repeats)

    network = network.to(dtype)
    half = {name: part.to(dtype) for name, part in contexts.items()}
    values = network.time_values(t, None, dtype).at(0)
    arguments = {"time_values": values, "condition_repeats": repeats}
    monkeypatch.setattr(fused_blocks, "transformer_kernels", lambda *_: None)
    plain = network(x.to(dtype), t, half, **arguments)
    asked = []
    monkeypatch.setattr(fused_blocks, "transformer_kernels", lambda *_: asked.append(0) or kernels)
    fused = network(x.to(dtype), t, half, **arguments)
    assert asked
    theirs, ours = error("plain network", plain, want), error("fused network", fused, want)
    assert len(fused) == 2 * len(tokens) and 0 < ours < 1.5 * theirs + 1e-3


@torch.inference_mode()
def test_a_call_with_the_empty_condition_is_two_calls():
    torch.manual_seed(0)
    network = Hunyuan3DDiT(8, 12, 32, 2.0, 4, 2, 2, axes_dim=(8,)).eval()
    x, main, empty = torch.randn(2, 5, 8), torch.randn(2, 7, 12), torch.zeros(2, 1, 12)
    t = torch.tensor([0.3])
    apart = [network(x, t, {"main": main}), network(x, t, {"main": empty}, condition_repeats=7)]
    both = network(x, t, {"main": main, "empty": empty}, condition_repeats=7)
    assert torch.equal(both, torch.cat(apart))


def test_other_widths_and_types_take_the_plain_way():
    half = torch.zeros(1, dtype=torch.float16)
    assert transformer_kernels.transformer_kernels(half, 1024, 64) is None  # on the processor
