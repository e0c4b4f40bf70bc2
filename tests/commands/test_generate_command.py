# SPDX-License-Identifier: Apache-2.0
"""`hy3dgen generate` as a user starts it, and what it answers to mistakes."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hy3dgen.cli import main
from hy3dgen.commands.terminal import byte_count
from hy3dgen.mesh.files import as_one_mesh, load_mesh

pytest.importorskip("torch")
PICTURES = Path(__file__).parents[2] / "examples" / "pictures"
GOLDENS = Path(__file__).parents[1] / "goldens" / "shapegen"
CAR = PICTURES / "car.png"
QUICK = ["--seed", "3", "--steps", "3", "--resolution", "24"]


def hy3dgen(*arguments):
    """The command in a process of its own; what it printed never has a traceback."""
    command = [sys.executable, "-m", "hy3dgen", *map(str, arguments)]
    sleepy = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=sleepy)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


def test_many_inputs_with_a_bad_one(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("a.png", "c.png"):
        (source / name).write_bytes(CAR.read_bytes())
    (source / "b.png").write_bytes(b"no picture")
    done = hy3dgen("generate", source, PICTURES / "dog.png", "-o", target, "--json", *QUICK)
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(line["input"]).name for line in lines] == ["a.png", "b.png", "c.png", "dog.png"]
    assert lines[1]["kind"] == "InvalidImageError" and "b.png" in lines[1]["error"]
    for line in (lines[0], lines[2], lines[3]):
        assert len(as_one_mesh(load_mesh(line["output"])).faces) == line["faces"]
        assert line["seed"] == 3 and line["device"]
        assert line["settings"]["num_inference_steps"] == 3
    # Progress goes where words go.
    for stage in ("load model", "a.png: denoise", "dog.png: decode"):
        assert stage in done.stderr
    # The same picture, seed and settings: the same bytes, in this process and in another one.
    assert (target / "a.glb").read_bytes() == (target / "c.glb").read_bytes()
    again = hy3dgen("generate", CAR, "-o", tmp_path / "again.glb", "--quiet", *QUICK)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert (tmp_path / "again.glb").read_bytes() == (target / "a.glb").read_bytes()


def test_a_missing_model_fails_every_picture_in_json(tmp_path):
    dog = PICTURES / "dog.png"
    done = hy3dgen("generate", CAR, dog, "--model", tmp_path / "none", "--json")
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["input"] for line in lines] == [str(CAR), str(dog)]
    assert all("there is no model folder" in line["error"] for line in lines)


def test_solved_settings_faces_and_format(tmp_path, capsys, monkeypatch):
    from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline as Pipeline

    asked = []

    def solved(self, *arguments, **options):
        asked.append((arguments, options))
        return {"num_inference_steps": 2, "guidance_scale": 2.0, "octree_resolution": 20,
                "num_chunks": 999, "volume_decoder": "dense", "reducer": "fast"}  # fmt: skip

    monkeypatch.setattr(Pipeline, "get_optimal_settings", solved)
    arguments = ["generate", str(CAR), "-o", str(tmp_path), "--format", "ply", "--faces", "300"]
    arguments += ["--speed", "0.8", "--max-seconds", "9", "--resolution", "28", "--json"]
    arguments += ["--mc-algo", "dmc"]
    assert main(arguments) == 0
    assert asked == [((0.8, 9.0), {"face_count": 300})]
    told = json.loads(capsys.readouterr().out)
    assert told["faces"] <= 300
    assert told["settings"]["octree_resolution"] == 28  # what is given wins
    assert (told["settings"]["num_chunks"], told["settings"]["mc_algo"]) == (999, "dmc")
    assert len(load_mesh(tmp_path / "car.ply").faces) == told["faces"]


def test_the_gpu_memory_limit_reaches_the_pipeline(tmp_path, monkeypatch):
    from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline as Pipeline

    load, asked = Pipeline.from_pretrained, []

    def noted(*arguments, **options):
        asked.append(options["max_memory"])
        return load(*arguments, **options)

    monkeypatch.setattr(Pipeline, "from_pretrained", noted)
    arguments = ["generate", str(CAR), "-o", str(tmp_path), "--steps", "1", "--resolution", "16"]
    for limit in ([], ["--max-memory", "3.5G"]):
        assert main([*arguments, *limit, "--device", "cpu", "--quiet"]) == 0
    assert asked == [None, 3.5e9]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("4G", 4e9), ("800MB", 8e8), (" 3.5 gb", 3.5e9), ("1e9", 1e9), ("2t", 2e12), ("5000", 5000)],
)
def test_sizes_of_memory(text, wanted):
    assert byte_count(text) == wanted


@pytest.mark.parametrize("text", ["", "G", "0", "-3G", "3X", "nan", "inf", "3 GiB", "0.1"])
def test_what_is_no_size_of_memory(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no number of bytes"):
        byte_count(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.png"], "nothing.png"),
        ([CAR, "--model", "no/such"], "no/such"),
        ([CAR, "--model", "/no/such/folder"], "/no/such/folder"),
        ([CAR, "--device", "toaster"], "'toaster' is not a device"),
        ([CAR, "--seed", "-1"], "the seed is -1"),
        ([CAR, "--resolution", "2"], "octree_resolution is 2"),
        ([CAR, "--guidance", "nan"], "guidance_scale is nan"),
        ([CAR, "--speed", "7"], "speed_priority is 7"),
        ([CAR, CAR, "-o", "one.glb"], "2 pictures cannot all become one.glb"),
        ([CAR, CAR, "-o", "."], "would both become"),
        ([CAR, "-o", "one.xyz"], "one.xyz ends in .xyz"),
        ([CAR, "-o", "none/one.glb"], "There is no folder none to write into"),
        (["."], "has no picture in it"),
        ([CAR, "--left", CAR], "views were given (front, left), but this model takes one"),
        ([CAR, "--back", "nothing.png"], "nothing.png"),
        ([CAR, CAR, "--right", CAR], "--right is a side of one object, but there are 2"),
    ],
)
def test_mistakes_are_told_in_a_sentence(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HY3DGEN_MODELS", str(tmp_path / "models"))
    assert main(["generate", *map(str, arguments), "--quiet"]) == 1
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [[], ["generate"], ["generate", CAR, "--steps", "0"], ["fly"]]
)
def test_wrong_arguments_end_with_two(arguments):
    with pytest.raises(SystemExit) as end:
        main([str(item) for item in arguments])
    assert end.value.code == 2


def test_a_model_of_several_views_gets_them(tmp_path):
    model = next((GOLDENS / "e2e_mv_cfg").iterdir())
    shutil.copytree(model, tmp_path / "model")
    common = ["generate", CAR, "--model", tmp_path / "model", "--quiet", "--seed", "0",
              "--steps", "3", "--resolution", "24"]  # fmt: skip
    for name, views in (("one", []), ("two", ["--back", PICTURES / "dog.png"])):
        assert main([str(item) for item in [*common, *views, "-o", tmp_path / f"{name}.stl"]]) == 0
    assert (tmp_path / "one.stl").read_bytes() != (tmp_path / "two.stl").read_bytes()


def test_faces_that_cannot_go_are_told(tmp_path, capsys):
    arguments = ["generate", str(CAR), "-o", str(tmp_path / "a.stl"), "--faces", "1", "--quiet"]
    assert main([*arguments, "--json", *QUICK]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["faces"] > 1
    assert "car.png: 1 faces were asked for, but" in told.err


def test_a_mistake_in_a_process_of_its_own():
    done = hy3dgen("generate", "nothing.png", "--quiet")
    assert done.returncode == 1
    assert "nothing.png" in done.stderr and done.stdout == ""
