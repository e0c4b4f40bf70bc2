# SPDX-License-Identifier: Apache-2.0
"""The numpy marching cubes: closed, manifold, outward, where the field says."""

import numpy as np
import pytest

from hy3dgen.errors import SurfaceExtractionError
from hy3dgen.mesh import TriangleMesh
from hy3dgen.numpy_forward.case_table import EDGES, case_table, loops
from hy3dgen.numpy_forward.surface import extract_surface


def ball(side, radius=0.7, centre=(0.0, 0.0, 0.0)):
    axes = [np.linspace(-1, 1, side, dtype=np.float32) - c for c in centre]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return radius - np.sqrt(x * x + y * y + z * z)


def closed(field):
    """A field that is negative on the whole border."""
    field = field.copy()
    for axis in range(3):
        ends = np.moveaxis(field, axis, 0)
        ends[0] = ends[-1] = -1
    return field


def edge_uses(faces):
    """How often each directed edge occurs, and each undirected one."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    _, often = np.unique(directed, axis=0, return_counts=True)
    _, uses = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    return often, uses


def rings(faces):
    """Closed walks from face to face around a corner; as many as vertices if all is manifold."""
    triples = [(a, b, c) for f in faces.tolist() for a, b, c in (f, f[1:] + f[:1], f[2:] + f[:2])]
    following = {(a, b): (a, c) for a, b, c in triples}
    count = 0
    while following:
        count += 1
        spoke = next(iter(following))
        while spoke in following:
            spoke = following.pop(spoke)
    return count


def areas(vertices, faces):
    a, b, c = vertices.astype(np.float64)[faces].transpose(1, 0, 2)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def test_a_sphere():
    vertices, faces = extract_surface(ball(65), 1.0)
    assert vertices.dtype == np.float32 and faces.dtype == np.int32
    assert np.abs(np.linalg.norm(vertices, axis=1) - 0.7).max() < 1e-3
    assert TriangleMesh(vertices, faces).volume == pytest.approx(4 / 3 * np.pi * 0.7**3, rel=3e-3)
    often, uses = edge_uses(faces)
    assert (often == 1).all() and (uses == 2).all()
    assert len(vertices) - len(uses) + len(faces) == 2, "Euler's number of a sphere"
    a, b, c = vertices[faces].transpose(1, 0, 2)
    outward = (np.cross(b - a, c - a) * (a + b + c)).sum(axis=1)
    assert (outward > 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_random_fields_are_closed_and_every_edge_has_two_faces(seed):
    rng = np.random.default_rng(seed)
    field = closed(rng.normal(size=(14, 15, 16)).astype(np.float32))  # every case occurs
    vertices, faces = extract_surface(field, 1.0)
    often, uses = edge_uses(faces)
    assert (often == 1).all(), "neighbouring faces go round their common edge in opposite ways"
    assert (uses == 2).all()
    assert len(np.unique(vertices, axis=0)) == len(vertices)
    assert areas(vertices, faces).min() > 0
    assert rings(faces) == len(vertices), "one ring of faces around every vertex"


def test_values_of_exactly_zero_leave_no_triangle_without_area():
    rng = np.random.default_rng(0)
    field = closed(rng.integers(-1, 2, size=(12, 12, 12)).astype(np.float32))
    vertices, faces = extract_surface(field, 1.0)
    _, uses = edge_uses(faces)
    assert (uses == 2).all() and areas(vertices, faces).min() > 0


def test_each_case_uses_every_crossed_edge_once_around():
    table, counts = case_table()
    for case in range(256):
        crossed = {
            number
            for number, (corner, axis) in enumerate(EDGES)
            if (case >> corner & 1) != (case >> (corner | 1 << axis) & 1)
        }
        assert sorted(edge for loop in loops(case) for edge in loop) == sorted(crossed)
        assert set(table[case, : counts[case]].ravel().tolist()) == crossed
        assert counts[case] == sum(len(loop) - 2 for loop in loops(case))


def test_diagonal_corners_are_separated():
    field = np.full((4, 4, 4), -1, np.float32)
    field[1, 1, 1] = field[1, 2, 2] = field[2, 1, 2] = 1  # share faces only across diagonals
    vertices, faces = extract_surface(field, 1.0)
    assert len(faces) == 3 * 8 and len(vertices) == 3 * 6, "three octahedra"


def test_the_surface_ends_at_unknown_points():
    field = ball(33)
    field[17:] = np.nan
    vertices, faces = extract_surface(field, 1.0)
    assert np.isfinite(vertices).all() and len(faces) > 100
    assert vertices[:, 0].max() <= 0
    _, uses = edge_uses(faces)
    assert uses.max() == 2 and (uses == 1).any()


def test_boxes_of_any_shape_lie_in_place():
    field = np.full((5, 9, 17), -1, np.float32)
    field[2, 4, 8] = 1
    vertices, _ = extract_surface(field, 1.01)
    np.testing.assert_allclose(vertices.mean(axis=0), 0, atol=1e-6)


@pytest.mark.parametrize("value", [-1.0, 1.0, np.nan])
def test_a_field_without_surface_gets_a_sentence(value):
    with pytest.raises(SurfaceExtractionError, match="no surface"):
        extract_surface(np.full((5, 5, 5), value, np.float32), 1.0)


def test_the_surface_is_that_of_scikit_image():
    measure = pytest.importorskip("skimage.measure")
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, 49, dtype=np.float32)] * 3, indexing="ij")
    field = 0.15 - np.abs(np.hypot(np.hypot(x, y) - 0.6, z)) + 0.05 * np.sin(7 * x + 3 * z)
    ours, _ = extract_surface(field, 1.0)
    theirs, _, _, _ = measure.marching_cubes(field, 0)
    theirs = theirs / 24 - 1
    ours, theirs = (np.unique(np.round(v, 4), axis=0) for v in (ours, theirs))
    far = np.abs(ours[:, None] - theirs[None]).max(axis=2)
    assert far.min(axis=1).max() < 2e-4 and far.min(axis=0).max() < 2e-4
