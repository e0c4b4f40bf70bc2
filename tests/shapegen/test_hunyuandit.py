# SPDX-License-Identifier: Apache-2.0
"""The 2.1 denoiser beyond its recorded results: experts, gradients, batches, wrong settings."""

import pytest
import torch
from golden import Case

from hy3dgen.errors import InvalidSettingError
from hy3dgen.shapegen.models.denoisers.hunyuandit import HunYuanDiTPlain
from hy3dgen.shapegen.models.denoisers.moe_layers import MoEBlock


def tiny(**options):
    settings = dict(
        input_size=6, in_channels=4, hidden_size=16, context_dim=8, depth=3, num_heads=2,
        num_moe_layers=2, num_experts=4, use_attention_pooling=False, qk_norm=True,
    )  # fmt: skip
    return HunYuanDiTPlain(**(settings | options))


def test_experts_are_mixed_by_their_probabilities():
    torch.manual_seed(0)
    block = MoEBlock(dim=8, num_experts=5, moe_top_k=2, ff_inner_dim=12)
    x = torch.randn(2, 7, 8)
    probabilities = (x @ block.gate.weight.T).softmax(-1)
    want = block.shared_experts(x)
    for b, n in torch.cartesian_prod(torch.arange(2), torch.arange(7)).tolist():
        weights, experts = probabilities[b, n].topk(2)
        for weight, expert in zip(weights, experts.tolist(), strict=True):
            want[b, n] = want[b, n] + weight * block.experts[expert](x[b, n])
    assert torch.allclose(block(x), want, atol=1e-6)


def test_training_and_evaluation_agree():
    case = Case("plain_eps")
    module = case.build()
    inputs = case.values(case.calls[0]["kwargs"])
    with torch.no_grad():
        assert torch.equal(module.train()(**inputs), module.eval()(**inputs))


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    dit = tiny(use_attention_pooling=True, text_len=5, num_experts=2)
    dit(torch.randn(2, 6, 4), torch.rand(2), {"main": torch.randn(2, 5, 8)}).sum().backward()
    assert [name for name, p in dit.named_parameters() if p.grad is None] == []


def test_a_batch_with_a_pooled_condition_equals_its_rows():
    torch.manual_seed(0)
    dit = tiny(use_attention_pooling=True, text_len=5, use_pos_emb=True)
    x, t, cond = torch.randn(3, 6, 4), torch.rand(3), torch.randn(3, 5, 8)
    with torch.inference_mode():
        rows = [dit(x[i : i + 1], t[i : i + 1], {"main": cond[i : i + 1]}) for i in range(3)]
        assert torch.allclose(dit(x, t, {"main": cond}), torch.cat(rows), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(hidden_size=18), "heads 9 wide, but a multiple of 8"),
        (dict(hidden_size=272), "heads 136 wide"),
        (dict(guidance_cond_proj_dim=4), "sets guidance_cond_proj_dim"),
        (dict(moe_top_k=5), "moe_top_k is 5, but there are 4 experts"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(InvalidSettingError, match=message):
        tiny(**options)


def test_a_pooled_condition_of_another_length_is_named():
    dit = tiny(use_attention_pooling=True, text_len=5)
    with pytest.raises(InvalidSettingError, match="4 condition tokens, but this model pools 5"):
        dit(torch.randn(1, 6, 4), torch.rand(1), {"main": torch.randn(1, 4, 8)})


def decoupled(**options):
    torch.manual_seed(0)
    dit = tiny(
        context_dim=1024, with_decoupled_ca=True, additional_cond_hidden_state=6,
        decoupled_ca_dim=3, **options,
    )  # fmt: skip
    x, t = torch.randn(1, 6, 4), torch.rand(1)
    contexts = {"main": torch.randn(1, 5, 1024), "additional": torch.randn(1, 3, 6)}
    return dit, x, t, contexts


def test_an_additional_condition_is_looked_at_apart():
    dit, x, t, contexts = decoupled(decoupled_ca_weight=0.0)
    names = dit.state_dict().keys()
    assert {"additional_cond_proj.0.weight", "additional_cond_proj.2.bias"} <= names
    assert {"blocks.0.attn2.kv_proj_dca.weight", "blocks.0.attn2.k_norm_dca.weight"} <= names
    plain = tiny(context_dim=1024)
    plain.load_state_dict({k: v for k, v in dit.state_dict().items() if k in plain.state_dict()})
    with torch.inference_mode():
        assert torch.equal(dit(x, t, contexts), plain(x, t, {"main": contexts["main"]}))
        block = dit.blocks[0].attn2
        block.weight_apart = 0.7
        tokens, cond = torch.randn(1, 2, 16), torch.randn(1, 8, 1024)
        got = block(tokens, cond)
        q = block.q_norm(block.to_q(tokens).view(2, 2, 8))  # tokens, heads, d
        k, v = block.kv_proj_dca(cond[0, 5:]).view(3, 2, 2, 8).unbind(1)
        shares = (torch.einsum("nhd,mhd->hnm", q, block.k_norm_dca(k)) / 8**0.5).softmax(-1)
        apart = torch.einsum("hnm,mhd->nhd", shares, v).reshape(1, 2, 16)
        block.weight_apart = 0.0
        want = block(tokens, cond) + 0.7 * apart @ block.out_proj.weight.T
    assert torch.allclose(got, want, atol=1e-5)


def test_a_missing_additional_condition_is_named():
    dit, x, t, contexts = decoupled()
    with pytest.raises(InvalidSettingError, match="conditioner with two image encoders"):
        dit(x, t, {"main": contexts["main"]})


def test_equal_main_tokens_may_be_one_beside_an_additional_condition():
    dit, x, t, contexts = decoupled()
    one = contexts["main"][:, :1]
    with torch.inference_mode():
        many = dit(x, t, {**contexts, "main": one.expand(-1, 5, -1)})
        merged = dit(x, t, {**contexts, "main": one}, condition_repeats=5)
    assert torch.allclose(many, merged, atol=1e-6)
