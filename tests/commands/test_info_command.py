# SPDX-License-Identifier: Apache-2.0
"""`hy3dgen info` and `hy3dgen models`: facts about real files, and none about others."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import hy3dgen
from hy3dgen.cli import main
from hy3dgen.install.models import ALL_MODELS, MODELS, TEXTURE_MODELS
from hy3dgen.worker.model_cache import bundled_folder

trimesh = pytest.importorskip("trimesh")
CAR = Path(__file__).parents[2] / "examples" / "pictures" / "car.png"


def told(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_mesh_a_picture_a_model_and_nothing(tmp_path, capsys):
    ball = trimesh.creation.icosphere(3)
    ball.export(tmp_path / "ball.glb")
    holed = ball.copy()
    holed.update_faces(range(1, len(ball.faces)))
    holed.export(tmp_path / "holed.stl")
    inputs = [tmp_path / "ball.glb", tmp_path / "holed.stl", CAR, bundled_folder(), "nothing.glb"]
    assert main(["info", "--json", *map(str, inputs)]) == 1
    closed, opened, picture, model, failed = told(capsys)
    assert (closed["faces"], closed["vertices"], closed["parts"]) == (1280, 642, 1)
    assert closed["closed"] and closed["consistently_wound"]
    assert closed["volume"] == pytest.approx(ball.volume, abs=1e-5)
    assert closed["highest"] == pytest.approx([1, 1, 1], abs=1e-5)
    assert not opened["closed"] and opened["volume"] is None
    assert (picture["width"], picture["height"]) == (512, 512)
    assert 0.5 < picture["transparent_share"] < 0.9
    assert (model["model"], model["num_inference_steps"]) == ("Hunyuan3DDiT", 10)
    assert "nothing.glb" in failed["error"]
    assert main(["info", "--json", "tiny"]) == 0
    assert told(capsys) == [{**model, "input": "tiny"}]


def test_this_machine(capsys):
    assert main(["info", "--json"]) == 0
    (machine,) = told(capsys)
    assert machine["hy3dgen"] == hy3dgen.__version__
    assert machine["memory_mb"] > 100
    assert main(["info"]) == 0
    assert f"hy3dgen: {hy3dgen.__version__}" in capsys.readouterr().out


def test_models_are_listed_with_where_they_lie(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HY3DGEN_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    here = MODELS[0]
    folder = tmp_path / here.repository / here.subfolder
    folder.mkdir(parents=True)
    for name in ("config.yaml", "model.fp16.safetensors"):
        (folder / name).write_bytes(b"x")
    assert main(["models", "--json"]) == 0
    bundled, first, *others = told(capsys)
    assert Path(bundled["folder"]) == bundled_folder()
    assert first["folder"] == str(folder)
    assert len(others) == len(ALL_MODELS) - 1
    assert [model["name"] for model in others if model["kind"] == "texture"] == [
        model.name for model in TEXTURE_MODELS
    ]
    assert all(model["folder"] is None for model in others)
    assert main(["models"]) == 0
    listing = capsys.readouterr().out
    assert str(folder) in listing
    assert "2.0 Paint Turbo" in listing.partition("For textures:")[2]
    assert "European Union, the United Kingdom and South Korea" in listing


def test_what_it_is_not_is_said(tmp_path, capsys):
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "broken.ply").write_text("hello")
    for path in (tmp_path / "text.txt", tmp_path / "broken.ply", tmp_path):
        assert main(["info", str(path)]) == 1
        assert str(path) in capsys.readouterr().err


def test_it_ends_quietly_when_nobody_reads():
    command = [sys.executable, "-c", "from hy3dgen.cli import main; main(['models'])"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


def test_several_meshes_are_reduced_at_once(tmp_path, capsys):
    for name in ("a.ply", "b.ply"):
        trimesh.creation.icosphere(3).export(tmp_path / name)
    arguments = ["reduce", str(tmp_path / "a.ply"), str(tmp_path / "b.ply"), str(tmp_path / "out")]
    assert main([*arguments, "--faces", "200", "--json"]) == 0
    rows = told(capsys)
    assert [Path(row["input"]).name for row in rows] == ["a.ply", "b.ply"]
    assert {row["faces"] for row in rows} == {200}
    assert {row["faces_before"] for row in rows} == {1280}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.ply", "b.ply"]
