# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls for scripts and other add-ons, and the recipes of docs/headless.md."""

import importlib
import runpy
import signal
import threading
import time
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

import addon_utils  # noqa: E402
from scenes import add_sphere, fingerprint, select  # noqa: E402

ROOT = Path(__file__).parents[2]
MUG = Path(__file__).with_name("mug.png")
QUICK = {"num_inference_steps": 2, "octree_resolution": 24}

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def api(extension):
    return importlib.import_module(f"{extension.__name__}.api")


def recipe(name):
    return runpy.run_path(str(ROOT / "examples" / f"{name}.py"))["main"]


def test_generate_gives_the_object(api, scene):
    bpy.context.scene.cursor.location = (1, 2, 0)
    made = api.generate(MUG, seed=3, face_count=300, **QUICK)
    assert made is bpy.context.object and made.select_get()
    assert 250 <= len(made.data.polygons) <= 300
    assert tuple(made.location) == (1, 2, 0)
    assert made["hunyuan3d"]["seed"] == 3
    assert made["hunyuan3d"]["num_inference_steps"] == 2


def test_generate_from_an_image_of_the_file(api, scene):
    image = bpy.data.images.load(str(MUG))
    assert api.generate(image, **QUICK).name == "mug"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda api: api.generate("/nowhere.png"), "nowhere.png' does not exist"),
        (lambda api: api.generate(MUG, model="no/model"), "no/model"),
        (lambda api: api.generate(MUG, stepps=3), "no setting 'stepps'; possible: views, model"),
        (lambda api: api.generate(MUG, views={"above": MUG}), "no view 'above'; possible: left"),
        (lambda api: api.generate(MUG, octree_resolution=10**6), "ctree_resolution"),
        (lambda api: api.queue(MUG), "without a window"),
        (lambda api: api.reduce_faces([]), "no mesh to reduce"),
        (lambda api: api.reduce_faces([bpy.context.object], 3), "annot reduce to 3 faces"),
        (lambda api: api.reduce_faces([bpy.context.object], ratio=2.0), "ratio"),
        (lambda api: api.reduce_faces([bpy.context.object], method="magic"), "'fast' or 'preview'"),
        (lambda api: api.texture([], MUG), "no mesh to paint"),
        (lambda api: api.texture([bpy.context.object], "/nowhere.png"), "does not exist"),
        (lambda api: api.texture([bpy.context.object], MUG, uvs="best"), "'keep' or 'new' is"),
        (lambda api: api.texture([bpy.context.object], MUG, texture_size=3), "64 to 8192"),
    ],
)
def test_refusals_are_sentences_and_change_nothing(api, scene, call, words):
    add_sphere(subdivisions=3)
    before = fingerprint()
    with pytest.raises(api.Hy3DError, match=words) as raised:
        call(api)
    assert "\n" not in str(raised.value)
    assert fingerprint() == before


def test_ctrl_c_cancels(api, scene):
    before = fingerprint()
    timer = threading.Timer(1.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    started = time.monotonic()
    with pytest.raises(api.Cancelled):
        api.generate(MUG, num_inference_steps=1000)
    assert time.monotonic() - started < 20
    assert fingerprint() == before


def test_without_preferences_the_defaults_hold(api, scene, extension, monkeypatch):
    """`blender --addons` enables an extension without giving it preferences."""
    preferences = importlib.import_module(f"{extension.__name__}.preferences")
    bpy.ops.preferences.addon_disable(module=extension.__name__)
    try:
        addon_utils.enable(extension.__name__, default_set=False)
        assert extension.__name__ not in bpy.context.preferences.addons
        assert preferences.get(bpy.context).idle_minutes == 10
        assert preferences.get(bpy.context).python == ""
        assert api.generate(MUG, **QUICK).name == "mug"
        with pytest.raises(api.Hy3DError, match="for this run only"):
            preferences.get(bpy.context).default_model = "x"
    finally:
        bpy.ops.preferences.addon_enable(module=extension.__name__)


def test_reduce_faces_whatever_is_selected(api, scene):
    first, second, other = add_sphere("A"), add_sphere("B"), add_sphere("C")
    select(other)
    assert api.reduce_faces([first, second], face_count=500, method="fast") == [first, second]
    assert [len(obj.data.polygons) for obj in (first, second, other)] == [500, 500, 5120]
    assert bpy.context.selected_objects == [other]


def test_texture_whatever_is_selected(api, scene):
    first, other = add_sphere("A", 3), add_sphere("B", 3)
    select(other)
    assert api.texture([first], MUG, texture_size=128, uvs="new") == [first]
    assert len(first.data.materials) == 1 and not other.data.materials
    assert [tuple(image.size) for image in bpy.data.images if image.packed_file] == [(128, 128)]
    assert bpy.context.selected_objects == [other]


def test_generate_with_a_texture(api, scene):
    made = api.generate(MUG, texture_size=64, **QUICK)
    assert len(made.data.materials) == 1 and made.data.uv_layers


def test_recipe_for_a_blend_file(api, scene, tmp_path, capsys):
    sphere, small, other = add_sphere("Big"), add_sphere("Small", 2), add_sphere("Other")
    twin = bpy.data.objects.new("Twin", sphere.data)
    scene.collection.objects.link(twin)
    other.parent = sphere
    out = tmp_path / "reduced.blend"
    assert recipe("reduce_blend_file")([str(out), "--ratio", "0.1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Big: 5,120 -> 512 triangles" in lines
    assert len(twin.data.polygons) == 512 and twin.data == sphere.data
    assert len(small.data.polygons) == 80
    bpy.ops.wm.open_mainfile(filepath=str(out))
    assert len(bpy.data.objects["Big"].data.polygons) == 512
    assert len(bpy.data.objects["Other"].data.polygons) == 512
    assert bpy.data.objects["Other"].parent.name == "Big"


@pytest.mark.slow
def test_recipe_for_a_turntable(api, scene, tmp_path, capsys):
    out = tmp_path / "frames"
    main = recipe("turntable")
    assert main([str(MUG), str(out), "--frames", "2", "--size", "64", "--samples", "1"]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["000.png", "001.png"]
    image = bpy.data.images.load(str(out / "000.png"))
    visible = sum(alpha > 0.5 for alpha in list(image.pixels)[3::4])
    assert 0.1 < visible / 64**2 < 0.8, "the object fills much of the picture, not all of it"
    assert main([str(tmp_path / "none.png"), str(out)]) == 1
    assert "FAILED none.png" in capsys.readouterr().out
