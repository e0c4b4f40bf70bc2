# SPDX-License-Identifier: Apache-2.0
"""Mesh files come back as they were written, and a failed write changes nothing."""

import io
import json
import os
import stat
import struct

import numpy as np
import pytest

from hy3dgen.errors import InputError, InvalidMeshError, InvalidSettingError
from hy3dgen.memory import peak_memory
from hy3dgen.mesh.files import FORMATS, as_one_mesh, load_mesh, save_mesh

trimesh = pytest.importorskip("trimesh")
Image = pytest.importorskip("PIL.Image")


def textured():
    box = trimesh.creation.box()
    picture = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    box.visual = trimesh.visual.TextureVisuals(uv=box.vertices[:, :2] + 0.5, image=picture)
    return box


@pytest.mark.parametrize("suffix", FORMATS)
def test_round_trip(tmp_path, suffix):
    ball = trimesh.creation.icosphere(2)
    save_mesh(ball, tmp_path / f"ball{suffix.upper()}")
    back = as_one_mesh(load_mesh(tmp_path / f"ball{suffix.upper()}"))
    assert len(back.faces) == 320
    np.testing.assert_allclose(back.triangles, ball.triangles, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == [f"ball{suffix.upper()}"]


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_uvs_and_texture(tmp_path, suffix):
    save_mesh(textured(), tmp_path / f"my box{suffix}")
    back = as_one_mesh(load_mesh(tmp_path / f"my box{suffix}"))
    assert back.visual.kind == "texture"
    np.testing.assert_allclose(
        np.sort(back.visual.uv[back.faces].reshape(-1)),
        np.sort(textured().visual.uv[textured().faces].reshape(-1)),
        atol=1e-5,
    )
    material = back.visual.material
    image = material.image if hasattr(material, "image") else material.baseColorTexture
    np.testing.assert_array_equal(
        np.asarray(image.convert("RGB")), np.asarray(textured().visual.material.image)
    )


def test_a_scene_is_joined_where_its_parts_stand(tmp_path):
    scene = trimesh.Scene([trimesh.creation.box()])
    scene.add_geometry(
        trimesh.creation.box(), transform=np.diag([1.0, 1, 1, 1]) + np.eye(4, k=3) * 5
    )
    for name in ("scene.ply", "scene.stl", "scene.obj", "scene.glb"):
        save_mesh(scene, tmp_path / name)
        joined = as_one_mesh(load_mesh(tmp_path / name))
        assert len(joined.faces) == 24
        np.testing.assert_allclose(joined.bounds, scene.bounds)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions(tmp_path):
    path = tmp_path / "ball.ply"
    save_mesh(trimesh.creation.icosphere(1), path)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    path.chmod(0o640)
    save_mesh(trimesh.creation.icosphere(0), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert len(load_mesh(path).faces) == 20


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, error):
    path = tmp_path / "ball.ply"
    path.write_bytes(b"old")

    def fail(*_):
        raise error

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises((InvalidSettingError, KeyboardInterrupt)) as raised:
        save_mesh(trimesh.creation.icosphere(1), path)
    if isinstance(error, OSError):
        assert "cannot be written (No space left" in str(raised.value)
    assert [p.name for p in tmp_path.iterdir()] == ["ball.ply"] and path.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + "/x", "a\0b"])
def test_names_that_no_disk_takes(tmp_path, name):
    with pytest.raises(InvalidSettingError, match=r"cannot be written|no folder"):
        save_mesh(trimesh.creation.box(), tmp_path / f"{name}.ply")
    with pytest.raises(InvalidMeshError, match="no mesh file"):
        load_mesh(tmp_path / f"{name}.ply")
    assert list(tmp_path.iterdir()) == []


def test_refusals(tmp_path):
    (tmp_path / "broken.glb").write_bytes(b"not a mesh")
    trimesh.PointCloud(np.eye(3)).export(tmp_path / "points.ply")
    with pytest.raises(InvalidMeshError, match="no mesh file"):
        load_mesh(tmp_path / "missing.glb")
    with pytest.raises(InvalidMeshError, match="could not be read"):
        load_mesh(tmp_path / "broken.glb")
    with pytest.raises(InvalidMeshError, match=r"points\.ply has no triangle mesh"):
        load_mesh(tmp_path / "points.ply")
    (tmp_path / "wild.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\n"
        "property float z\nproperty uchar red\nproperty uchar green\nproperty uchar blue\n"
        "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
        "0 0 0 9 9 9\n1 0 0 9 9 9\n0 1 0 9 9 9\n3 0 1 7\n"
    )
    with pytest.raises(InvalidMeshError, match="a face with vertex 7, but there are 3"):
        load_mesh(tmp_path / "wild.ply")
    with pytest.raises(InvalidMeshError, match="no triangle mesh"):
        as_one_mesh(trimesh.Scene())
    with pytest.raises(InvalidSettingError, match=r"one of \.glb"):
        save_mesh(trimesh.creation.box(), tmp_path / "box.fbx")
    with pytest.raises(InputError, match="There is no folder"):
        save_mesh(trimesh.creation.box(), tmp_path / "nowhere" / "box.glb")


def with_another_picture(tmp_path, suffix, content):
    """A file as `save_mesh` writes it, `content` where its texture is."""
    path = tmp_path / f"box{suffix}"
    save_mesh(textured(), path)
    if suffix == ".obj":
        (material,) = tmp_path.glob("*.mtl")
        (picture,) = (one for one in tmp_path.iterdir() if one.name in material.read_text())
        picture.write_bytes(content)
        return path
    data = path.read_bytes()
    length = int.from_bytes(data[12:16], "little")
    tree = json.loads(data[20 : 20 + length])
    binary = data[28 + length :] + content + bytes(-len(content) % 4)
    view = {"buffer": 0, "byteOffset": len(data) - 28 - length, "byteLength": len(content)}
    tree["bufferViews"].append(view)
    tree["images"] = [{"mimeType": "image/png", "bufferView": len(tree["bufferViews"]) - 1}]
    tree["buffers"][0]["byteLength"] = len(binary)
    # Makes trimesh look at the pixels at once.
    shiny = {"diffuseTexture": {"index": 0}, "specularGlossinessTexture": {"index": 0}}
    tree["materials"] = [{"extensions": {"KHR_materials_pbrSpecularGlossiness": shiny}}]
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    parts = ((b"JSON", text), (b"BIN\0", binary))
    body = b"".join(len(part).to_bytes(4, "little") + kind + part for kind, part in parts)
    path.write_bytes(b"glTF" + struct.pack("<II", 2, 12 + len(body)) + body)
    return path


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_no_texture_starts_a_program(tmp_path, ghostscript, suffix):
    """For EPS Pillow would start Ghostscript, which runs what the file says."""
    stream = io.BytesIO()
    Image.new("RGB", (32, 32)).save(stream, "EPS")
    path = with_another_picture(tmp_path, suffix, stream.getvalue())
    mesh = as_one_mesh(load_mesh(path))
    assert len(mesh.faces) == 12
    for name in ("image", "baseColorTexture"):
        assert getattr(mesh.visual.material, name, None) is None
    assert not ghostscript.exists()


@pytest.mark.parametrize(("suffix", "side", "most"), [(".glb", 4100, 17), (".obj", 9000, 80)])
def test_a_texture_of_too_many_pixels_is_not_decoded(tmp_path, suffix, side, most):
    """Some 10 kB, of which trimesh would make gigabytes."""
    stream = io.BytesIO()
    Image.new("1", (side, side)).save(stream, "PNG")
    path = with_another_picture(tmp_path, suffix, stream.getvalue())
    with (
        peak_memory() as peak,
        pytest.raises(InvalidMeshError, match=f"less than {most} megapixels"),
    ):
        load_mesh(path)
    assert peak.bytes - peak.before < 64 << 20
    assert Image.open.__name__ == "open"
