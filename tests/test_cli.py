# SPDX-License-Identifier: Apache-2.0
"""The command `hy3dgen reduce` on real files."""

import contextlib
import signal
import subprocess
import sys

import numpy as np
import pytest

from hy3dgen.cli import main
from hy3dgen.commands.terminal import Interrupts
from hy3dgen.mesh.files import FORMATS, as_one_mesh, load_mesh

trimesh = pytest.importorskip("trimesh")


@pytest.fixture
def ball(tmp_path):
    path = tmp_path / "ball.glb"
    trimesh.creation.icosphere(4).export(path)
    return path


def faces_of(path):
    return len(as_one_mesh(load_mesh(path)).faces)


@pytest.mark.parametrize("method", ["fast", "quality"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_each_format(ball, suffix, method, capsys):
    target = ball.with_name(f"small{suffix}")
    assert main(["reduce", str(ball), str(target), "--faces", "500", "--method", method]) == 0
    assert faces_of(target) == 500
    assert "5,120 -> 500 faces" in capsys.readouterr().err


def test_ratio_in_place(ball):
    assert main(["reduce", str(ball), str(ball), "--ratio", "0.25", "--quiet"]) == 0
    assert faces_of(ball) == 1280
    assert list(ball.parent.iterdir()) == [ball]


def test_colors_arrive(tmp_path):
    red = trimesh.creation.icosphere(3)
    red.visual.vertex_colors = np.tile(np.uint8([200, 10, 20, 255]), (len(red.vertices), 1))
    red.export(tmp_path / "red.ply")
    assert (
        main(["reduce", str(tmp_path / "red.ply"), str(tmp_path / "out.ply"), "--faces", "99"]) == 0
    )
    colors = load_mesh(tmp_path / "out.ply").visual.vertex_colors
    assert (colors == [200, 10, 20, 255]).all()


def test_a_folder_with_one_broken_file(ball, tmp_path, capsys):
    source, target = tmp_path / "in", tmp_path / "deep" / "out"
    source.mkdir()
    for name in ("a.glb", "c.glb"):
        (source / name).write_bytes(ball.read_bytes())
    (source / "b.stl").write_bytes(b"no mesh")
    (source / "readme.txt").write_text("not a mesh, left out")
    assert main(["reduce", str(source), str(target), "--faces", "200"]) == 1
    assert sorted(path.name for path in target.iterdir()) == ["a.glb", "c.glb"]
    assert faces_of(target / "a.glb") == faces_of(target / "c.glb") == 200
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and lines[1].startswith("[2/3] b.stl: The mesh file")


def test_a_target_out_of_reach_is_told(tmp_path, capsys):
    trimesh.creation.torus(1, 0.4).export(tmp_path / "ring.stl")
    arguments = ["reduce", str(tmp_path / "ring.stl"), str(tmp_path / "out.stl"), "--faces", "1"]
    assert main([*arguments, "--quiet"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "1 faces were asked for" in line and "separate parts" in line


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.glb", "out.glb", "--faces", "9"], "There is no mesh file"),
        (["ball.glb", "out.fbx", "--faces", "9"], "one of .glb"),
        (["ball.glb", "nowhere/out.glb", "--faces", "9"], "There is no folder"),
        ([".", "ball.glb", "--faces", "9"], "is a folder but"),
    ],
)
def test_one_sentence_errors(ball, arguments, sentence, capsys, monkeypatch):
    monkeypatch.chdir(ball.parent)
    assert main(["reduce", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
    assert list(ball.parent.iterdir()) == [ball]


@pytest.mark.parametrize(
    "wish",
    [[], ["--faces", "0"], ["--faces", "x"], ["--ratio", "2"], ["--faces", "9", "--ratio", "1"]],
)
def test_wrong_arguments(wish, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["reduce", "a.glb", "b.glb", *wish])
    assert stopped.value.code == 2
    capsys.readouterr()


def test_as_a_module(ball):
    command = [sys.executable, "-m", "hy3dgen", "reduce", str(ball), str(ball), "--faces", "100"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert "ball.glb: 5,120 -> 100 faces" in done.stderr


def test_interrupt_that_a_library_swallows_is_noticed():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        interrupts.check()
        with contextlib.suppress(BaseException):  # as trimesh does around its imports
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    assert signal.getsignal(signal.SIGINT) is before
