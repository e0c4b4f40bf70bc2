# SPDX-License-Identifier: Apache-2.0
"""What holds for whatever surface is reduced, tried on surfaces that nobody chose."""

import numpy as np
import pytest
from known_meshes import cube, grid, joined, sphere, torus

from hy3dgen.mesh import (
    TriangleMesh,
    component_labels,
    fill_small_holes,
    reduce_faces,
    select_faces,
    weld,
)

hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")
given = hypothesis.given

# The machine that runs this may be slow; what is drawn is the same each time.
quickly = hypothesis.settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
methods = st.sampled_from(["fast", "quality", "preview"])


@st.composite
def closed_surfaces(draw):
    """One to three closed parts with noise, turned and stretched, in any unit."""
    makers = [
        lambda: sphere(draw(st.integers(4, 9))),
        lambda: cube(draw(st.integers(3, 9))),
        lambda: torus(draw(st.integers(8, 24)), draw(st.integers(5, 12))),
    ]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = []
    for number in range(draw(st.integers(1, 3))):
        part = draw(st.sampled_from(makers))()
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        turn *= np.sign(np.linalg.det(turn))
        noise = rng.normal(0, draw(st.sampled_from([0, 0.002])), part.vertices.shape)
        stretch = np.exp(rng.uniform(-1, 1, 3))
        places = ((part.vertices + noise) * stretch) @ turn + 8 * number
        parts.append(TriangleMesh(places, part.faces))
    mesh = joined(*parts)
    scale = draw(st.sampled_from([1e-6, 1.0, 1e6]))
    return TriangleMesh(mesh.vertices * np.float32(scale), mesh.faces)


def edge_uses(mesh):
    return np.unique(mesh.edge_face_counts()[1])


@quickly
@given(closed_surfaces(), st.floats(0.05, 0.9), methods)
def test_closed_surfaces_stay_closed(mesh, ratio, method):
    target = max(4, int(ratio * len(mesh.faces)))
    reduced = reduce_faces(mesh, target, method)
    parts = component_labels(mesh).max() + 1
    assert component_labels(reduced).max() + 1 == parts
    assert reduced.is_watertight and (edge_uses(reduced) == 2).all()
    # Parts and handles allow no fewer than some; where they allow it, the target is met.
    assert len(reduced.faces) <= max(target, 32 * parts) and len(reduced.faces) % 2 == 0
    assert np.isfinite(reduced.vertices).all()
    low, high = mesh.bounds
    room = 0.5 * (high - low).max()  # a tetrahedron as full as a ball reaches beyond it
    assert (reduced.vertices >= low - room).all() and (reduced.vertices <= high + room).all()
    assert np.array_equal(np.unique(reduced.faces), np.arange(len(reduced.vertices)))


@quickly
@given(closed_surfaces(), st.floats(0.1, 0.9), methods, st.integers(2, 5))
def test_threads_order_and_repetition_do_not_show(mesh, ratio, method, threads):
    target = max(4, int(ratio * len(mesh.faces)))
    before = mesh.vertices.tobytes(), mesh.faces.tobytes()
    one = reduce_faces(mesh, target, method, threads=1)
    more = reduce_faces(mesh, target, method, threads=threads)
    assert one.vertices.tobytes() == more.vertices.tobytes()
    assert one.faces.tobytes() == more.faces.tobytes()
    assert (mesh.vertices.tobytes(), mesh.faces.tobytes()) == before


@quickly
@given(st.integers(5, 20), st.floats(0.05, 0.9), methods, st.integers(0, 2**32 - 1))
def test_a_sheet_with_holes_keeps_its_borders(side, ratio, method, seed):
    sheet = grid(side)
    rng = np.random.default_rng(seed)
    kept = rng.random(len(sheet.faces)) > 0.1
    sheet = select_faces(sheet, kept)
    reduced = reduce_faces(sheet, max(2, int(ratio * len(sheet.faces))), method)
    assert set(edge_uses(reduced)) <= {1, 2}
    assert component_labels(reduced).max() == component_labels(sheet).max()
    assert (reduced.vertices[:, 2] == 0).all() and (reduced.face_normals[:, 2] > 0).all()
    edge = 1 / (side - 1)
    assert (reduced.vertices[:, :2] > -edge).all() and (reduced.vertices[:, :2] < 1 + edge).all()


@quickly
@given(st.integers(4, 9), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_small_holes_are_filled_and_look_outwards(side, count, seed):
    ball = sphere(side)
    rng = np.random.default_rng(seed)
    kept = np.ones(len(ball.faces), bool)
    for face in rng.choice(len(ball.faces), count, replace=False):
        kept[face] = False
    filled = fill_small_holes(select_faces(ball, kept))
    middles = filled.vertices[filled.faces].mean(axis=1)
    assert (np.einsum("ij,ij->i", middles, filled.face_normals) > 0).all()
    assert (edge_uses(filled) <= 2).all()
    if len(weld(filled).boundary_edges) == 0:
        assert filled.volume == pytest.approx(ball.volume, rel=0.2)
    assert len(filled.boundary_edges) <= len(select_faces(ball, kept).boundary_edges)


@quickly
@given(closed_surfaces())
def test_vertex_normals_are_units_on_the_side_of_their_faces(mesh):
    normals = mesh.vertex_normals
    lengths = np.linalg.norm(normals, axis=1)
    assert np.isclose(lengths, 1, atol=1e-5).all()
    sums = np.zeros((len(mesh.vertices), 3))
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    doubled = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    for column in mesh.faces.T:
        np.add.at(sums, column, doubled)
    sums /= np.linalg.norm(sums, axis=1, keepdims=True)
    assert np.abs(sums - normals).max() < 1e-4
