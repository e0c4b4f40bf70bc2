# SPDX-License-Identifier: Apache-2.0
"""Attention by a kernel of our own gives what attention written out in float64 gives."""

import math

import pytest
import torch
import torch.nn.functional as F

from hy3dgen.gpu import attention_kernel
from hy3dgen.gpu.attention_kernel import HEAD, Task, fits, run_tasks
from hy3dgen.shapegen.models import attention
from hy3dgen.shapegen.models.attention import Repeats, attend

dtypes = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
TOLERANCE = {torch.float16: 2e-3, torch.bfloat16: 2e-2}  # of the largest value


@pytest.fixture
def kernel(dtype):
    found = attention_kernel.attention_kernel(torch.zeros(1, HEAD, device="cuda", dtype=dtype))
    if found is None:
        pytest.skip("made for compute capability 9.0")
    return found


@pytest.fixture(params=[2, 3])
def groups(request, monkeypatch):
    """Taken at all sizes."""
    monkeypatch.setattr(attention_kernel, "_COSTS", {request.param: 1.0})


def drawn(batch, heads, queries, keys, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, tokens, heads, HEAD, generator=generator).to("cuda", dtype)
        .transpose(1, 2)
        for tokens in (queries, keys, keys)
    ]  # fmt: skip


def written_out(q, k, v, times=1):
    logits = q.double() @ k.double().transpose(-1, -2) / math.sqrt(HEAD)
    logits[..., 0] += math.log(times)
    return logits.softmax(dim=-1) @ v.double()


def outputs_for(q, *lengths):
    """Poisoned, so that what is not written is found."""
    batch, heads, tokens = q.shape[:3]
    shapes = [(batch, length, heads, HEAD) for length in lengths or [tokens]]
    return [torch.full(shape, math.nan, device="cuda", dtype=q.dtype) for shape in shapes]


def error(what, got, want):
    difference = (got.double() - want).abs()
    largest, mean = float(difference.max()), float(difference.square().mean().sqrt())
    print(f"{what}: largest difference {largest:.2e}, root mean square {mean:.2e}")
    return largest / float(want.abs().max())


@pytest.mark.gpu
@dtypes
@pytest.mark.parametrize(
    ("batch", "queries", "keys"),
    [(1, 1, 1), (2, 63, 63), (2, 64, 64), (2, 65, 65), (3, 127, 127), (1, 129, 128), (2, 192, 129),
     (2, 300, 1001), (1, 1001, 77), (1, 3073, 3073), (1, 4442, 4442)],
)  # fmt: skip
def test_any_number_of_tokens(kernel, groups, dtype, batch, queries, keys):
    q, k, v = drawn(batch, 3, queries, keys, dtype)
    for times in (1, 1370):
        (out,) = outputs = outputs_for(q)
        run_tasks(kernel, [Task(q, k, v, outputs, times)])
        want = written_out(q, k, v, times)
        assert error(f"{queries} x {keys}", out.transpose(1, 2), want) < TOLERANCE[dtype]
        again = outputs_for(q)
        run_tasks(kernel, [Task(q, k, v, again, times)])
        assert torch.equal(out, again[0])


@pytest.mark.gpu
@dtypes
@pytest.mark.parametrize("factor", [8, 200])
def test_logits_that_grow_from_tile_to_tile(kernel, groups, dtype, factor):
    q, k, v = drawn(1, 2, 500, 1500, dtype)
    k = k * torch.linspace(0.01, factor, 1500, device="cuda", dtype=dtype)[:, None]
    (out,) = outputs = outputs_for(q)
    run_tasks(kernel, [Task(q, k, v, outputs)])
    assert error(f"{factor} times", out.transpose(1, 2), written_out(q, k, v)) < TOLERANCE[dtype]
    shrinking = [part.flip(2) for part in (k, v)]
    run_tasks(kernel, [Task(q, *shrinking, outputs)])
    assert error("backwards", out.transpose(1, 2), written_out(q, *shrinking)) < TOLERANCE[dtype]


@pytest.mark.gpu
@dtypes
def test_several_tasks_with_outputs_in_two_parts(kernel, groups, dtype):
    sizes = [(1, 700), (1, 4442), (2, 513)]
    inputs = [drawn(batch, 16, tokens, tokens, dtype, tokens) for batch, tokens in sizes]
    outputs = [outputs_for(q, 200, q.shape[2] - 200) for q, _k, _v in inputs]
    run_tasks(kernel, [Task(*parts, to, 5) for parts, to in zip(inputs, outputs, strict=True)])
    for parts, to in zip(inputs, outputs, strict=True):
        got = torch.cat(to, dim=1).transpose(1, 2)
        assert error("task", got, written_out(*parts, 5)) < TOLERANCE[dtype]


@pytest.mark.gpu
@dtypes
def test_heads_in_any_layout(kernel, dtype):
    mixed = torch.randn(2, 600, 5 * 3 * HEAD, device="cuda").to(dtype)
    interleaved = attention.split_interleaved_heads(mixed, 3, 5)
    stacked = attention.split_stacked_heads(mixed, 3, 5)
    apart = [part.contiguous() for part in stacked]
    for q, k, v in (interleaved, stacked, apart):
        assert fits(q, k, v)
        (out,) = outputs = outputs_for(q)
        run_tasks(kernel, [Task(q, k, v, outputs)])
        assert error("layout", out.transpose(1, 2), written_out(q, k, v)) < TOLERANCE[dtype]


@pytest.mark.gpu
@dtypes
def test_attend_takes_it_in_a_recording_too(kernel, dtype, monkeypatch):
    q, k, v = drawn(1, 16, 1883, 1883, dtype)
    used = []
    monkeypatch.setattr(attention, "run_tasks", lambda *given: used.append(0) or run_tasks(*given))
    got = attend(q, k, v, Repeats(1, 30))
    assert used and error("attend", got, written_out(q, k, v, 30)) < TOLERANCE[dtype]
    recording = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recording):
        kept = attend(q, k, v, Repeats(1, 30))
    q.copy_(q.flip(2))
    recording.replay()
    assert torch.equal(kept, got.flip(2))


@pytest.mark.gpu
@dtypes
def test_no_less_exact_than_pytorch(kernel, dtype):
    q, k, v = drawn(1, 16, 3073, 3073, dtype)
    want = written_out(q, k, v)
    theirs = error("PyTorch", F.scaled_dot_product_attention(q, k, v), want)
    assert error("ours", attend(q, k, v), want) < 2 * theirs


@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("sizes", [(4442, 3073), (1882, 513), (513, 513), (700, 40), (9000, 600)])
def test_every_set_of_queries_is_one_block_s(groups, sizes):
    parts = [torch.empty(1, 16, tokens, HEAD, device="meta") for tokens in sizes]
    tasks = [Task(part, part, part, []) for part in parts]
    plan = attention_kernel._plan(132, groups, tasks)
    counts = [attention_kernel._sets(task, groups) for task in tasks]
    taken, slowest = [], 0.0
    for block in range(plan.blocks):  # as `next_set` does
        mine, place = [], block
        while place < sum(counts):
            mine.append(place)
            before, place = place, place + (plan.blocks if place < counts[0] else plan.step)
            if before < counts[0] <= place and block < plan.start:
                break
        taken += mine
        slowest = max(slowest, sum(sizes[place >= counts[0]] for place in mine))
    assert sorted(taken) == list(range(sum(counts)))
    assert plan.cost == pytest.approx(slowest * 64 * groups * attention_kernel._COSTS[groups])


def test_what_does_not_fit_takes_the_plain_way():
    q = torch.randn(1, 2, 1024, HEAD)
    assert attention_kernel.attention_kernel(q) is None  # on the processor
    assert torch.equal(attend(q, q, q), F.scaled_dot_product_attention(q, q, q))
    half = q.half()
    assert fits(half, half[:, :, 3:], half.expand(1, 2, 1024, HEAD))
    assert not fits(half.expand(3, 2, 1024, HEAD))  # no step from one to the next
    assert not fits(half[..., ::2])
    assert not fits(half.flatten()[4:-124].view(1, 2, 1023, HEAD)[:, :, :4])
    assert not fits(torch.zeros(1, 4, 2, HEAD + 4).half()[..., :HEAD].transpose(1, 2))
