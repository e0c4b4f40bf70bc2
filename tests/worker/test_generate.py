# SPDX-License-Identifier: Apache-2.0
"""The task `generate`, through the real client, with a small model of random weights."""

import os
import shutil
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import hy3dgen
from hy3dgen import errors
from hy3dgen.errors import Cancelled, CheckpointNotFoundError, TaskFailedError
from hy3dgen.mesh import TriangleMesh, native_available
from hy3dgen.worker.client import WorkerClient, worker_command
from hy3dgen.worker.model_cache import ModelCache, choose_model
from hy3dgen.worker.speed import Figures

for library in ("torch", "safetensors", "yaml", "cv2", "PIL", "skimage"):
    pytest.importorskip(library)
if not native_available():
    pytest.skip("the mesh kernel is not built", allow_module_level=True)

# Recorded for the pipeline's own tests: a whole model, in the published layout, of 0.4 MB.
MODEL = Path(__file__).parents[1] / "goldens" / "shapegen" / "e2e_flow_cfg" / "hunyuan3d-dit-v2-0"
BUNDLED = Path(hy3dgen.__file__).parent / "assets" / "tiny"
DEFAULTS = "num_inference_steps: 3\nguidance_scale: 2.5\noctree_resolution: 24\n"


@pytest.fixture(scope="module")
def worker():
    with WorkerClient(worker_command(), env={**os.environ, "OMP_NUM_THREADS": "2"}) as client:
        assert "generate" in client.start(30).tasks
        yield client


@pytest.fixture
def model(tmp_path):
    """A copy whose field crosses zero whatever the noise, which it then depends on a little."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder)
    (folder / "defaults.yaml").write_text(DEFAULTS)
    weights = load_file(folder / "model.safetensors")
    weights["vae.post_kl.weight"] *= 0.01
    weights["vae.geo_decoder.output_proj.bias"] += 29.5
    save_file(weights, folder / "model.safetensors")
    return folder


def disc(side=128):
    """A red disc on nothing."""
    y, x = np.mgrid[:side, :side]
    inside = (x - side / 2) ** 2 + (y - side / 2) ** 2 < (side / 3) ** 2
    image = np.zeros((side, side, 4), np.uint8)
    image[inside] = (200, 40, 30, 255)
    return image


def generate(worker, model, on_event=None, **params):
    image = {} if "picture" in params else {"image": disc()}
    return worker.run("generate", {"model": str(model), "seed": 5, **params}, image, on_event)


def test_a_picture_becomes_a_mesh(worker, model):
    seen = []
    result = generate(worker, model, on_event=seen.append)
    mesh = TriangleMesh(result.arrays["vertices"], result.arrays["faces"])  # checks the indices
    assert len(mesh.faces) > 100 and np.abs(mesh.vertices).max() <= 1.01 + 1e-6
    values = result.values
    assert values["faces_raw"] >= len(mesh.faces)
    assert values["seed"] == 5 and values["device"] in ("cpu", "cuda", "cuda:0")
    assert (values["num_inference_steps"], values["guidance_scale"]) == (3, 2.5)
    assert values["octree_resolution"] == 24 and values["model"] == str(model)
    assert 50 < values["peak_memory"] < 100_000
    names = [name for name, _ in values["stages"]]
    assert names == [
        *("prepare picture", "load model"),
        *("condition", "denoise", "decode", "extract", "clean"),
    ]
    assert all(seconds >= 0 for _, seconds in values["stages"])
    shown = [event.stage for event in seen]
    assert set(shown) <= set(names) and sorted(shown, key=names.index) == shown


def test_a_seed_repeats_a_mesh_and_another_one_does_not(worker, model):
    first, second = generate(worker, model), generate(worker, model)
    np.testing.assert_array_equal(first.arrays["vertices"], second.arrays["vertices"])
    other = generate(worker, model, seed=6)
    assert first.arrays["vertices"].tobytes() != other.arrays["vertices"].tobytes()
    drawn = generate(worker, model, seed=None).values["seed"]
    assert 0 <= drawn < 2**31


def test_a_second_request_finds_the_model_loaded(worker, model):
    generate(worker, model)
    assert dict(generate(worker, model).values["stages"])["load model"] < 0.05
    weights = next(model.glob("*.safetensors"))
    os.utime(weights, (1, 1))  # another file now, as far as anybody can tell
    generate(worker, model)


@pytest.mark.parametrize("name", ["/nowhere/at/all", "nobody/nothing"])
def test_a_model_that_is_not_there_does_not_cost_the_loaded_one(model, name):
    cache = ModelCache()
    loaded = cache.get(choose_model(str(model), None), download=False)
    with pytest.raises(CheckpointNotFoundError):
        cache.get(choose_model(name, None), download=False)
    assert cache.get(choose_model(str(model), None), download=False) is loaded


def test_settings_of_the_request_win_over_the_models(worker, model):
    values = generate(worker, model, num_inference_steps=2, octree_resolution=16).values
    assert values["num_inference_steps"] == 2 and values["octree_resolution"] == 16


def test_face_count_reduces(worker, model):
    everything = generate(worker, model, face_count=0)
    assert len(everything.arrays["faces"]) > 300
    result = generate(worker, model, face_count=300)
    assert len(result.arrays["faces"]) <= 300
    assert result.values["faces_raw"] == everything.values["faces_raw"]
    assert result.values["stages"][-1][0] == "reduce"


def test_a_file_gives_the_same_as_an_array(worker, model, tmp_path):
    from PIL import Image

    path = tmp_path / "ein Bild — ü.png"
    Image.fromarray(disc()).save(path)
    from_file = generate(worker, model, picture=str(path))
    from_array = generate(worker, model)
    np.testing.assert_array_equal(from_file.arrays["vertices"], from_array.arrays["vertices"])


@pytest.mark.skipif(os.name == "nt", reason="names that Windows forbids")
@pytest.mark.parametrize(
    "name", ['it\'s "a" folder; $HOME & %TEMP% ümläut 日本語', "x" * 200 + "/" + "ü" * 75]
)
def test_model_and_picture_under_any_path(worker, model, tmp_path, name):
    from PIL import Image

    folder = tmp_path / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    expected = generate(worker, model)
    model.rename(folder)
    picture = folder / "it's 100% {me}.png"
    Image.fromarray(disc()).save(picture)
    made = generate(worker, folder, picture=str(picture))
    np.testing.assert_array_equal(made.arrays["vertices"], expected.arrays["vertices"])


def test_cancel_while_denoising_takes_less_than_half_a_second(worker, model):
    times = []

    def stop(event):
        if event.stage == "denoise" and not times:
            worker.cancel(event.request)
            times.append(time.monotonic())

    with pytest.raises(Cancelled):
        generate(worker, model, on_event=stop, num_inference_steps=1000)
    assert time.monotonic() - times[0] < 0.5
    assert len(generate(worker, model).arrays["faces"]) > 100


@pytest.mark.skipif(not (BUNDLED / "config.yaml").is_file(), reason="no bundled model yet")
def test_the_bundled_model_makes_a_mesh_that_looks_outwards(worker):
    result = worker.run("generate", {"seed": 1, "octree_resolution": 64}, {"image": disc(256)})
    mesh = TriangleMesh(result.arrays["vertices"], result.arrays["faces"])
    assert mesh.volume > 0.01 and np.abs(mesh.bounds).max() < 1.01
    assert result.values["num_inference_steps"] < 50  # its own default, for a CPU


# --- bad input ------------------------------------------------------------------------------------


def refused(worker, kind, model, **params):
    with pytest.raises(TaskFailedError) as caught:
        generate(worker, model, **params)
    assert issubclass(getattr(errors, caught.value.kind), getattr(errors, kind))
    assert "unexpected" not in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


def test_bad_pictures(worker, model, tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not a picture")
    for name in ("missing.png", "empty.png", "text.png", ""):
        refused(worker, "InvalidImageError", model, picture=str(tmp_path / name))


def test_no_picture_and_two_pictures(worker, model):
    with pytest.raises(TaskFailedError, match="no picture was given"):
        worker.run("generate", {"model": str(model)})
    with pytest.raises(TaskFailedError, match="choose one picture"):
        worker.run("generate", {"model": str(model), "picture": "a.png"}, {"image": disc()})
    with pytest.raises(TaskFailedError, match="float64; send uint8"):
        worker.run("generate", {"model": str(model)}, {"image": np.zeros((64, 64, 4))})


def test_a_picture_with_nothing_on_it(worker, model):
    with pytest.raises(TaskFailedError) as caught:
        worker.run("generate", {"model": str(model)}, {"image": disc() * 0})
    assert caught.value.kind == "InvalidImageError"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_inference_steps", 0),
        ("octree_resolution", 5000),
        ("guidance_scale", -1),
        ("seed", -1),
        ("max_memory", 0),
    ],
)
def test_settings_out_of_range(worker, model, name, value):
    assert f"{name} is {value}" in refused(worker, "InvalidSettingError", model, **{name: value})


def test_bad_model_folders(worker, model):
    assert "nowhere" in refused(worker, "CheckpointNotFoundError", model / "nowhere")
    weights = next(model.glob("*.safetensors"))
    data = weights.read_bytes()
    for content in (data[: len(data) // 2], data[:3], b"", b"\xff" * 1000):
        weights.write_bytes(content)
        said = refused(worker, "CheckpointError", model)
        assert weights.name in said and "again" in said
    weights.write_bytes(data)
    (model / "config.yaml").write_text("model: [")
    assert "config.yaml" in refused(worker, "CheckpointError", model)
    weights.unlink()
    (model / "config.yaml").write_bytes((MODEL / "config.yaml").read_bytes())
    refused(worker, "CheckpointNotFoundError", model)


def test_nothing_is_downloaded_unless_allowed(worker):
    hub = find_spec("huggingface_hub") is not None
    kind = "CheckpointNotFoundError" if hub else "MissingDependencyError"
    said = refused(worker, kind, "nobody/nothing-here")
    assert "nobody/nothing-here" in said and "local folder" in said
    assert "downloads were not allowed" in said or not hub


def test_a_gpu_memory_limit_goes_with_the_model(monkeypatch):
    pytest.importorskip("torch")
    from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline as Pipeline
    from hy3dgen.worker.engines import TorchEngine
    from hy3dgen.worker.model_cache import choose_model

    asked = []

    def load(_path, **options):
        asked.append(options["max_memory"])
        return SimpleNamespace(device="cpu")

    monkeypatch.setattr(Pipeline, "from_pretrained", load)
    engine, choice = TorchEngine(), choose_model(None, None)
    for limit in (None, None, 3e9, 3e9, None):
        engine.load(choice, False, limit)
    assert asked == [None, 3e9, None], "loaded again where the limit is another"


def test_speed_chooses_by_what_this_machine_can_do(worker, model):
    wanted = {"model": str(model), "speed_priority": 1.0}
    found = worker.run("settings", wanted).values
    figures = Figures.from_values(found["figures"])
    assert figures.traits.num_inference_steps == 3 and figures.costs.device == "cpu"
    assert dict(figures.settings(1.0)) == found["settings"]
    made = generate(worker, model, speed_priority=1.0, octree_resolution=16)
    assert made.values["num_inference_steps"] == found["settings"]["num_inference_steps"]
    assert made.values["octree_resolution"] == 16
    dense = generate(worker, model, volume_decoder="dense", num_chunks=500, octree_resolution=16)
    assert len(dense.arrays["faces"]) > 100
