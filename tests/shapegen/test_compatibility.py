# SPDX-License-Identifier: Apache-2.0
"""What scripts written for the published package may do beside the usual call."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from golden import FOLDER, Case

from hy3dgen.errors import CheckpointMismatchError, InvalidSettingError
from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline, Hunyuan3DDiTPipeline
from hy3dgen.shapegen.models import Hunyuan3DDiT, ShapeVAE
from hy3dgen.shapegen.models.autoencoders import Latent2MeshOutput
from hy3dgen.shapegen.models.conditioner import DualImageEncoder
from hy3dgen.shapegen.sampling import denoise
from hy3dgen.shapegen.schedulers import (
    FlowMatchEulerDiscreteScheduler,
    FlowMatchEulerDiscreteSchedulerOutput,
)
from hy3dgen.weights import read_weights

FAST = dict(num_inference_steps=3, octree_resolution=12)
PICTURE = FOLDER / "images" / "e2e_flow_cfg_0.png"
MODEL = FOLDER / Case("e2e_flow_cfg").spec["checkpoint"]["folder"]
START = Case("e2e_flow_cfg")["in.initial_latents"]


def load(cls=Hunyuan3DDiTFlowMatchingPipeline, dtype=torch.float32, **options):
    return cls.from_pretrained(
        MODEL.parent, device="cpu", dtype=dtype, variant=None, subfolder=MODEL.name, **options
    )


@pytest.fixture(scope="module")
def pipeline():
    return load()


# --- the base class's call ------------------------------------------------------------------------


def test_the_base_class_samples_as_the_flow_matching_one_does(pipeline):
    base = load(Hunyuan3DDiTPipeline)
    options = dict(guidance_scale=4.0, latents=START, output_type="latent", **FAST)
    want = pipeline(PICTURE, **options)
    # One encoder: the second guidance, on by default, has nothing to weigh.
    assert torch.equal(base(PICTURE, **options), want)
    mesh = base(PICTURE, latents=START, output_type="mesh", **FAST)[0]
    assert len(mesh.mesh_f) > 0


def test_the_base_class_has_its_own_defaults_in_the_published_order():
    names = list(inspect.signature(Hunyuan3DDiTPipeline.__call__).parameters.values())[1:-1]
    assert [(item.name, item.default) for item in names] == [
        ("image", None), ("num_inference_steps", 50), ("timesteps", None), ("sigmas", None),
        ("eta", 0.0), ("guidance_scale", 7.5), ("dual_guidance_scale", 10.5),
        ("dual_guidance", True), ("generator", None), ("box_v", 1.01),
        ("octree_resolution", 384), ("mc_level", -1 / 512), ("num_chunks", 8000),
        ("mc_algo", None), ("output_type", "trimesh"), ("enable_pbar", True),
    ]  # fmt: skip
    names = list(inspect.signature(Hunyuan3DDiTFlowMatchingPipeline.__call__).parameters.values())
    assert [(item.name, item.default) for item in names[1:15]] == [
        ("image", None), ("num_inference_steps", 50), ("timesteps", None), ("sigmas", None),
        ("eta", 0.0), ("guidance_scale", 5.0), ("generator", None), ("box_v", 1.01),
        ("octree_resolution", 384), ("mc_level", 0.0), ("mc_algo", None), ("num_chunks", 8000),
        ("output_type", "trimesh"), ("enable_pbar", True),
    ]  # fmt: skip


class _Sum(torch.nn.Module):
    """A velocity of the condition alone: both kinds of tokens, summed."""

    guidance_embed = False

    def time_values(self, times, guidance=None, dtype=None):
        return self

    def at(self, index):
        return self

    def forward(self, x, t, contexts, **_):
        value = contexts["main"].sum((1, 2)) + 10 * contexts["additional"].sum((1, 2))
        return value[:, None, None].expand_as(x)


def test_dual_guidance_weighs_two_conditions_apart():
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[0.0])
    main, additional = torch.full((2, 1, 1), 3.0), torch.full((2, 1, 1), 5.0)
    condition = {
        "main": torch.cat([main, 0 * main, 0 * main]),
        "additional": torch.cat([additional, additional, 0 * additional]),
    }
    moved = denoise(
        _Sum(), scheduler, torch.zeros(2, 4, 1), condition, 7.0, True, dual_guidance_scale=2.0
    )
    # none + 7 (both - additional) + 2 (additional - none), over a step of length 1
    assert torch.equal(moved, torch.full((2, 4, 1), 7.0 * 3 + 2.0 * 50))


def test_a_model_of_two_encoders_is_guided_by_both(pipeline):
    tower = {
        "type": "DinoImageEncoder",
        "kwargs": {
            "image_size": 28,
            "config": {
                "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1,
                "patch_size": 14, "image_size": 28, "mlp_ratio": 2, "qkv_bias": True,
                "hidden_act": "gelu", "layer_norm_eps": 1e-6, "layerscale_value": 1.0,
                "use_swiglu_ffn": False, "num_channels": 3,
            },
        },
    }  # fmt: skip
    torch.manual_seed(0)
    base = Hunyuan3DDiTPipeline(
        pipeline.vae,
        Hunyuan3DDiT(8, 16, 32, num_heads=2, axes_dim=[16], depth=1, depth_single_blocks=1),
        pipeline.scheduler, DualImageEncoder(tower, tower), pipeline.image_processor,
        "cpu", torch.float32,
    )  # fmt: skip
    rows = []
    base.model.register_forward_pre_hook(lambda _m, inputs: rows.append(len(inputs[0])))
    options = dict(latents=START, output_type="latent", **FAST)
    dual = base(PICTURE, **options)
    single = base(PICTURE, dual_guidance=False, **options)
    assert rows[:2] == [3, 3] and set(rows[2:]) <= {1, 2}
    assert dual.isfinite().all() and single.isfinite().all()


def test_extra_step_arguments_are_those_that_the_scheduler_takes(pipeline):
    generator = torch.Generator()
    assert pipeline.prepare_extra_step_kwargs(generator, 0.3) == {"generator": generator}

    class Ancestral:
        def step(self, output, timestep, sample, eta=0.0):
            """Takes eta and no generator."""

    other = load()
    other.scheduler = Ancestral()
    assert other.prepare_extra_step_kwargs(generator, 0.3) == {"eta": 0.3}


class Plain:
    """A scheduler of another maker, with no more than the usual methods: three even steps."""

    init_noise_sigma = 2.0
    order = 1

    def __init__(self):
        self.config = FlowMatchEulerDiscreteScheduler().config
        self.steps = 0

    def set_timesteps(self, num_inference_steps=None, device=None, sigmas=None):
        self.timesteps = torch.tensor([0.0, 1000 / 3, 2000 / 3])

    def set_begin_index(self, begin_index=0):
        self.steps = begin_index

    def step(self, output, timestep, sample, generator=None):
        self.steps += 1
        return FlowMatchEulerDiscreteSchedulerOutput(sample + output / 3)


def test_the_scheduler_may_be_exchanged(pipeline):
    other = load()
    options = dict(output_type="latent", guidance_scale=-1, octree_resolution=12)
    want = other(PICTURE, latents=START, sigmas=[0, 1 / 3, 2 / 3], **options)
    other.scheduler = Plain()
    got = other(PICTURE, latents=START, **options)
    assert other.scheduler.steps == 3
    assert torch.allclose(got, want, atol=1e-5)
    shape, seeds = (1, torch.float32, torch.device("cpu")), torch.Generator
    doubled = other.prepare_latents(*shape, seeds().manual_seed(1))
    assert torch.equal(doubled, 2 * pipeline.prepare_latents(*shape, seeds().manual_seed(1)))
    assert torch.equal(other.prepare_latents(*shape, None, START), START)


# --- arguments without effect ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (dict(timesteps=[1, 2]), "timesteps has no effect"),
        (dict(eta=0.5), "eta has no effect"),
        (dict(seed=3), "seed is not known and has no effect"),
    ],
)
def test_they_are_told_where_the_call_was_written(pipeline, option, message):
    options = dict(latents=START, output_type="latent", **FAST)
    with pytest.warns(UserWarning, match=message) as caught:
        got = pipeline(PICTURE, **option, **options)
    assert torch.equal(got, pipeline(PICTURE, **options))
    assert [Path(warning.filename) for warning in caught] == [Path(__file__)]


def test_another_output_type_gives_raw_meshes(pipeline):
    with pytest.warns(UserWarning, match="output_type is 'np'"):
        (mesh,) = pipeline(PICTURE, latents=START, output_type="np", **FAST)
    assert isinstance(mesh, Latent2MeshOutput)


def test_callback_steps_may_be_none(pipeline):
    steps = []
    pipeline(
        PICTURE, latents=START, output_type="latent", callback_steps=None,
        callback=lambda step, timestep, outputs: steps.append(step), **FAST,
    )  # fmt: skip
    assert steps == [0, 1, 2]


def test_the_callback_sees_steps_that_need_no_network(pipeline):
    seen, calls = [], []
    hook = pipeline.model.register_forward_pre_hook(lambda *_: calls.append(1))
    final = pipeline(
        PICTURE, latents=START, output_type="latent", guidance_scale=-1, octree_resolution=12,
        sigmas=[0.0, 0.5, 0.5, 1.0], callback=lambda *event: seen.append(event),
    )  # fmt: skip
    hook.remove()
    assert [step for step, _, _ in seen] == [0, 1, 2, 3] and len(calls) == 2
    assert [float(timestep) for _, timestep, _ in seen] == [0, 500, 500, 1000]
    middle = [outputs.prev_sample for _, _, outputs in seen]
    assert torch.equal(middle[0], middle[1]) and torch.equal(middle[2], middle[3])
    assert torch.equal(final, middle[3])
    plain = pipeline(
        PICTURE, latents=START, output_type="latent", guidance_scale=-1, octree_resolution=12,
        sigmas=[0.0, 0.5],
    )  # fmt: skip
    assert torch.equal(final, plain)


def test_unknown_loading_arguments_are_kept_and_told():
    with pytest.warns(UserWarning, match="cache_dir is not known"):
        pipe = load(cache_dir="/nowhere")
    assert pipe.kwargs == {"cache_dir": "/nowhere"}
    with pytest.warns(UserWarning, match="revision is not known"):
        pipe = Hunyuan3DDiTFlowMatchingPipeline.from_single_file(
            next(MODEL.glob("model*.safetensors")), MODEL / "config.yaml", "cpu", revision="main"
        )
    assert pipe.kwargs == {"revision": "main"}


@pytest.mark.parametrize("name", ["USE_SAGEATTN", "CA_USE_SAGEATTN"])
def test_switches_for_another_attention_are_told_to_have_no_effect(
    pipeline, name, monkeypatch, caplog
):
    options = dict(latents=START, output_type="latent", **FAST)
    want = pipeline(PICTURE, **options)
    monkeypatch.setenv(name, "1")
    with caplog.at_level("INFO", logger="hy3dgen.shapgen"):
        got = load()(PICTURE, **options)
    assert [line for line in caplog.messages if f"{name}=1 has no effect" in line] != []
    assert torch.equal(got, want)


# --- weights at construction ----------------------------------------------------------------------

DIT = dict(in_channels=4, context_in_dim=8, hidden_size=16, num_heads=2, axes_dim=[8], depth=1,
           depth_single_blocks=1)  # fmt: skip
VAE = dict(num_latents=4, embed_dim=4, width=16, heads=2, num_decoder_layers=1,
           num_encoder_layers=1, pc_size=8, pc_sharpedge_size=0, downsample_ratio=1)  # fmt: skip


@pytest.mark.parametrize("wrap", [
    lambda state: state,
    lambda state: {"state_dict": state},
    lambda state: {"model": state, "vae": {}},
    lambda state: {f"model.{name}": value for name, value in state.items()},
])  # fmt: skip
def test_a_denoiser_starts_from_a_file(tmp_path, wrap):
    first = Hunyuan3DDiT(**DIT)
    torch.save(wrap({k: v.half() for k, v in first.state_dict().items()}), tmp_path / "a.ckpt")
    second = Hunyuan3DDiT(**DIT, ckpt_path=str(tmp_path / "a.ckpt"))
    for name, value in second.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, first.state_dict()[name].half().float())
    with pytest.raises(CheckpointMismatchError, match="does not fit the Hunyuan3DDiT"):
        Hunyuan3DDiT(**{**DIT, "depth": 2}, ckpt_path=str(tmp_path / "a.ckpt"))


def test_a_vae_starts_from_a_file(tmp_path):
    first = ShapeVAE(**VAE)
    torch.save({"state_dict": first.state_dict()}, tmp_path / "a.ckpt")
    second = ShapeVAE(**VAE, ckpt_path=str(tmp_path / "a.ckpt"))
    assert all(torch.equal(v, first.state_dict()[k]) for k, v in second.state_dict().items())


@pytest.mark.parametrize("dtype", ["float16", torch.int64])
def test_wrong_precisions_are_named(pipeline, dtype):
    with pytest.raises(InvalidSettingError, match=r"dtype is .*; give torch\.float16"):
        load(dtype=dtype)
    with pytest.raises(InvalidSettingError, match=r"dtype is .*; give torch\.float16"):
        pipeline.to("cpu", dtype)
    assert pipeline.dtype == torch.float32


# --- the hub --------------------------------------------------------------------------------------

HUB_SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from hub_stand_in import HubStandIn
from pathlib import Path
folder, subfolder = Path(sys.argv[2]), sys.argv[3]
import json, os
files = {f"{subfolder}/{p.name}": p.read_bytes() for p in folder.iterdir() if p.is_file()}
hub = HubStandIn("someone/model", files)
os.environ["HF_ENDPOINT"] = hub.address
from hy3dgen.weights import locate
from hy3dgen.errors import CheckpointNotFoundError
found = locate("someone/model", subfolder, variant=None)
names = [p for _, p, *_ in hub.requests]
before = len(hub.requests)
again = locate("someone/model", subfolder, variant=None, local_files_only=True)
quiet = len(hub.requests) == before
hub.close()
print(json.dumps([str(found.weights), str(again.weights), names, quiet]))
"""


def run_hub(script, *arguments, **environment):
    pytest.importorskip("huggingface_hub")
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_endpoint_that_is_set_is_asked_and_only_for_one_weight_file(tmp_path):
    stand_in = Path(__file__).parents[1] / "install"
    weights, again, asked, quiet = run_hub(
        HUB_SCRIPT, stand_in, MODEL, MODEL.name, HF_HOME=tmp_path, HY3DGEN_MODELS=tmp_path / "none",
    )  # fmt: skip
    assert Path(weights).is_relative_to(tmp_path) and Path(weights).parent.name == MODEL.name
    assert again == weights and quiet
    assert any("config.yaml" in path for path in asked)
    assert read_weights(weights).keys() == read_weights(next(MODEL.glob("*.safetensors"))).keys()


def test_offline_mode_asks_nobody(tmp_path):
    script = (
        "import json, os\n"
        "from hy3dgen.weights import locate\n"
        "from hy3dgen.errors import CheckpointNotFoundError\n"
        "try:\n    locate('someone/model', 'x')\n"
        "except CheckpointNotFoundError as error:\n    print(json.dumps(str(error)))\n"
    )
    said = run_hub(
        script, HF_HUB_OFFLINE=1, HF_HOME=tmp_path, HY3DGEN_MODELS=tmp_path / "none",
        HF_ENDPOINT="http://127.0.0.1:9",
    )  # fmt: skip
    assert "someone/model" in said
