# SPDX-License-Identifier: Apache-2.0
"""The whole way from a mesh and a picture to a textured mesh, with recorded or tiny networks."""

import json

import numpy as np
import pytest
import torch
from made_texture_model import make
from PIL import Image
from safetensors.torch import load_file, save_file
from texture_golden import load

from hy3dgen.errors import (
    CheckpointMismatchError,
    CheckpointNotFoundError,
    InvalidImageError,
    InvalidMeshError,
)
from hy3dgen.texgen import Hunyuan3DPaintPipeline, Hunyuan3DTexGenConfig, pipelines
from hy3dgen.texgen.hunyuanpaint.components import embed_nothing

trimesh = pytest.importorskip("trimesh")
TURBO = "hunyuan3d-paint-v2-0-turbo"


def test_documented_settings():
    config = Hunyuan3DTexGenConfig("a", "b", TURBO)
    assert config.candidate_camera_azims == [0, 90, 180, 270, 0, 180]
    assert config.candidate_camera_elevs == [0, 0, 0, 0, 90, -90]
    assert config.candidate_view_weights == [1, 0.1, 0.5, 0.1, 0.05, 0.05]
    assert (config.render_size, config.texture_size, config.bake_exp) == (2048, 2048, 4)
    assert (config.device, config.merge_method) == ("cuda", "fast")
    assert config.pipe_name == "hunyuanpaint-turbo"
    with pytest.raises(KeyError, match="no texture model 'hunyuan3d-paint-v9'"):
        Hunyuan3DTexGenConfig("a", "b", "hunyuan3d-paint-v9")


def test_everything_around_the_networks():
    """Recorded with both networks replaced, on a mesh that is unwrapped already."""
    golden = load("endtoend_stub")
    config = Hunyuan3DTexGenConfig("", "", TURBO)
    config.render_size = golden.info["render_size"]
    config.texture_size = golden.info["texture_size"]
    config.device = "cpu"
    asked = {}

    def paint(references, controls, cameras):
        asked.update(references=references, controls=controls, cameras=cameras)
        return [Image.fromarray(view) for view in golden["views_u8"]]

    models = {"delight_model": lambda image: image.convert("RGB"), "multiview_model": paint}
    pipeline = Hunyuan3DPaintPipeline(config, models)
    mesh = trimesh.Trimesh(
        golden["mesh.vertices"],
        golden["mesh.faces"],
        visual=trimesh.visual.TextureVisuals(uv=golden["mesh.uv"]),
        process=False,
    )
    picture = Image.fromarray(golden["input_rgba"])
    result = pipeline(mesh, picture, unwrap_method="keep")
    assert result is mesh
    assert asked["cameras"] == golden.info["camera_info"]
    assert len(asked["controls"]) == golden.info["control_images"]["count"]
    assert list(asked["controls"][0].size) == golden.info["control_images"]["size"]
    expected = Image.fromarray(golden["recentered_rgba"]).convert("RGB")
    assert np.array_equal(np.asarray(asked["references"][0]), np.asarray(expected))
    np.testing.assert_allclose(result.visual.uv, golden["result_uv"], atol=1e-6)
    material = result.visual.material
    assert material.metallicFactor == 0
    texture = np.asarray(material.baseColorTexture.convert("RGB"))
    same = (texture == golden["result_texture_u8"]).all(axis=-1)
    assert same.mean() > 0.995


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make(tmp_path_factory.mktemp("model"))


def load_small(folder, subfolder=TURBO):
    pipeline = Hunyuan3DPaintPipeline.from_pretrained(folder, subfolder, device="cpu")
    pipeline.config.render_size, pipeline.config.texture_size = 128, 128
    pipeline.render.set_default_render_resolution(128)
    pipeline.models["multiview_model"].size = 64
    pipeline.models["delight_model"].steps = 3
    return pipeline


def ball():
    return trimesh.creation.icosphere(subdivisions=2)


def picture(mode="RGBA"):
    pixels = np.zeros((64, 48, 4), np.uint8)
    pixels[8:56, 8:40] = [200, 90, 30, 255]
    return Image.fromarray(pixels).convert(mode)


def test_from_folder_to_textured_mesh(folder):
    pipeline = load_small(folder)
    stages, shown = [], []
    mesh = ball()
    result = pipeline(
        mesh,
        picture(),
        unwrap_method="box",
        progress=lambda stage, step, total: stages.append(stage),
        preview=shown.append,
    )
    assert result is mesh
    assert list(dict.fromkeys(stages)) == [
        *("delight", "unwrap", "draw views", "paint views", "bake", "fill"),
    ]
    assert len(shown) == 6
    assert shown[0].size == (64, 64)
    first = np.asarray(result.visual.material.baseColorTexture)
    assert first.shape == (128, 128, 3)
    assert len(result.faces) == len(ball().faces)

    # Once more: unwrap, delight and views come from the cache, and the numbers are the same.
    stages.clear()
    again = pipeline(
        ball(),
        picture(),
        unwrap_method="box",
        progress=lambda stage, step, total: stages.append((stage, step)),
    )
    assert np.array_equal(np.asarray(again.visual.material.baseColorTexture), first)
    assert ("delight", 1) not in stages, "delight was done again"
    other = pipeline(ball(), picture(), unwrap_method="box", seed=1)
    assert not np.array_equal(np.asarray(other.visual.material.baseColorTexture), first)
    pipeline.models["delight_model"].steps += 1
    stages.clear()
    pipeline.delight(pipeline.recenter_image(picture()), lambda *told: stages.append(told[:2]))
    assert ("delight", 1) in stages, "other settings have a result of their own"
    pipeline.cache.clear()
    assert pipeline.cache.bytes == 0


def test_several_pictures_and_the_base_model(tmp_path):
    pipeline = load_small(make(tmp_path, "hunyuan3d-paint-v2-0"), "hunyuan3d-paint-v2-0")
    steps = []
    pipeline(
        ball(),
        [picture(), picture("RGB")],
        unwrap_method="box",
        delight=False,
        num_inference_steps=3,
        progress=lambda *event: steps.append(event),
    )
    assert ("paint views", 3, 3) in steps


def test_networks_in_host_memory_give_the_same(folder):
    plain = load_small(folder)(ball(), picture(), unwrap_method="box", delight=False)
    pipeline = load_small(folder)
    pipeline.enable_model_cpu_offload(device="cpu")
    saved = pipeline(ball(), picture(), unwrap_method="box", delight=False)
    one, other = (
        np.asarray(mesh.visual.material.baseColorTexture).astype(int) for mesh in (plain, saved)
    )
    assert np.abs(one - other).max() <= 1


def test_global_random_numbers_stay_as_they_are(folder):
    pipeline = load_small(folder)
    torch.manual_seed(5)
    want = torch.rand(3)
    torch.manual_seed(5)
    pipeline(ball(), picture(), unwrap_method="box", delight=False)
    assert torch.equal(torch.rand(3), want)


def test_a_stopped_call_leaves_the_mesh(folder):
    class Stop(Exception):
        pass

    def stop(stage, step, total):
        if stage == "paint views" and step == 2:
            raise Stop

    mesh = ball()
    before = mesh.vertices.copy(), mesh.faces.copy(), mesh.visual
    with pytest.raises(Stop):
        load_small(folder)(mesh, picture(), unwrap_method="box", delight=False, progress=stop)
    assert np.array_equal(mesh.vertices, before[0])
    assert np.array_equal(mesh.faces, before[1])
    assert mesh.visual is before[2]


@pytest.mark.parametrize(
    ("mesh", "image", "error", "words"),
    [
        (ball(), None, InvalidImageError, "no picture"),
        (ball(), Image.new("RGBA", (32, 32)), InvalidImageError, "transparent everywhere"),
        (trimesh.Trimesh(), picture(), InvalidMeshError, "no faces"),
        (trimesh.Trimesh([[0, 0, 0]] * 3, [[0, 1, 2]], process=False), picture(), InvalidMeshError,
         "one place"),
    ],
)  # fmt: skip
def test_bad_input_is_told(folder, mesh, image, error, words):
    with pytest.raises(error, match=words):
        load_small(folder)(mesh, image, unwrap_method="box", delight=False)


def test_missing_folders_and_weights_are_told(tmp_path):
    with pytest.raises(CheckpointNotFoundError, match="choose the folder"):
        Hunyuan3DPaintPipeline.from_pretrained(tmp_path / "nothing", local_files_only=True)
    make(tmp_path)
    paint = tmp_path / TURBO
    weights = paint / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(weights)
    name = "unet.conv_in.weight"
    save_file({k: v for k, v in state.items() if k != name}, weights)
    with pytest.raises(CheckpointMismatchError, match=rf"1 weights are missing \({name}\)"):
        load_small(tmp_path)
    # The older format steps in where the newer does not fit.
    torch.save(state, weights.with_suffix(".bin"))
    load_small(tmp_path)
    (paint / "unet" / "config.json").write_text("[]", encoding="utf-8")
    with pytest.raises(Exception, match="holds no settings"):
        load_small(tmp_path)


def test_the_empty_prompt(folder, tmp_path):
    delight = folder / "hunyuan3d-delight-v2-0"
    found = embed_nothing(delight, torch.device("cpu"), torch.float32)
    assert found.shape == (1, 77, 12)
    # Causal: what stands first does not see the padding.
    assert found.isfinite().all()
    words = json.loads((delight / "tokenizer" / "vocab.json").read_text(encoding="utf-8"))
    assert words["!"] == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.gpu
def test_on_a_gpu(folder):
    pipeline = Hunyuan3DPaintPipeline.from_pretrained(folder, TURBO, device="cuda")
    pipeline.models["multiview_model"].size = 64
    result = pipeline(ball(), picture(), unwrap_method="box")
    assert np.asarray(result.visual.material.baseColorTexture).shape == (2048, 2048, 3)


@pytest.mark.parametrize("options", [{"face_count": 100, "full_detail": True}, {}])
def test_reduced_for_painting_and_back_to_full_detail(folder, monkeypatch, options):
    """Asked for, or because the mesh is large."""
    monkeypatch.setattr(pipelines, "LARGE_MESH", 150)
    monkeypatch.setattr(pipelines, "REDUCED_FACES", 100)
    pipeline = load_small(folder)
    mesh, stages = ball(), []
    pipeline(
        mesh,
        picture(),
        unwrap_method="box",
        progress=lambda stage, step, total: stages.append(stage),
        **options,
    )
    assert len(mesh.faces) == len(ball().faces) > 150
    assert (stages[0], stages[-1]) == ("reduce", "transfer")
    np.testing.assert_allclose(
        np.unique(np.round(mesh.vertices, 5), axis=0),
        np.unique(np.round(ball().vertices, 5), axis=0),
        atol=1e-5,
    )


def test_views_can_be_made_larger_first(folder):
    pipeline, sizes = load_small(folder), []

    def enlarge(view):
        sizes.append(view.shape)
        return np.zeros((256, 256, 3), np.uint8)

    pipeline.super_resolution = enlarge
    mesh = ball()
    pipeline(mesh, picture(), unwrap_method="box")
    assert sizes == [(64, 64, 3)] * 6
    assert not np.asarray(mesh.visual.material.baseColorTexture).any(), "all from black views"


def test_a_model_of_two_materials_makes_a_surface(folder):
    """As that of 2.1 gives its views; its factors are written, so that glTF does not guess."""
    pipeline = load_small(folder)
    colour, surface = (Image.new("RGB", (64, 64), one) for one in ((10, 200, 30), (255, 90, 0)))
    pipeline.models["multiview_model"] = lambda references, controls, numbers: {
        "albedo": [colour] * len(numbers),
        "mr": [surface] * len(numbers),
    }
    for options in ({}, {"face_count": 100, "full_detail": True}):
        mesh = ball()
        pipeline(mesh, picture(), unwrap_method="box", delight=False, **options)
        material = mesh.visual.material
        assert (material.metallicFactor, material.roughnessFactor) == (1, 1)
        painted = np.asarray(material.baseColorTexture).reshape(-1, 3).astype(int)
        assert np.abs(painted - [10, 200, 30]).max() <= 1
        packed = np.asarray(material.metallicRoughnessTexture).reshape(-1, 3).astype(int)
        assert np.abs(packed - [0, 90, 255]).max() <= 1
        assert len(mesh.faces) == len(ball().faces) or not options
