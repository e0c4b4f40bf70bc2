# SPDX-License-Identifier: Apache-2.0
"""The tasks `texture` and `unwrap`, and unwrapping in a process of its own."""

import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from hy3dgen.errors import Cancelled, InvalidMeshError, TaskFailedError, WorkerStartError
from hy3dgen.mesh import TriangleMesh
from hy3dgen.worker import unwrap as unwrapping
from hy3dgen.worker.client import WorkerClient, worker_command
from hy3dgen.worker.protocol import Preview

sys.path.insert(0, str(Path(__file__).parents[1] / "mesh"))
sys.path.insert(0, str(Path(__file__).parents[1] / "texgen"))
from known_meshes import cube, sphere


def two_coloured(size=96):
    """A disc, red above and blue below, on a transparent ground."""
    y, x = np.mgrid[:size, :size] / (size - 1) * 2 - 1
    image = np.zeros((size, size, 4), np.uint8)
    image[..., 0], image[..., 2] = np.where(y < 0, 220, 20), np.where(y < 0, 20, 220)
    image[..., 3] = 255 * (x**2 + y**2 < 0.9)
    return image


@pytest.fixture(scope="module")
def worker():
    with WorkerClient(worker_command()) as client:
        client.start()
        yield client


def request(mesh=None, **arrays):
    mesh = mesh or sphere(17)
    return {"vertices": mesh.vertices, "faces": mesh.faces, "image": two_coloured(), **arrays}


@pytest.mark.parametrize("full", [False, True])
def test_a_large_mesh_is_painted_as_a_reduced_one(worker, full):
    mesh = sphere(33)
    params = {"texture_size": 128, "reduce_above": 500, "reduced_faces": 400, "full_detail": full}
    result = worker.run("texture", params, request(mesh))
    arrays = result.arrays
    assert result.values["faces"] == 400 < 500 < len(mesh.faces)
    assert ("faces" in arrays) != full
    painted = TriangleMesh(arrays["vertices"], arrays["faces"]) if not full else mesh
    middle = painted.vertices[painted.faces].mean(axis=1)
    texel = (arrays["uvs"].reshape(-1, 3, 2).mean(axis=1) * 127).round().astype(int)
    found = arrays["colour"][127 - texel[:, 1], texel[:, 0]].astype(int)
    height = middle[:, 1] / np.abs(mesh.vertices).max()
    redder = found[:, 0] - found[:, 2]
    print((redder[height > 0.5] > 0).mean(), (redder[height < -0.5] < 0).mean())
    assert (redder[height > 0.5] > 0).mean() > 0.99
    assert (redder[height < -0.5] < 0).mean() > 0.99
    stages = {name for name, _ in result.values["stages"]}
    assert "reduce" in stages and ("transfer" in stages) == full


def test_a_ball_is_red_above_and_blue_below(worker):
    stages, views = [], []

    def see(event):
        if isinstance(event, Preview):
            views.append(event.arrays["views"])
        else:
            stages.append(event.stage)

    result = worker.run("texture", {"texture_size": 128}, request(), on_event=see)
    assert len(views) == 1 and tuple(views[0][0, 40, 80]) == (220, 0, 20, 255)  # the cut-out
    mesh, colour, uvs = sphere(17), result.arrays["colour"], result.arrays["uvs"]
    assert colour.shape == (128, 128, 3) and colour.dtype == np.uint8
    assert uvs.shape == (3 * len(mesh.faces), 2)
    middle = mesh.vertices[mesh.faces].mean(axis=1)
    texel = (uvs.reshape(-1, 3, 2).mean(axis=1) * 127).round().astype(int)
    found = colour[127 - texel[:, 1], texel[:, 0]].astype(int)
    height = middle[:, 1] / np.abs(mesh.vertices).max()
    assert (found[height > 0.5, 0] > 150).all(), "also where the picture does not show it"
    assert (found[height < -0.5, 2] > 150).all()
    assert result.values["unwrap"] == "box"
    assert result.values["overlap"] > 0.9
    assert {"unwrap", "find view", "fill"} <= set(stages)
    assert {"unwrap", "find view", "lay picture on", "fill"} <= {
        name for name, _ in result.values["stages"]
    }


def test_own_uvs_come_back(worker):
    mesh = cube()
    uvs = unwrapping.box_unwrap(mesh).corners
    settings = {"texture_size": 64, "unwrap": "keep", "azimuth": 0, "elevation": 0}
    result = worker.run("texture", settings, request(mesh, uvs=uvs))
    assert np.array_equal(result.arrays["uvs"], uvs)
    assert result.values["azimuth"] == 0
    assert result.values["overlapping_uvs"] < 0.01
    square = np.tile(np.float32([[0, 0], [1, 0], [1, 1]]), (len(mesh.faces), 1))
    result = worker.run("texture", settings, request(mesh, uvs=square))
    assert result.values["overlapping_uvs"] > 0.5, "all faces share one place"


@pytest.mark.parametrize(
    ("settings", "arrays", "message"),
    [
        ({"unwrap": "keep"}, {}, "no UVs to keep"),
        ({"unwrap": "keep"}, {"uvs": np.full((9216, 2), 7.0, np.float32)}, "outside the texture"),
        ({"unwrap": "fold"}, {}, "'box' or 'xatlas' or 'keep'"),
        ({"texture_size": 5}, {}, "from 64 to 8192"),
        ({}, {"image": np.zeros((64, 64, 4), np.uint8)}, "transparent|no object"),
        ({}, {"faces": np.zeros((0, 3), np.int32)}, "no faces"),
        (
            {},
            {"vertices": np.zeros((3, 3), np.float32), "faces": np.int32([[0, 1, 2]])},
            "one place",
        ),
    ],
)
def test_what_cannot_be_used_is_told(worker, settings, arrays, message):
    with pytest.raises(TaskFailedError, match=message):
        worker.run("texture", settings, {**request(sphere(17)), **arrays})


@pytest.mark.parametrize(
    "change",
    [
        lambda mesh: TriangleMesh(mesh.vertices, mesh.faces[:, ::-1]),
        lambda mesh: TriangleMesh(mesh.vertices, np.concatenate([mesh.faces, mesh.faces[:90]])),
        lambda mesh: TriangleMesh(mesh.vertices, np.concatenate([mesh.faces, [[0, 0, 5]]])),
        lambda mesh: TriangleMesh(mesh.vertices * [1, 1, 0], mesh.faces),
    ],
    ids=["inside out", "faces twice", "without area", "flat"],
)
def test_bad_meshes_are_painted(worker, change):
    result = worker.run("texture", {"texture_size": 64}, request(change(sphere(9))))
    assert len(np.unique(result.arrays["colour"].reshape(-1, 3), axis=0)) > 1


def test_it_can_be_cancelled(worker):
    with pytest.raises(Cancelled):
        worker.run("texture", {}, request(), on_event=_cancel)
    assert worker.run("ping").values == {}, "the worker goes on"


def _cancel(event):
    raise Cancelled("enough")


# --- unwrapping -----------------------------------------------------------------------------------


def test_xatlas_in_its_own_process():
    pytest.importorskip("xatlas")
    mesh = sphere(9)
    found, how = unwrapping.unwrap(mesh)
    assert how == "xatlas"
    assert np.array_equal(found.vertices[found.faces], mesh.faces)
    assert found.uvs.min() >= 0 and found.uvs.max() <= 1


def test_out_of_time_gives_six_sides_and_the_reason():
    pytest.importorskip("xatlas")
    start = time.monotonic()
    found, how = unwrapping.unwrap(sphere(65), seconds=0.5)
    assert how == "box (xatlas took longer than 0.5 s)"
    assert len(found.faces) == len(sphere(65).faces)
    assert time.monotonic() - start < 20


def test_a_start_that_takes_all_the_time_is_told_as_that(monkeypatch):
    def never(self, timeout):
        time.sleep(0.2)
        raise WorkerStartError("the worker did not answer")

    monkeypatch.setattr(unwrapping.WorkerClient, "start", never)
    pytest.importorskip("xatlas")
    assert unwrapping.unwrap(cube(), seconds=0.1)[1] == "box (xatlas took longer than 0.1 s)"
    assert unwrapping.unwrap(cube(), seconds=9)[1].startswith("box (xatlas failed: the worker did")


def test_without_xatlas_too(monkeypatch):
    monkeypatch.setattr(unwrapping, "find_spec", lambda name: None)
    assert unwrapping.unwrap(cube(), "xatlas")[1] == "box (xatlas is not installed)"


def test_unwrapping_can_be_stopped():
    pytest.importorskip("xatlas")
    with pytest.raises(Cancelled):
        unwrapping.unwrap(sphere(33), progress=_cancel)


class Told:
    """A task's context that notes what it is told."""

    def __init__(self):
        self.stages, self.views = [], []

    def progress(self, stage, step, total):
        self.stages.append(stage)

    def preview(self, arrays):
        self.views.append(arrays["views"])


@pytest.fixture
def painter(tmp_path, monkeypatch):
    """A texturer, what it is to do with a model of tiny networks, and which models it loaded."""
    pytest.importorskip("torch")
    from made_texture_model import make

    from hy3dgen.texgen.pipelines import Hunyuan3DPaintPipeline
    from hy3dgen.worker.engines import NumpyEngine
    from hy3dgen.worker.texturing import Texturer

    load, loaded = Hunyuan3DPaintPipeline.from_pretrained, []

    def load_small(*arguments, **options):
        pipeline = load(*arguments, **options, device="cpu")
        pipeline.config.render_size = 128
        pipeline.render.set_default_render_resolution(128)
        pipeline.models["multiview_model"].size = 64
        pipeline.models["delight_model"].steps = 2
        loaded.append(pipeline)
        return pipeline

    monkeypatch.setattr(Hunyuan3DPaintPipeline, "from_pretrained", load_small)
    params = {"model": str(make(tmp_path)), "texture_size": 256, "delight": False, "seed": 3}
    return Texturer(NumpyEngine("")), params, loaded


def test_networks_take_turns_on_a_gpu_with_little_memory(painter, monkeypatch):
    from hy3dgen.texgen import model_loading

    texturer, params, loaded = painter
    asked = []
    monkeypatch.setattr(
        model_loading, "memory_is_short", lambda *given: asked.append(given) or True
    )
    first = texturer({**params, "max_memory": 8e9}, request(), Told())[1]["colour"]
    assert asked == [(loaded[0].device, 8e9)] and loaded[0]._offload is not None
    second = texturer({**params, "low_memory": False}, request(), Told())[1]["colour"]
    assert len(asked) == 1 and loaded[1]._offload is None
    assert np.abs(first.astype(int) - second).max() <= 1


def test_a_model_whose_files_changed_is_loaded_again(painter):
    texturer, params, loaded = painter
    texturer(params, request(), Told())
    (weights,) = Path(params["model"]).glob("hunyuan3d-delight-v2-0/unet/*.safetensors")
    os.utime(weights, ns=(1, 1))
    texturer({**params, "delight": True}, request(), Told())
    assert len(loaded) == 2


def test_charts_are_made_while_the_model_is_loaded(painter, monkeypatch):
    from hy3dgen.worker import texturing

    texturer, params, loaded = painter
    unwrap, begun = texturing.unwrap.unwrap, threading.Event()

    def slow(*arguments):
        begun.set()
        while not loaded:
            time.sleep(0.01)
        return unwrap(*arguments)

    monkeypatch.setattr(texturing.unwrap, "unwrap", slow)
    assert texturer(params, request(), Told())[1]["colour"].any() and begun.is_set()


def test_uvs_that_are_not_there_are_told_before_painting(painter):
    texturer, params, _loaded = painter
    told = Told()
    with pytest.raises(InvalidMeshError, match="no UVs to keep"):
        texturer({**params, "unwrap": "keep", "delight": True}, request(), told)
    assert "paint views" not in told.stages


def test_a_painting_network_shows_its_views(painter, monkeypatch):
    from hy3dgen.texgen.pipelines import Hunyuan3DPaintPipeline

    texturer, params, _loaded = painter
    told = Told()
    values, arrays = texturer(params, request(), told)
    assert arrays["colour"].shape == (256, 256, 3)
    assert len(arrays["uvs"]) == 3 * len(sphere(17).faces)
    assert [len(views) for views in told.views] == list(range(1, 8))  # the picture, six views
    assert all(v.shape[1:] == (160, 160, 4) and v.dtype == np.uint8 for v in told.views)
    assert list(dict.fromkeys(told.stages)) == [
        *("prepare picture", "load model", "unwrap"),
        *("draw views", "paint views", "bake", "fill"),
    ]
    assert values["seed"] == 3
    monkeypatch.setattr(Hunyuan3DPaintPipeline, "from_pretrained", None)  # it stays loaded
    again = texturer({**params, "texture_size": 256}, request(), told)[1]
    assert np.array_equal(again["colour"], arrays["colour"])
    assert "metallic_roughness" not in arrays

    from PIL import Image

    metal = Image.new("RGB", (64, 64), (255, 90, 0))
    models = texturer._painter._pipeline.models
    models["multiview_model"] = lambda references, controls, numbers: {
        name: [metal] * len(numbers) for name in ("albedo", "mr")
    }
    found = texturer(params, request(), told)[1]["metallic_roughness"]
    assert found.shape == (256, 256, 3)
    assert np.abs(found.astype(int) - [0, 90, 255]).max() <= 1


def test_a_model_that_is_not_there_is_told(worker, tmp_path):
    with pytest.raises(TaskFailedError, match="hunyuan3d-delight-v2-0"):
        worker.run("texture", {"model": str(tmp_path)}, request())


def test_a_second_texture_finds_what_did_not_change(tmp_path, monkeypatch):
    from hy3dgen.texgen import from_picture
    from hy3dgen.worker import texturing
    from hy3dgen.worker.engines import NumpyEngine

    calls = []

    def counted(name, function):
        def call(*arguments):
            calls.append(name)
            return function(*arguments)

        return call

    monkeypatch.setattr(texturing.unwrap, "unwrap", counted("unwrap", texturing.unwrap.unwrap))
    monkeypatch.setattr(from_picture, "find_view", counted("view", from_picture.find_view))
    texturer, told = texturing.Texturer(NumpyEngine("")), Told()
    first = texturer({"texture_size": 256}, request(), told)[1]
    assert calls == ["unwrap", "view"] and len(told.views) == 1
    again = texturer({"texture_size": 256}, request(), told)[1]
    texturer({"texture_size": 128}, request(), told)
    assert calls == ["unwrap", "view"]
    assert np.array_equal(first["colour"], again["colour"])
    assert np.array_equal(first["uvs"], again["uvs"])
    assert texturer.cache.bytes > 0
    values, _ = texturer.clear_cache({}, {}, told)
    assert values["bytes"] > 0 and texturer.cache.bytes == 0
    texturer({"texture_size": 128}, request(), told)
    assert calls == ["unwrap", "view"] * 2


def test_the_worker_tells_of_its_cache_and_clears_it(worker):
    worker.run("texture", {"texture_size": 128}, request())
    assert worker.run("status").values["cache_bytes"] > 0
    assert worker.run("clear_cache").values["bytes"] > 0
    assert worker.run("status").values["cache_bytes"] == 0
