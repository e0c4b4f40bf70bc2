# SPDX-License-Identifier: Apache-2.0
"""The geometry decoder's folded query against its plain steps."""

import pytest
import torch
from torch import nn

from hy3dgen.gpu import decoder_kernels
from hy3dgen.shapegen.models.autoencoders.attention_blocks import CrossAttentionDecoder, KeysValues
from hy3dgen.shapegen.models.autoencoders.attention_processors import (
    FlashVDMCrossAttentionProcessor,
)
from hy3dgen.shapegen.models.autoencoders.fused_query import FusedQuery, foldable, fused_query
from hy3dgen.shapegen.models.embeddings import FourierEmbedder


def decoder(narrow, qk_norm=True, heads=4, width=256):
    torch.manual_seed(0)
    made = CrossAttentionDecoder(
        fourier_embedder=FourierEmbedder(8, include_pi=False), width=width, heads=heads,
        downsample_ratio=2 if narrow else 1, mlp_expand_ratio=1 if narrow else 4,
        enable_ln_post=not narrow, qkv_bias=False, qk_norm=qk_norm,
    )  # fmt: skip
    for name, parameter in made.named_parameters():
        nn.init.normal_(parameter, std=0.1)
        if parameter.ndim == 1 and name.endswith("weight"):
            parameter.data += 1
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize("narrow", [True, False])
@torch.inference_mode()
def test_the_cpu_goes_in_plain_steps(narrow):
    made = decoder(narrow)
    assert foldable(made)
    assert FusedQuery().weights(made, made.project(torch.randn(1, 9, 256))) is None


@pytest.mark.parametrize("folded", [object(), None])
@torch.inference_mode()
def test_a_first_call_is_cut_into_the_same_chunks_as_later_ones(monkeypatch, folded):
    """Whether kernels will be used was known after the first call only: its chunks were smaller,
    and half precision rounded otherwise than in every later picture."""
    monkeypatch.setattr(FusedQuery, "weights", lambda self, decoder, projected: folded)
    made = decoder(narrow=False)
    found = made.activation_bytes(made.project(torch.randn(1, 9, 256)))
    assert found == 2 * (6 * 256 + (2 * 1024 if folded is None else 0))


@pytest.mark.gpu
@pytest.mark.skipif(not decoder_kernels.AVAILABLE, reason="no Triton")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("qk_norm", [True, False])
@pytest.mark.parametrize("narrow", [True, False])
@torch.inference_mode()
def test_folded_query_is_as_near_as_plain_steps(narrow, qk_norm, dtype):
    made = decoder(narrow, qk_norm).cuda()
    latents = torch.randn(2, 70, 256, device="cuda")
    points = 2 * torch.rand(2, 5001, 3, device="cuda") - 1  # rows do not fill the last block
    exact = made.plain_query(made.project(latents), points)
    made.to(dtype)
    projected = made.project(latents.to(dtype))
    folded = FusedQuery().weights(made, projected)
    assert folded is not None
    plain = made.plain_query(projected, points).float()
    got = fused_query(made, folded, projected, points).float()
    size = exact.abs().max()
    errors = [float((value - exact).abs().max() / size) for value in (plain, got)]
    print(f"{dtype} narrow {narrow}: largest error plain {errors[0]:.2e}, folded {errors[1]:.2e}")
    assert errors[1] < 1.5 * errors[0] + 1e-3
    assert torch.equal(made.query(projected, points).float(), got)


@pytest.mark.gpu
@pytest.mark.skipif(not decoder_kernels.AVAILABLE, reason="no Triton")
@torch.inference_mode()
def test_processors_keep_what_they_were_told():
    made = decoder(narrow=True).cuda().half()
    processor = FlashVDMCrossAttentionProcessor(topk=True)
    made.set_cross_attention_processor(processor)
    projected = made.project(torch.randn(1, 512, 256, device="cuda").half())
    points = 2 * torch.rand(1, 600, 3, device="cuda") - 1
    got = made.query(projected, points)
    assert processor.topk is False
    processor.topk = True
    want = made.plain_query(KeysValues(*projected), points)
    assert (got - want).abs().max() < 0.02 * want.abs().max()


@pytest.mark.gpu
@pytest.mark.skipif(not decoder_kernels.AVAILABLE, reason="no Triton")
@torch.inference_mode()
def test_changed_weights_are_folded_anew():
    made = decoder(narrow=True).cuda().half()
    projected = made.project(torch.randn(1, 70, 256, device="cuda").half())
    points = 2 * torch.rand(1, 600, 3, device="cuda") - 1
    before = made.query(projected, points)
    made.output_proj.bias.data = made.output_proj.bias.data.clone() + 1
    assert ((made.query(projected, points) - before).float() - 1).abs().max() < 0.02
