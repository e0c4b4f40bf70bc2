# SPDX-License-Identifier: Apache-2.0
"""The tree of boxes against looking at every face."""

import numpy as np
import pytest
from known_meshes import cube, moved, torus

from hy3dgen.mesh import TriangleMesh
from hy3dgen.mesh.nearest import NearestFaces


def closest_by_sampling(mesh, point, faces):
    """A fine upper bound and the true distance of the faces' planes' corners, edges and insides."""
    best = np.inf
    steps = np.linspace(0, 1, 41)
    u, v = (grid.ravel() for grid in np.meshgrid(steps, steps))
    u, v = u[u + v <= 1], v[u + v <= 1]
    for a, b, c in mesh.vertices[mesh.faces[faces]].astype(np.float64):
        samples = a + u[:, None] * (b - a) + v[:, None] * (c - a)
        best = min(best, np.linalg.norm(samples - point, axis=1).min())
    return best


def places(mesh, faces, weights):
    return np.einsum("ij,ijk->ik", weights, mesh.vertices[mesh.faces[faces]].astype(np.float64))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_points_beside_a_box(scale):
    box = moved(cube(9), (-0.5, -0.5, -0.5))
    points = np.random.default_rng(1).normal(size=(300, 3))
    found = places(
        moved(box, scale=scale), *NearestFaces(moved(box, scale=scale)).query(points * scale)
    )
    outside = np.abs(points).max(axis=1) > 0.5
    expected = np.clip(points, -0.5, 0.5)
    np.testing.assert_allclose(found[outside] / scale, expected[outside], atol=2e-6)
    np.testing.assert_allclose(np.abs(found / scale).max(axis=1), 0.5, atol=2e-6)


def test_never_farther_than_any_sample_of_the_groups_asked_for():
    ring = torus(16, 8)
    rng = np.random.default_rng(2)
    groups = rng.integers(0, 6, len(ring.faces))
    points = rng.normal(size=(60, 3))
    first = rng.integers(0, 6, 60)
    last = np.minimum(first + rng.integers(0, 3, 60), 5)
    faces, weights = NearestFaces(ring, groups).query(points, first, last)
    assert ((groups[faces] >= first) & (groups[faces] <= last)).all()
    assert weights.min() >= 0 and np.allclose(weights.sum(axis=1), 1)
    distances = np.linalg.norm(places(ring, faces, weights) - points, axis=1)
    for i, point in enumerate(points):
        allowed = (groups >= first[i]) & (groups <= last[i])
        bound = closest_by_sampling(ring, point, allowed)
        assert bound - 0.03 <= distances[i] <= bound + 1e-6


def test_faces_without_area_and_points_on_the_surface():
    mesh = TriangleMesh(
        [(0, 0, 0), (1, 0, 0), (2, 0, 0), (0, 1, 0)], [(0, 1, 2), (0, 0, 0), (0, 1, 3)]
    )
    points = np.array([(1.5, 1, 0), (0.25, 0.25, 0), (2, 0, 0)])
    faces, weights = NearestFaces(mesh).query(points)
    np.testing.assert_allclose(places(mesh, faces, weights)[1:], points[1:], atol=1e-6)
    assert np.linalg.norm(places(mesh, faces, weights)[0] - points[0]) == pytest.approx(1, abs=1e-6)


def test_shares_of_progress_add_up():
    told = []
    NearestFaces(cube(3)).query(
        np.random.default_rng(3).normal(size=(9000, 3)), progress=told.append
    )
    assert len(told) > 1 and sum(told) == pytest.approx(1)


def test_points_a_rounding_away_from_faces_that_are_points():
    points = np.random.default_rng(0).random((400, 3)) - 0.5
    points = np.concatenate([points, [[-0.5] * 3, [0.5] * 3]]).astype(np.float32)
    faces = np.repeat(np.arange(len(points), dtype=np.int32)[:, None], 3, axis=1)
    for towards in (-9, 9):
        beside = np.nextafter(points, np.float32(towards))
        found, _ = NearestFaces(TriangleMesh(points, faces)).query(beside)
        assert np.array_equal(found, np.arange(len(points)))
