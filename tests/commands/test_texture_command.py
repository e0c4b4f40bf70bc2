# SPDX-License-Identifier: Apache-2.0
"""The command `hy3dgen texture` on real files."""

import json

import numpy as np
import pytest
from PIL import Image

from hy3dgen.cli import main
from hy3dgen.commands import texture
from hy3dgen.mesh.files import as_one_mesh, load_mesh

trimesh = pytest.importorskip("trimesh")


@pytest.fixture
def files(tmp_path):
    """A ball and a disc that is red above and blue below."""
    trimesh.creation.icosphere(4).export(tmp_path / "ball.stl")
    y, x = np.mgrid[:96, :96] / 95 * 2 - 1
    image = np.zeros((96, 96, 4), np.uint8)
    image[..., 0], image[..., 2] = np.where(y < 0, 220, 20), np.where(y < 0, 20, 220)
    image[..., 3] = 255 * (x**2 + y**2 < 0.9)
    Image.fromarray(image).save(tmp_path / "disc.png")
    return [str(tmp_path / name) for name in ("ball.stl", "disc.png", "out.glb")]


def painted(path):
    """The mesh of a file, and the texture's colour at each face's middle, (F, 3)."""
    mesh = as_one_mesh(load_mesh(path))
    pixels = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB")).astype(int)
    middles = np.asarray(mesh.visual.uv)[mesh.faces].mean(axis=1)
    size = np.array(pixels.shape[1::-1]) - 1
    column, row = (middles * [1, -1] + [0, 1]).clip(0, 1).T * size[:, None]
    return mesh, pixels[row.round().astype(int), column.round().astype(int)]


def is_halved(mesh, colours):
    height = mesh.vertices[mesh.faces].mean(axis=1)[:, 1] / np.abs(mesh.vertices).max()
    above, below = colours[height > 0.5], colours[height < -0.5]
    shares = (above[:, 0] > above[:, 2]).mean(), (below[:, 2] > below[:, 0]).mean()
    print(shares)
    return min(shares) > 0.99


def test_a_ball_is_painted(files, capsys):
    arguments = ["texture", *files, "--size", "128", "--unwrap", "box", "--json"]
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["faces"] == 5120
    assert "5,120 faces" in told.err
    mesh, colours = painted(files[2])
    assert len(mesh.faces) == 5120 and is_halved(mesh, colours)


@pytest.mark.parametrize("full", [False, True])
def test_a_large_mesh_is_reduced_and_can_have_all_its_faces(files, monkeypatch, capsys, full):
    monkeypatch.setattr(texture, "LARGE_MESH", 1000)
    monkeypatch.setattr(texture, "REDUCED_FACES", 500)
    arguments = ["texture", *files, "--size", "256", "--unwrap", "box", "--json"]
    assert main(arguments + ["--full-detail"] * full) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["faces"], told["faces_before"]) == (500, 5120)
    mesh, colours = painted(files[2])
    assert len(mesh.faces) == (5120 if full else 500) and is_halved(mesh, colours)


def test_own_uvs_are_kept_whatever_their_number(files, monkeypatch):
    assert main(["texture", *files, "--size", "64", "--unwrap", "box"]) == 0
    monkeypatch.setattr(texture, "LARGE_MESH", 1000)
    again = files[2].replace("out", "again")
    assert main(["texture", files[2], files[1], again, "--size", "64", "--unwrap", "keep"]) == 0
    first, second = (as_one_mesh(load_mesh(path)) for path in (files[2], again))
    np.testing.assert_allclose(
        first.visual.uv[first.faces], second.visual.uv[second.faces], atol=1e-6
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: [f[0], f[1], f[2].replace(".glb", ".stl")], "cannot hold a texture"),
        (lambda f: [f[0], f[1] + "x", f[2]], "disc.pngx"),
        (lambda f: [*f, "--unwrap", "keep"], "no UVs to keep"),
    ],
)
def test_what_cannot_be_is_told(files, capsys, tmp_path, change, words):
    assert main(["texture", *change(files), "--quiet"]) == 1
    assert words in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"ball.stl", "disc.png"}
