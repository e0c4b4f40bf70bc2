# SPDX-License-Identifier: Apache-2.0
"""Meshes as they should not be: each gives the right result or one clear sentence."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from hy3dgen.errors import InvalidMeshError, InvalidSettingError
from hy3dgen.mesh import TriangleMesh, component_labels, weld
from hy3dgen.shapegen.postprocessors import (
    DegenerateFaceRemover,
    FaceReducer,
    FloaterRemover,
    MeshSimplifier,
    TargetNotReachedWarning,
    mesh_normalize,
    reduce_face_trimesh,
)

trimesh = pytest.importorskip("trimesh")

METHODS = [FaceReducer(), FaceReducer(use_fast_method=True)]
ALL = [*METHODS, FloaterRemover(), DegenerateFaceRemover(), MeshSimplifier(), mesh_normalize]


def ball(level=3):
    return trimesh.creation.icosphere(level)


def changed(vertices=None, faces=None):
    """A ball with other arrays, held once by trimesh and once as plain arrays."""
    mesh = ball()
    vertices = mesh.vertices if vertices is None else vertices
    faces = mesh.faces if faces is None else faces
    return [
        trimesh.Trimesh(vertices, faces, process=False),
        SimpleNamespace(mesh_v=np.array(vertices), mesh_f=np.array(faces)),
    ]


def with_vertex(value):
    vertices = np.array(ball().vertices)
    vertices[7, 1] = value
    return changed(vertices=vertices)


def with_index(value):
    faces = np.array(ball().faces)
    faces[5, 2] = value
    return changed(faces=faces)


@pytest.mark.parametrize("process", ALL, ids=lambda p: getattr(p, "__name__", type(p).__name__))
@pytest.mark.parametrize(
    ("meshes", "sentence"),
    [
        (with_vertex(np.nan), "vertex 7 is at .*must be finite"),
        (with_vertex(np.inf), "vertex 7 is at .*must be finite"),
        (with_index(-1), "faces names vertex -1"),
        (with_index(100_000), "faces names vertex 100000"),
    ],
    ids=["nan", "infinity", "negative index", "index out of range"],
)
def test_broken_arrays_are_refused(process, meshes, sentence):
    for mesh in meshes:
        with pytest.raises(InvalidMeshError, match=sentence):
            process(mesh)


@pytest.mark.parametrize("reduce", METHODS)
@pytest.mark.parametrize("target", [0, -1, 1.5, None, True])
def test_targets_that_are_none(reduce, target):
    for mesh in (ball(), trimesh.Scene([ball()])):
        with pytest.raises(InvalidSettingError, match="whole number of at least 1"):
            reduce(mesh, max_facenum=target)


@pytest.mark.parametrize("reduce", METHODS)
def test_a_target_of_one_goes_as_far_as_the_shape_allows(reduce):
    with pytest.warns(TargetNotReachedWarning, match="1 faces were asked for, but 4 are left"):
        reduced = reduce(ball(), max_facenum=1)
    assert len(reduced.faces) == 4 and reduced.is_watertight


@pytest.mark.parametrize("reduce", METHODS)
def test_an_empty_mesh(reduce):
    for mesh in changed(np.zeros((0, 3)), np.zeros((0, 3), np.int64)):
        with pytest.raises(InvalidMeshError, match="no faces"):
            reduce(mesh)
    with pytest.raises(InvalidMeshError, match="no triangle mesh"):
        reduce(trimesh.Scene())


@pytest.mark.parametrize("reduce", METHODS)
def test_all_at_one_place(reduce):
    for mesh in changed(vertices=np.zeros((642, 3))):
        with pytest.raises(InvalidMeshError, match="scaled to nothing"):
            reduce(mesh, max_facenum=10)


@pytest.mark.parametrize("reduce", METHODS)
def test_flat_shaded_and_unwelded(reduce):
    source = ball()
    soup = trimesh.Trimesh(
        source.vertices[source.faces].reshape(-1, 3), np.arange(3840).reshape(-1, 3), process=False
    )
    reduced = reduce(soup, max_facenum=200)
    assert len(reduced.faces) == 200 and reduced.is_watertight
    assert reduced.volume == pytest.approx(source.volume, rel=0.05)
    assert len(FloaterRemover()(soup).faces) == 1280


@pytest.mark.parametrize("reduce", METHODS)
def test_zero_area_and_duplicate_faces(reduce):
    source = ball()
    pinched = np.repeat(np.arange(40)[:, None], 3, axis=1)
    faces = np.concatenate([source.faces, pinched, source.faces[:40]])
    reduced = reduce(trimesh.Trimesh(source.vertices, faces, process=False), max_facenum=200)
    assert 150 <= len(reduced.faces) <= 200
    assert reduced.volume == pytest.approx(source.volume, rel=0.2)


@pytest.mark.parametrize("reduce", METHODS)
def test_non_manifold_edge_stays_where_three_sheets_meet(reduce):
    sheet = trimesh.creation.box().subdivide().subdivide().subdivide()
    sheet.update_faces(np.isclose(sheet.triangles_center[:, 0], 0.5))
    sheet.remove_unreferenced_vertices()
    sheet.vertices -= (0.5, -0.5, 0)  # from the z axis outwards
    turns = [trimesh.transformations.rotation_matrix(a, (0, 0, 1)) for a in (0, 2.1, 4.2)]
    fan = trimesh.util.concatenate([sheet.copy().apply_transform(turn) for turn in turns])
    fan.merge_vertices()
    reduced = reduce(fan, max_facenum=60)
    assert 0 < len(reduced.faces) <= 60
    assert reduced.area == pytest.approx(fan.area, rel=0.05)


@pytest.mark.parametrize("reduce", METHODS)
def test_moebius_strip(reduce):
    around, across = 120, 8
    i, j = np.meshgrid(np.arange(around), np.arange(across), indexing="ij")
    angle, width = 2 * np.pi * i / around, (j / (across - 1) - 0.5) * 0.8
    out = 1 + width * np.cos(angle / 2)
    vertices = np.stack(
        [out * np.cos(angle), out * np.sin(angle), width * np.sin(angle / 2)], -1
    ).reshape(-1, 3)
    faces = []
    for a in range(around):
        for b in range(across - 1):
            flip = a == around - 1
            near = (a * across + b, a * across + b + 1)
            far = [
                ((a + 1) % around) * across + (across - 1 - k if flip else k) for k in (b, b + 1)
            ]
            faces += [(near[0], far[0], near[1]), (near[1], far[0], far[1])]
    strip = trimesh.Trimesh(vertices, faces, process=False)
    reduced = reduce(strip, max_facenum=200)
    assert len(reduced.faces) <= 200
    assert reduced.area == pytest.approx(strip.area, rel=0.05)
    assert len(TriangleMesh(reduced.vertices, reduced.faces).non_manifold_edges) == 0


def test_ten_thousand_tiny_parts():
    corner = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], float) * 0.1
    places = np.stack(np.meshgrid(*[np.arange(22)] * 3), -1).reshape(-1, 3)[:10_000]
    vertices = (places[:, None] + corner).reshape(-1, 3)
    faces = np.array([(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)])
    faces = (np.arange(10_000)[:, None, None] * 4 + faces).reshape(-1, 3)
    parts = trimesh.Trimesh(vertices, faces, process=False)
    with pytest.warns(TargetNotReachedWarning, match="separate parts"):
        reduced = reduce_face_trimesh(parts, max_facenum=1000)
    triangles = TriangleMesh(reduced.vertices, reduced.faces)
    assert component_labels(triangles).max() + 1 == 10_000  # none is lost
    assert len(FloaterRemover()(parts).faces) == 40_000


@pytest.mark.parametrize("reduce", METHODS)
@pytest.mark.parametrize(("scale", "offset"), [(1e-6, 0), (1e6, 0), (1, 1e6), (1e-6, 1)])
def test_tiny_huge_and_far_away(reduce, scale, offset):
    mesh = ball(4)
    mesh.vertices = mesh.vertices * scale + offset
    reduced = reduce(mesh, max_facenum=500)
    assert len(reduced.faces) == 500
    radius = np.linalg.norm((reduced.vertices - offset) / scale, axis=1)
    assert np.abs(radius - 1).max() < 0.03


def test_failure_leaves_the_input_as_it_was():
    class Stop(Exception):
        pass

    def stop(_):
        raise Stop

    for mesh in (ball(5), trimesh.Scene([ball(5)])):
        kept = next(iter(mesh.geometry.values())) if hasattr(mesh, "geometry") else mesh
        before = kept.vertices.tobytes(), kept.faces.tobytes()
        with pytest.raises(Stop):
            FaceReducer()(mesh, 100, progress=stop)
        assert (kept.vertices.tobytes(), kept.faces.tobytes()) == before


def test_enough_is_left_alone_without_a_word():
    holder = SimpleNamespace(mesh_v=np.float32(ball().vertices), mesh_f=ball().faces)
    scene, triangles = trimesh.Scene([ball()]), weld(TriangleMesh(ball().vertices, ball().faces))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for mesh in (ball(), scene, holder, triangles):
            assert FaceReducer()(mesh) is mesh
            assert FloaterRemover()(mesh) is mesh or mesh is scene
