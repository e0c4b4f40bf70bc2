# SPDX-License-Identifier: Apache-2.0
"""Small holes are closed, and nothing else is."""

import numpy as np
import pytest
from known_meshes import cube, grid, sphere

from hy3dgen.errors import InvalidSettingError
from hy3dgen.mesh import TriangleMesh, fill_small_holes


def without(mesh: TriangleMesh, *numbers: int) -> TriangleMesh:
    return TriangleMesh(mesh.vertices, np.delete(mesh.faces, numbers, axis=0))


def around(mesh: TriangleMesh, vertex: int) -> np.ndarray:
    return np.flatnonzero((mesh.faces == vertex).any(axis=1))


def test_one_face_missing_comes_back():
    ball = sphere(17)
    filled = fill_small_holes(without(ball, 40))
    assert len(filled.faces) == len(ball.faces) and filled.is_watertight
    assert set(filled.faces[-1]) == set(ball.faces[40])
    assert filled.volume == pytest.approx(ball.volume, rel=1e-6), "wound like its neighbours"


def test_a_hole_in_a_flat_side_is_filled_flat():
    block = cube(9)
    x, y, z = block.vertices.T
    hole = around(
        block, int(np.argmin((x - x.max()) ** 2 + (y - y.mean()) ** 2 + (z - z.mean()) ** 2))
    )
    filled = fill_small_holes(without(block, *hole))
    assert filled.is_watertight
    assert filled.volume == pytest.approx(block.volume, rel=1e-6)
    assert filled.area == pytest.approx(block.area, rel=1e-6), "least area"


def test_two_holes_of_different_size():
    ball = sphere(33)
    small, large = around(ball, 300), np.arange(0, 200)
    open_ball = without(ball, *np.union1d(small, large))
    filled = fill_small_holes(open_ball, max_edges=8)
    assert 0 < len(filled.boundary_edges) < len(open_ball.boundary_edges)
    assert not len(filled.non_manifold_edges)


def test_what_is_no_small_hole_stays():
    for mesh in (sphere(9), grid(5), TriangleMesh(np.eye(3), [[0, 1, 2]])):
        assert fill_small_holes(mesh) is mesh
    empty = TriangleMesh(np.zeros((0, 3)), np.zeros((0, 3), int))
    assert fill_small_holes(empty) is empty


def test_holes_that_touch_in_a_vertex_stay_open():
    ball = sphere(17)
    first = 100
    shared = ball.faces[first][0]
    others = [
        f for f in around(ball, shared) if len(set(ball.faces[f]) & set(ball.faces[first])) == 1
    ]
    mesh = without(ball, first, others[0])
    assert fill_small_holes(mesh) is mesh


def test_no_edge_gets_a_third_face():
    """A square hole whose diagonal is there already, spanned by a roof of other faces."""
    ball = sphere(17)
    edge = ball.faces[60][:2]
    pair = [f for f in range(len(ball.faces)) if len(set(ball.faces[f]) & set(edge)) == 2]
    hole = without(ball, *pair)
    corners = list(dict.fromkeys(ball.faces[pair].ravel().tolist()))
    free = [v for v in corners if v not in edge]
    top = len(hole.vertices)
    roof = [[edge[0], edge[1], top], [edge[1], edge[0], top], [free[0], free[1], top + 1],
            [free[1], free[0], top + 1]]  # fmt: skip
    mesh = TriangleMesh(
        np.concatenate([hole.vertices, [[0, 2, 0], [0, 3, 0]]]), np.concatenate([hole.faces, roof])
    )
    assert len(fill_small_holes(mesh).non_manifold_edges) == len(mesh.non_manifold_edges)


@pytest.mark.parametrize("max_edges", [2, 201, 3.5, True, None])
def test_settings_that_make_no_sense(max_edges):
    with pytest.raises(InvalidSettingError, match="max_edges"):
        fill_small_holes(grid(3), max_edges)
