# SPDX-License-Identifier: Apache-2.0
"""`hy3dgen reduce` keeps what the files hold: UV maps, pictures, colours, materials, attributes."""

import numpy as np
import pytest

from hy3dgen.cli import main
from hy3dgen.mesh.files import as_one_mesh, load_mesh, save_mesh

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("PIL")


def reduce(source, target, *wish: str):
    assert main(["reduce", str(source), str(target), *(wish or ("--ratio", "0.2")), "--quiet"]) == 0
    return load_mesh(target)


def globe(n: int = 40):
    """A ball without its poles: u and v are longitude and latitude; the seam is at z = 0, x > 0."""
    from PIL import Image

    u, v = np.meshgrid(np.linspace(0, 1, n + 1), np.linspace(0.05, 0.95, n + 1), indexing="ij")
    uv = np.stack([u, v], -1).reshape(-1, 2)
    rows = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
    a, b, c, d = rows[:-1, :-1], rows[1:, :-1], rows[1:, 1:], rows[:-1, 1:]
    faces = [np.stack(three, -1).reshape(-1, 3) for three in ((a, c, b), (a, d, c))]
    picture = Image.fromarray(np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3))
    material = trimesh.visual.material.PBRMaterial(
        name="map", baseColorTexture=picture, roughnessFactor=0.3
    )
    return trimesh.Trimesh(
        on_globe(uv),
        np.concatenate(faces),
        visual=trimesh.visual.TextureVisuals(uv=uv, material=material),
        process=False,
    )


def on_globe(uv):
    turn, down = 2 * np.pi * uv[:, 0], np.pi * uv[:, 1]
    return np.stack(
        [np.sin(down) * np.cos(turn), np.cos(down), np.sin(down) * np.sin(turn)], axis=1
    )


def assert_uvs_fit(mesh) -> None:
    """Where a UV lies on the ball its vertex lies, and no triangle goes around the ball."""
    uv = mesh.visual.uv
    assert np.linalg.norm(on_globe(uv) - mesh.vertices, axis=1).max() < 0.03
    assert np.ptp(uv[mesh.faces][..., 0], axis=1).max() < 0.5


@pytest.mark.parametrize("ending", ["glb", "obj"])
@pytest.mark.parametrize("given", ["glb", "obj"])
def test_uvs_and_pictures(tmp_path, given, ending):
    save_mesh(globe(), tmp_path / f"in.{given}")
    mesh = as_one_mesh(reduce(tmp_path / f"in.{given}", tmp_path / f"out.{ending}"))
    assert 639 <= len(mesh.faces) <= 640
    assert_uvs_fit(mesh)
    material = mesh.visual.material
    picture = getattr(material, "baseColorTexture", None) or material.image
    assert picture.size == (16, 16) and material.name == "map"


def test_uvs_in_ply(tmp_path):
    """A PLY has no place for the picture."""
    save_mesh(globe(), tmp_path / "in.glb")
    assert_uvs_fit(reduce(tmp_path / "in.glb", tmp_path / "out.ply"))


def colored(by: str):
    ball = trimesh.creation.icosphere(4)
    places = ball.vertices if by == "vertex" else ball.triangles_center
    colors = np.uint8(np.c_[128 + 100 * places, np.full(len(places), 255)])
    setattr(ball.visual, f"{by}_colors", colors)
    return ball


@pytest.mark.parametrize("ending", ["glb", "obj", "ply"])
@pytest.mark.parametrize("given", ["glb", "obj", "ply"])
def test_vertex_colors(tmp_path, given, ending):
    save_mesh(colored("vertex"), tmp_path / f"in.{given}")
    mesh = as_one_mesh(reduce(tmp_path / f"in.{given}", tmp_path / f"out.{ending}"))
    assert mesh.visual.kind == "vertex"
    colors = mesh.visual.vertex_colors[:, :3].astype(float)
    assert abs(colors - (128 + 100 * mesh.vertices)).max() < 6


def test_face_colors(tmp_path):
    """A face has the colour of a face before, whose middle may lie half a face away."""
    save_mesh(colored("face"), tmp_path / "in.ply")
    mesh = reduce(tmp_path / "in.ply", tmp_path / "out.ply")
    assert mesh.visual.kind == "face"
    colors = mesh.visual.face_colors[:, :3].astype(float)
    assert abs(colors - (128 + 100 * mesh.triangles_center)).max() < 15


def test_named_attributes(tmp_path):
    ball = trimesh.creation.icosphere(4)
    ball.vertex_attributes["_heat"] = np.float32(ball.vertices[:, 2])
    save_mesh(ball, tmp_path / "in.glb")
    mesh = as_one_mesh(reduce(tmp_path / "in.glb", tmp_path / "out.glb"))
    assert abs(mesh.vertex_attributes["_heat"].ravel() - mesh.vertices[:, 2]).max() < 0.03


def two_materials(folder):
    """An OBJ as programs write it: one object, its faces in two materials along a wavy line."""
    ball = trimesh.creation.icosphere(4)
    red = ball.triangles_center[:, 0] + 0.2 * np.sin(5 * ball.triangles_center[:, 1]) > 0
    (folder / "in.mtl").write_text("newmtl red\nKd 1 0 0\nnewmtl blue\nKd 0 0 1\n")
    lines = ["mtllib in.mtl", "o ball", *("v {} {} {}".format(*row) for row in ball.vertices)]
    for name, mask in (("red", red), ("blue", ~red)):
        lines += [f"usemtl {name}", *("f {} {} {}".format(*row + 1) for row in ball.faces[mask])]
    (folder / "in.obj").write_text("\n".join(lines))
    return folder / "in.obj"


@pytest.mark.parametrize("ending", ["glb", "obj"])
def test_two_materials_of_one_object(tmp_path, ending):
    scene = reduce(two_materials(tmp_path), tmp_path / f"out.{ending}")
    parts = list(scene.geometry.values())
    assert {part.visual.material.name for part in parts} == {"red", "blue"}
    colors = [tuple(np.uint8(part.visual.material.main_color[:3])) for part in parts]
    assert set(colors) == {(255, 0, 0), (0, 0, 255)}
    whole = trimesh.util.concatenate(
        [trimesh.Trimesh(part.vertices, part.faces, process=False) for part in parts]
    )
    whole.merge_vertices()
    assert whole.is_watertight and len(whole.faces) == 1024
