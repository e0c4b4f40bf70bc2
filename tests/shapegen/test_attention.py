# SPDX-License-Identifier: Apache-2.0
"""A key that stands for many equal ones: by copies, by a bias, and by the kernel's sums."""

import pytest
import torch
import torch.nn.functional as F

from hy3dgen.shapegen.models.attention import (
    Repeats,
    attend,
    attend_biased,
    attend_merged,
    flash_with_sums,
    prepare_for_compiling,
)
from hy3dgen.shapegen.models.denoisers.hunyuan3ddit import modulate

TIMES = 1370


def drawn(device="cpu", dtype=torch.float32, tokens=65, width=16):
    q, k, v = torch.randn(3, 2, 4, tokens, width, generator=torch.Generator().manual_seed(0))
    return [part.to(device, dtype) for part in (q, k, v)]


def with_copies(q, k, v):
    k, v = (
        torch.cat([part[:, :, :1].expand(-1, -1, TIMES, -1), part[:, :, 1:]], 2) for part in (k, v)
    )
    return F.scaled_dot_product_attention(q, k, v)


def test_bias_and_sums_give_what_copies_give():
    q, k, v = drawn()
    want = with_copies(q.double(), k.double(), v.double())  # in float32 it is the least exact
    for got in (
        attend_biased(q, k, v, Repeats(1, TIMES)),
        attend_merged(q, k, v, TIMES, flash_with_sums),
        attend(q, k, v, Repeats(1, TIMES)),
    ):
        assert (got - want).abs().max() < 5e-6
    assert (F.scaled_dot_product_attention(q, k, v) - want).abs().max() > 0.1


def test_a_key_that_nobody_looks_at_changes_nothing_and_one_that_all_look_at_is_the_result():
    q, k, v = drawn()
    q, k[:, :, 0] = q.abs(), -100.0
    got = attend_merged(q, k, v, TIMES, flash_with_sums)
    assert torch.allclose(got, F.scaled_dot_product_attention(q, k, v), atol=1e-6)
    k[:, :, 0] = 100.0
    got = attend_merged(q, k, v, TIMES, flash_with_sums)
    assert torch.allclose(got, v[:, :, :1].expand_as(got), atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_largest_difference_on_a_gpu(dtype):
    q, k, v = drawn("cuda", dtype, 1883, 64)
    want = with_copies(q.float(), k.float(), v.float())
    got = attend_merged(q, k, v, TIMES, flash_with_sums).float()
    difference = float((got - want).abs().max())
    print(f"largest difference {difference:.2e}")
    assert difference < {torch.float16: 5e-3, torch.bfloat16: 4e-2}[dtype]


@pytest.mark.filterwarnings("error")
def test_a_compiler_sees_one_graph_where_tokens_are_repeated():
    """Which kernel to take is found out while compiling, without a break or a warning."""
    q, k, v = torch.randn(3, 1, 2, 9, 4, generator=torch.Generator().manual_seed(0))
    prepare_for_compiling()
    compiled = torch.compile(attend, backend="eager", fullgraph=True)
    repeats = Repeats(1, TIMES)
    assert torch.allclose(compiled(q, k, v, repeats), attend(q, k, v, repeats), atol=1e-6)


def test_one_time_for_all_rows_is_one_kernel_with_the_same_values():
    generator = torch.Generator().manual_seed(0)
    x, shift, scale = (
        torch.randn(2, 7, 12, generator=generator),
        *torch.randn(2, 1, 1, 12, generator=generator),
    )
    together = modulate(x, shift, scale)
    apart = modulate(x, shift.expand(2, 1, 12), scale.expand(2, 1, 12))
    assert (together - apart).abs().max() < 1e-6
