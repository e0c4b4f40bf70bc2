# SPDX-License-Identifier: Apache-2.0
"""What the sampler leaves out changes nothing: equal tokens, repeated time values, empty steps.

float32 against float32; the sums are in another order, so 1e-5 of the largest magnitude is allowed.
"""

import pytest
import torch
from golden import Case, largest_error

from hy3dgen.shapegen.models.denoisers.hunyuan3ddit import Hunyuan3DDiT
from hy3dgen.shapegen.models.denoisers.hunyuandit import HunYuanDiTPlain
from hy3dgen.shapegen.sampling import denoise, merge_equal_tokens
from hy3dgen.shapegen.schedulers import FlowMatchEulerDiscreteScheduler


class Drawn:
    """Stands where a recorded case stands; its network and inputs are drawn."""

    def __init__(self, network, tokens, width, **settings):
        torch.manual_seed(0)
        self.module = network(in_channels=8, num_heads=2, hidden_size=32, **settings).eval()
        for parameter in self.module.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        self.tensors = {
            "in.x": torch.randn(2, 6, 8),
            "in.t": torch.rand(2),
            "in.main": torch.randn(2, tokens, width),
        }

    def __getitem__(self, name):
        return self.tensors[name]

    def build(self):
        return self.module


DRAWN = {
    "guidance": lambda: Drawn(
        Hunyuan3DDiT, 7, 12, context_in_dim=12, axes_dim=[16], depth=2, depth_single_blocks=2,
        guidance_embed=True, qkv_bias=False, time_factor=500,
    ),
    "pooled": lambda: Drawn(
        HunYuanDiTPlain, 5, 16, context_dim=16, depth=3, text_len=5, use_attention_pooling=True,
        use_pos_emb=True, input_size=6, num_moe_layers=1, num_experts=2,
    ),
}  # fmt: skip
NETWORKS = ["dit_cfg", "plain_eps", *DRAWN]


def pick(name):
    return DRAWN[name]() if name in DRAWN else Case(name)


def inputs(case, tokens=None):
    main = case["in.main"]
    x, t = case["in.x"][:1], case["in.t"][-1:]
    return x, t, main.new_zeros(1, tokens or main.shape[1], main.shape[2])


def guided(module):
    return {"guidance": torch.tensor([5.0])} if module.guidance_embed else {}


@pytest.mark.parametrize("name", NETWORKS)
def test_one_zero_token_stands_for_all_of_them(name):
    case = pick(name)
    module = case.build()
    x, t, zeros = inputs(case)
    assert zeros.shape[1] >= 4
    one, repeats = merge_equal_tokens(zeros)
    assert (one.shape[1], repeats) == (1, zeros.shape[1])
    with torch.inference_mode():
        want = module(x, t, {"main": zeros}, **guided(module))
        got = module(x, t, {"main": one}, condition_repeats=repeats, **guided(module))
    assert largest_error(got, want) < 1e-5


@pytest.mark.parametrize("name", ["dit_cfg", "guidance"])
def test_equality_holds_block_by_block_and_needs_the_weight(name):
    case = pick(name)
    module = case.build()
    x, t, zeros = inputs(case)
    blocks = [*module.double_blocks, *module.single_blocks]
    seen = {True: [], False: []}
    for block in blocks:
        block.register_forward_hook(
            lambda _block, _inputs, output: seen[merged].append(
                output[0] if isinstance(output, tuple) else output[:, -x.shape[1] :]
            )
        )
    repeats = zeros.shape[1]
    with torch.inference_mode():
        merged = False
        want = module(x, t, {"main": zeros}, **guided(module))
        merged = True
        module(x, t, {"main": zeros[:, :1]}, condition_repeats=repeats, **guided(module))
        without = module(x, t, {"main": zeros[:, :1]}, **guided(module))
    for got, all_tokens in zip(seen[True], seen[False], strict=False):
        assert largest_error(got, all_tokens) < 1e-5
    assert len(seen[False]) == len(blocks)
    assert largest_error(without, want) > 1e-3


def test_tokens_that_differ_stay():
    tokens = torch.zeros(2, 5, 3)
    tokens[1] += torch.tensor([1.0, 2.0, 3.0])
    assert merge_equal_tokens(tokens)[1] == 5  # equal within each row
    tokens[1, 3, 0] += 1e-6
    same, repeats = merge_equal_tokens(tokens)
    assert same is tokens and repeats == 1


@pytest.mark.parametrize("name", NETWORKS)
def test_time_values_of_a_whole_schedule_are_those_of_its_times(name):
    case = pick(name)
    module = case.build()
    x, _, _ = inputs(case)
    main = case["in.main"][:1]
    times = torch.tensor([0.0, 0.25, 0.9])
    guidance = torch.full((3,), 5.0) if module.guidance_embed else None
    with torch.inference_mode():
        values = module.time_values(times, guidance)
        for i, time in enumerate(times):
            want = module(x, time[None], {"main": main}, **guided(module))
            # A wrong time is given beside them, to show that it does not count.
            got = module(x, time[None] + 0.5, {"main": main}, time_values=values.at(i))
            assert largest_error(got, want) < 1e-5


def run(module, case, rows=2, **options):
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(rows, *case["in.x"].shape[1:], generator=generator)
    main = torch.randn(rows, *case["in.main"].shape[1:], generator=generator)
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[0.0, 0.3, 0.6, 1.0])
    condition = {"main": torch.cat([main, torch.zeros_like(main)])}
    with torch.inference_mode():
        return denoise(module, scheduler, latents, condition, 4.0, True, **options)


@pytest.mark.parametrize("name", ["dit_cfg", "plain_eps"])
def test_sampling_with_and_without_merging(name):
    case = Case(name)
    module = case.build()
    calls = []
    module.register_forward_pre_hook(
        lambda _module, inputs: calls.append(
            (len(inputs[0]), {key: part.shape[1] for key, part in inputs[2].items()})
        )
    )
    tokens = case["in.main"].shape[1]
    merged = run(module, case, merge_tokens=True)
    together = [(2, {"main": tokens, "empty": 1})]
    apart = [(2, {"main": tokens}), (2, {"main": 1})]
    assert calls == (together if hasattr(module, "takes_empty") else apart) * 3
    calls.clear()
    whole = run(module, case, merge_tokens=False)
    assert calls == [(4, {"main": tokens})] * 3
    assert largest_error(merged, whole) < 1e-5
    assert torch.equal(run(module, case), merged)  # the default on a CPU


def test_the_time_is_looked_at_once():
    case = Case("dit_cfg")
    module = case.build()
    seen = []
    module.time_in.register_forward_hook(lambda _module, _inputs, output: seen.append(len(output)))
    run(module, case)
    assert seen == [3]


def test_merged_tokens_keep_half_precision():
    torch.manual_seed(0)
    dit = Hunyuan3DDiT(
        in_channels=4, context_in_dim=6, hidden_size=16, num_heads=2, axes_dim=[8], depth=1,
        depth_single_blocks=1,
    ).bfloat16()  # fmt: skip
    x, t = torch.randn(1, 5, 4).bfloat16(), torch.tensor([0.5]).bfloat16()
    zeros = torch.zeros(1, 300, 6).bfloat16()
    with torch.inference_mode():
        want = dit(x, t, {"main": zeros})
        got = dit(x, t, {"main": zeros[:, :1]}, condition_repeats=300)
    assert got.dtype == torch.bfloat16
    assert largest_error(got.float(), want.float()) < 0.03
