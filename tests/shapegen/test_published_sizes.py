# SPDX-License-Identifier: Apache-2.0
"""Every published config builds the networks whose weights its file holds, by number and by size.

Sizes are those of the published files: half precision, and a header of less than a megabyte.
"""

import copy

import pytest
import torch

from hy3dgen.shapegen.models import ShapeVAE
from hy3dgen.shapegen.settings import instantiate_from_config

DINO = dict(
    attention_probs_dropout_prob=0.0, drop_path_rate=0.0, hidden_act="gelu",
    hidden_dropout_prob=0.0, hidden_size=1536, image_size=518, initializer_range=0.02,
    layer_norm_eps=1e-6, layerscale_value=1.0, mlp_ratio=4, model_type="dinov2",
    num_attention_heads=24, num_channels=3, num_hidden_layers=40, patch_size=14, qkv_bias=True,
    torch_dtype="float32", use_swiglu_ffn=True,
)  # fmt: skip
LARGE = DINO | dict(
    hidden_size=1024, num_attention_heads=16, num_hidden_layers=24, use_swiglu_ffn=False
)
DIT = dict(
    in_channels=64, context_in_dim=1536, hidden_size=1024, mlp_ratio=4.0, num_heads=16, depth=16,
    depth_single_blocks=32, axes_dim=[64], theta=10000, qkv_bias=True,
)  # fmt: skip
MINI = DIT | dict(depth=8, depth_single_blocks=16)
PLAIN = dict(
    input_size=4096, in_channels=64, hidden_size=2048, context_dim=1024, depth=21, num_heads=16,
    qk_norm=True, text_len=1370, with_decoupled_ca=False, use_attention_pooling=False,
    qk_norm_type="rms", qkv_bias=False, use_pos_emb=False, num_moe_layers=6, num_experts=8,
    moe_top_k=2,
)  # fmt: skip
VAE = dict(
    num_latents=3072, embed_dim=64, num_freqs=8, include_pi=False, heads=16, width=1024,
    num_decoder_layers=16, qkv_bias=False, qk_norm=True, scale_factor=0.9990943042622529,
)  # fmt: skip
TURBO_VAE = VAE | dict(
    geo_decoder_downsample_ratio=2, geo_decoder_mlp_expand_ratio=1, geo_decoder_ln_post=False
)
ENCODING_VAE = VAE | dict(
    num_latents=4096, scale_factor=1.0039506158752403, num_encoder_layers=8, point_feats=4,
    pc_size=81920, pc_sharpedge_size=0, geo_decoder_downsample_ratio=1,
    geo_decoder_mlp_expand_ratio=4, geo_decoder_ln_post=True, downsample_ratio=20,
)  # fmt: skip
FAST = {"guidance_embed": True}
# denoiser's params, its tensors, VAE's params, encoder, its picture size, bytes of the file
MODELS = {
    "2.0": (DIT, 652, VAE, "DinoImageEncoder", DINO, 518, 4_928_151_562),
    "2.0 fast and turbo": (DIT | FAST, 656, VAE, "DinoImageEncoder", DINO, 518, None),
    "2mini": (MINI, 332, VAE, "DinoImageEncoder", DINO, 518, 3_819_958_234),
    "2mini turbo": (MINI | FAST, 336, VAE, "DinoImageEncoder", DINO, 1022, 3_822_584_202),
    "2mv": (DIT, 652, VAE, "DinoImageEncoderMV", DINO, 518, 4_928_151_562),
    "2.1": (PLAIN, 752, ENCODING_VAE, "DinoImageEncoder", LARGE, 518, 7_366_389_768),
}
BILLIONS = {"2.0": 1.113, "2.0 fast and turbo": 1.115, "2mini": 0.559, "2mini turbo": 0.561,
            "2mv": 1.113, "2.1": 3.051}  # fmt: skip


def build(prefix, place, params):
    with torch.device("meta"):
        return instantiate_from_config({"target": f"{prefix}.{place}", "params": params})


def numbers(network):
    return sum(value.numel() for value in network.state_dict().values())


@pytest.mark.parametrize("name", MODELS)
def test_the_networks_of_a_published_model(name):
    params, tensors, vae_params, encoder, tower, size, file_bytes = copy.deepcopy(MODELS[name])
    if name == "2.1":
        model = build("hy3dshape", "models.denoisers.hunyuandit.HunYuanDiTPlain", params)
        vae = build("hy3dshape", "models.autoencoders.ShapeVAE", vae_params)
        place = ("hy3dshape", "models.conditioner.SingleImageEncoder")
    else:
        model = build("hy3dgen.shapegen", "models.Hunyuan3DDiT", params)
        vae = build("hy3dgen.shapegen", "models.ShapeVAE", vae_params)
        vae.drop_encoder()
        place = ("hy3dgen.shapegen", "models.SingleImageEncoder")
    kwargs = {"config": tower, "image_size": size}
    conditioner = build(*place, {"main_image_encoder": {"type": encoder, "kwargs": kwargs}})
    assert len(model.state_dict()) == tensors
    assert numbers(model) / 1e9 == pytest.approx(BILLIONS[name], abs=0.0005)
    tokens = conditioner.main_image_encoder.num_patches
    assert tokens == {518: 1370, 1022: 5330}[size]
    if file_bytes is not None:
        held = 2 * sum(numbers(network) for network in (model, vae, conditioner))
        assert 0 < file_bytes - held < 1_000_000


@pytest.mark.parametrize(
    ("params", "count", "file_bytes"),
    [(VAE, 214_212_865, None), (TURBO_VAE, 203_690_497, 407_410_402),
     (ENCODING_VAE, None, 655_648_152)],
)  # fmt: skip
def test_the_vaes_that_stand_alone(params, count, file_bytes):
    with torch.device("meta"):
        vae = ShapeVAE(**params)
    if count is not None:
        vae.drop_encoder()
        assert numbers(vae) == count
    if file_bytes is not None:
        assert 0 < file_bytes - 2 * numbers(vae) < 1_000_000


def test_a_fine_tuning_config_s_other_params_do_not_count():
    more = {"input_size": 4096, "use_pe": False, "force_norm_fp32": True}
    small = DIT | dict(depth=1, depth_single_blocks=1)
    place = "models.denoisers.hunyuan3ddit.Hunyuan3DDiT"
    with_more, without = (build("hy3dshape", place, small | other) for other in (more, {}))
    assert with_more.state_dict().keys() == without.state_dict().keys()
