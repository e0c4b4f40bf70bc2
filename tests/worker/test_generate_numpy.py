# SPDX-License-Identifier: Apache-2.0
"""The task `generate` in a Python without torch and the libraries around it."""

import sys

import numpy as np
import pytest

from hy3dgen.errors import Cancelled, TaskFailedError
from hy3dgen.mesh import TriangleMesh, native_available
from hy3dgen.shapegen.cost_model import TYPICAL_SURFACE
from hy3dgen.worker.client import WorkerClient
from hy3dgen.worker.model_cache import bundled_folder
from hy3dgen.worker.protocol import Preview
from hy3dgen.worker.speed import Figures

if not native_available():
    pytest.skip("the mesh kernel is not built", allow_module_level=True)

# This Python as if nothing but numpy were installed.
BARE = """
import sys
for name in ("torch", "safetensors", "yaml", "PIL", "cv2", "skimage", "scipy", "trimesh"):
    sys.modules[name] = None
from hy3dgen.worker.__main__ import main
main()
"""
QUICK = {"num_inference_steps": 3, "octree_resolution": 32, "seed": 2}


@pytest.fixture(scope="module")
def worker():
    with WorkerClient([sys.executable, "-c", BARE]) as client:
        hello = client.start(30)
        assert hello.device == "cpu (numpy)" and "generate" in hello.tasks
        yield client


def disc(background=(0, 0, 0, 0), side=96):
    """A blue disc."""
    y, x = np.mgrid[:side, :side]
    image = np.empty((side, side, 4), np.uint8)
    image[:] = background
    image[(x - side / 2) ** 2 + (y - side / 2) ** 2 < (side / 3) ** 2] = (30, 60, 200, 255)
    return image


@pytest.mark.parametrize("background", [(0, 0, 0, 0), (250, 250, 250, 255)])
def test_a_picture_becomes_a_mesh(worker, background):
    seen = []
    result = worker.run("generate", QUICK, {"image": disc(background)}, seen.append)
    mesh = TriangleMesh(result.arrays["vertices"], result.arrays["faces"])
    assert mesh.volume > 0.01 and np.abs(mesh.bounds).max() < 1.01
    values = result.values
    assert values["device"] == "cpu (numpy)" and values["guidance_scale"] == 2.0
    assert values["seed"] == 2 and values["octree_resolution"] == 32
    names = [name for name, _ in values["stages"]]
    assert names == [
        *("prepare picture", "load model"),
        *("condition", "denoise", "decode", "extract", "clean"),
    ]
    assert {event.stage for event in seen} <= set(names)


def test_the_defaults_are_the_models(worker):
    settings = {"num_inference_steps": 2, "seed": 0, "octree_resolution": 24, "face_count": 200}
    result = worker.run("generate", settings, {"image": disc()})
    assert len(result.arrays["faces"]) <= 200 and result.values["guidance_scale"] == 2.0


def test_cancel_while_denoising(worker):
    def stop(event):
        if event.stage == "denoise":
            worker.cancel(event.request)

    with pytest.raises(Cancelled):
        worker.run("generate", {**QUICK, "num_inference_steps": 1000}, {"image": disc()}, stop)
    assert worker.run("ping").values == {}


BAD = [
    ({"model": "somebody/something"}, disc(), "MissingDependencyError", "a Python with PyTorch"),
    ({}, disc() * 0, "InvalidImageError", "transparent"),
    ({}, disc()[:8], "InvalidImageError", "at least 16 x 16"),
    (
        {},
        np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8),
        *("InvalidImageError", "not plain; cut out the object"),
    ),
    ({}, disc().astype(np.float64), "InvalidImageError", "send uint8"),
    ({"seed": -1}, disc(), "InvalidSettingError", "seed is -1"),
]


@pytest.mark.parametrize(("params", "image", "kind", "said"), BAD, ids=lambda v: str(v)[:20])
def test_bad_input_gets_one_sentence(worker, params, image, kind, said):
    with pytest.raises(TaskFailedError) as caught:
        worker.run("generate", {**QUICK, **params}, {"image": image})
    assert caught.value.kind == kind and said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_picture_file_needs_a_library(worker):
    picture = str(bundled_folder() / "config.json")
    with pytest.raises(TaskFailedError, match=r"lacks torch.*PIL|lacks torch.*pillow") as caught:
        worker.run("generate", {**QUICK, "picture": picture})
    assert caught.value.kind == "MissingDependencyError"


def test_another_folder_needs_torch(worker, tmp_path):
    (tmp_path / "config.yaml").write_text("model: {}")
    with pytest.raises(TaskFailedError, match="bundled model only") as caught:
        worker.run("generate", {**QUICK, "model": str(tmp_path)}, {"image": disc()})
    assert caught.value.kind == "MissingDependencyError"


def test_previews_on_the_way(worker):
    """The coarse grid of the decoder costs nothing extra, so at least that one is shown."""
    meshes = []

    def see(event):
        if isinstance(event, Preview):
            meshes.append(TriangleMesh(event.arrays["vertices"], event.arrays["faces"]))

    wanted = {**QUICK, "octree_resolution": 128, "num_inference_steps": 8, "preview": True}
    result = worker.run("generate", wanted, {"image": disc()}, see)
    plain = worker.run("generate", {**wanted, "preview": False}, {"image": disc()})
    assert result.values["previews"] >= len(meshes) >= 1
    assert plain.values["previews"] == 0
    assert np.array_equal(result.arrays["vertices"], plain.arrays["vertices"])
    final = TriangleMesh(result.arrays["vertices"], result.arrays["faces"])
    assert np.abs(meshes[-1].bounds - final.bounds).max() < 0.15


def test_speed_chooses_what_is_left_alone(worker):
    wanted = {"seed": 2, "num_inference_steps": 3, "speed_priority": 1.0}
    values = worker.run("generate", wanted, {"image": disc()}).values
    assert values["num_inference_steps"] == 3 and values["octree_resolution"] == 64
    figures = Figures.from_values(values["figures"])
    assert figures.settings(1.0)["octree_resolution"] == 64
    assert figures.surface != TYPICAL_SURFACE  # that of a mesh made here


def test_settings_are_those_that_a_mesh_is_made_with(worker):
    found = worker.run("settings", {"speed_priority": 0.8}).values
    figures = Figures.from_values(found["figures"])
    assert figures.costs.device == "cpu (numpy)"
    assert dict(figures.settings(0.8)) == found["settings"]
    assert found["seconds"] > 0 and found["peak_memory"] > 50 << 20
    made = worker.run("generate", {"seed": 2, "speed_priority": 0.8}, {"image": disc()}).values
    names = ("num_inference_steps", "octree_resolution", "guidance_scale")
    assert {name: made[name] for name in names} == {name: found["settings"][name] for name in names}
    assert "measure" in dict(made["stages"]) and dict(made["stages"])["measure"] < 0.5
    worker.run("generate", {**found["settings"], "seed": 2}, {"image": disc()})
    assert "settings" not in worker.run("settings").values


@pytest.mark.parametrize(
    ("task", "params", "said"),
    [
        ("settings", {"speed_priority": 1.5}, "speed_priority is 1.5"),
        ("settings", {"model": "somebody/something"}, "a Python with PyTorch"),
        ("generate", {**QUICK, "volume_decoder": "flashvdm"}, "without PyTorch there is only"),
        ("generate", {**QUICK, "reducer": "best"}, "reducer is 'best'"),
    ],
)
def test_bad_settings_are_refused(worker, task, params, said):
    with pytest.raises(TaskFailedError, match=said):
        worker.run(task, params, {"image": disc()} if task == "generate" else {})


def test_several_views_need_another_model(worker):
    views = {"image": disc(), "image_back": disc()}
    with pytest.raises(TaskFailedError, match=r"takes one picture.*multi-view"):
        worker.run("generate", QUICK, views)
