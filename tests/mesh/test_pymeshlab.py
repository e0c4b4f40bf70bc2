# SPDX-License-Identifier: Apache-2.0
"""Exchange with pymeshlab, and its reduction in a process of its own."""

import os
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

import numpy as np
import pytest

from hy3dgen.errors import Cancelled, InvalidMeshError, MissingDependencyError
from hy3dgen.mesh import TriangleMesh
from hy3dgen.mesh.pymeshlab_exchange import pymeshlab2trimesh, trimesh2pymeshlab
from hy3dgen.shapegen.postprocessors import (
    DegenerateFaceRemover,
    FaceReducer,
    FloaterRemover,
    MeshSimplifier,
    export_mesh,
    import_mesh,
    mesh_normalize,
)

pymeshlab = pytest.importorskip("pymeshlab", reason="pymeshlab, an optional engine, is missing")
trimesh = pytest.importorskip("trimesh")
Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def ball():
    return trimesh.creation.icosphere(4)


@pytest.fixture(autouse=True)
def leaves_no_file():
    before = set(os.listdir(tempfile.gettempdir()))
    yield
    new = set(os.listdir(tempfile.gettempdir())) - before
    assert not [name for name in new if "hy3dgen" in name]


@pytest.mark.parametrize("kind", ["vertex", "face"])
def test_colors_there_and_back(ball, kind):
    count = len(ball.vertices if kind == "vertex" else ball.faces)
    colors = np.random.default_rng(1).integers(0, 256, (count, 4), np.uint8)
    setattr(ball.visual, f"{kind}_colors", colors)
    back = pymeshlab2trimesh(trimesh2pymeshlab(ball))
    assert back.visual.kind == kind
    np.testing.assert_array_equal(getattr(back.visual, f"{kind}_colors"), colors)
    np.testing.assert_array_equal(back.vertices, ball.vertices)
    np.testing.assert_array_equal(back.faces, ball.faces)
    assert np.einsum("ij,ij->i", back.vertex_normals, ball.vertex_normals).min() > 0.999


def test_no_colors_there_and_back(ball):
    assert pymeshlab2trimesh(trimesh2pymeshlab(ball)).visual.kind is None


def test_uvs_and_texture_there_and_back(ball):
    picture = Image.fromarray(np.random.default_rng(2).integers(0, 256, (8, 8, 3), np.uint8))
    uv = (ball.vertices[:, :2] + 1) / 2
    ball.visual = trimesh.visual.TextureVisuals(uv=uv, image=picture)
    back = pymeshlab2trimesh(trimesh2pymeshlab(ball))
    np.testing.assert_allclose(back.visual.uv[back.faces], ball.visual.uv[ball.faces], atol=1e-6)
    assert len(back.vertices) == len(ball.vertices)
    shown = np.asarray(back.visual.material.image.convert("RGB"))
    np.testing.assert_array_equal(shown, np.asarray(picture))


def test_a_set_keeps_its_other_meshes(ball):
    mesh_set = trimesh2pymeshlab(ball)
    mesh_set.add_mesh(pymeshlab.Mesh(np.eye(3), np.int32([[0, 1, 2]])), "other", False)
    reduced = FaceReducer()(mesh_set, max_facenum=500)
    assert [mesh.face_number() for mesh in reduced] == [500, 1]
    assert reduced.current_mesh().face_number() == 500
    assert mesh_set.current_mesh().face_number() == 5120
    assert FaceReducer()(mesh_set, max_facenum=9000) is mesh_set


@pytest.mark.parametrize(
    "process", [FloaterRemover(), DegenerateFaceRemover(), MeshSimplifier(), mesh_normalize]
)
def test_a_set_stays_a_set(ball, process):
    assert type(process(trimesh2pymeshlab(ball))) is pymeshlab.MeshSet


def test_import_and_export(ball, tmp_path):
    ball.export(tmp_path / "ball.ply")
    triangles = TriangleMesh(ball.vertices, ball.faces)
    holder = SimpleNamespace(mesh_v=np.float32(ball.vertices), mesh_f=np.int32(ball.faces))
    scene = trimesh.Scene([ball])
    kinds = [ball, scene, triangles, holder, tmp_path / "ball.ply"]
    small = FaceReducer()(import_mesh(ball), max_facenum=100)
    for mesh in kinds:
        assert import_mesh(mesh).current_mesh().face_number() == 5120
        result = export_mesh(mesh, small)
        wanted = trimesh.Trimesh if mesh is kinds[-1] else type(mesh)
        assert type(result) is wanted
        faces = result.mesh_f if mesh is holder else getattr(result, "faces", None)
        faces = result.dump()[0].faces if mesh is scene else faces
        assert len(faces) == 100
    assert len(holder.mesh_f) == 5120
    assert export_mesh(small, ball).current_mesh().face_number() == 5120


def test_an_empty_set():
    with pytest.raises(InvalidMeshError, match="MeshSet is empty"):
        FaceReducer()(pymeshlab.MeshSet())


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
def test_reduction_with_pymeshlab(ball, scale):
    ball.vertices = ball.vertices * scale
    ball.visual.vertex_colors = np.uint8((ball.vertices / scale + 1) / 2 * 255)
    told = []
    reduced = FaceReducer()(ball, 500, method="pymeshlab", progress=told.append)
    assert len(reduced.faces) == 500 and reduced.is_watertight
    assert reduced.volume / scale**3 == pytest.approx(4.15, abs=0.03)
    shown = reduced.visual.vertex_colors[:, :3] / 255
    np.testing.assert_allclose(shown, (reduced.vertices / scale + 1) / 2, atol=0.02)
    assert told[-1] == 1


def test_a_cancel_ends_the_process():
    big = trimesh.creation.icosphere(7)
    start = None

    def cancel(_):
        nonlocal start
        start = time.monotonic()
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        FaceReducer()(big, 100, method="pymeshlab", progress=cancel)
    assert time.monotonic() - start < 5


def test_it_is_not_loaded_beside_blender():
    code = (
        "import sys, types; sys.modules['bpy'] = types.ModuleType('bpy')\n"
        "from hy3dgen.mesh.pymeshlab_exchange import import_pymeshlab\n"
        "from hy3dgen.errors import MissingDependencyError\n"
        "try: import_pymeshlab()\n"
        "except MissingDependencyError as error: print(error)\n"
        "assert 'pymeshlab' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "inside Blender" in done.stdout


def test_a_missing_pymeshlab_is_told(ball, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymeshlab", None)
    with pytest.raises(MissingDependencyError, match="pip install pymeshlab"):
        trimesh2pymeshlab(ball)
