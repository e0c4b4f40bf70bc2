# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from known_meshes import cube, grid, joined, moved, soup, sphere

from hy3dgen.errors import InvalidMeshError, InvalidSettingError
from hy3dgen.mesh import (
    TriangleMesh,
    clean,
    component_labels,
    components,
    drop_degenerate_faces,
    remove_floaters,
    weld,
)


def test_weld_undoes_a_soup():
    ball = sphere(9)
    welded = weld(soup(ball))
    assert len(welded.vertices) == len(ball.vertices) and welded.is_watertight
    np.testing.assert_array_equal(welded.vertices[welded.faces], ball.vertices[ball.faces])


def test_minus_zero_is_zero():
    welded = weld(TriangleMesh([(0, 0, 0), (1, 0, 0), (0, 1, 0), (-0.0, 0, -0.0)], [(3, 1, 2)]))
    assert len(welded.vertices) == 3
    both = TriangleMesh([(0, 0, 0), (1, 0, 0), (0, 1, 0), (-0.0, 0, -0.0)], [(3, 1, 2), (0, 2, 1)])
    assert len(weld(both).vertices) == 3


def test_neighbouring_floats_stay_apart():
    near = np.nextafter(np.float32(1), np.float32(2))
    strip = TriangleMesh([(1, 0, 0), (near, 0, 0), (0, 1, 0)], [(0, 1, 2)])
    assert len(weld(strip).vertices) == 3
    assert len(weld(strip, tolerance=1e-6).faces) == 0


def test_tolerance_reaches_across_cells():
    # 0.95 and 1.05 lie in different cells of size 0.2 wherever the grid starts, or in one; both
    # must merge, and the first of the two stays.
    for shift in np.linspace(0, 0.2, 9):
        x = np.float32([0.95 + shift, 1.05 + shift])
        ends = TriangleMesh(
            [(x[0], 0, 0), (x[1], 0, 0), (0, 5, 0), (0, 9, 0)], [(0, 2, 3), (1, 3, 2)]
        )
        welded = weld(ends, tolerance=0.2)
        assert len(welded.vertices) == 3 and welded.vertices[0, 0] == x[0]
        assert len(weld(ends, tolerance=0.05).vertices) == 4


@pytest.mark.parametrize("tolerance", [-1, float("nan"), float("inf")])
def test_tolerance_that_is_no_length(tolerance):
    with pytest.raises(InvalidSettingError, match="tolerance"):
        weld(cube(3), tolerance)


def test_tolerance_below_what_floats_can_tell():
    with pytest.raises(InvalidSettingError, match="too small"):
        weld(cube(3), 1e-30)


def test_line_face_stays_but_pinched_face_goes():
    mesh = TriangleMesh([(0, 0, 0), (1, 0, 0), (2, 0, 0)], [(0, 1, 2), (0, 1, 1), (1, 2, 0)])
    np.testing.assert_array_equal(drop_degenerate_faces(mesh).faces, [(0, 1, 2)])


def test_back_of_a_face_is_no_repetition():
    pillow = TriangleMesh([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [(0, 1, 2), (2, 1, 0)])
    assert len(drop_degenerate_faces(pillow).faces) == 2


def test_components_are_ordered_by_size():
    parts = components(joined(cube(3), sphere(9), moved(grid(4), (5, 5, 5))))
    assert [len(part.faces) for part in parts] == [768, 48, 18]
    np.testing.assert_array_equal(parts[0].vertices, sphere(9).vertices)


def test_touching_at_one_vertex_does_not_connect():
    bow_tie = TriangleMesh(
        [(0, 0, 0), (1, 1, 0), (1, -1, 0), (-1, 1, 0), (-1, -1, 0)], [(0, 2, 1), (0, 3, 4)]
    )
    np.testing.assert_array_equal(component_labels(bow_tie), [0, 1])


def test_labels_follow_the_first_face():
    # Three strips in an order that makes union-find join roots late.
    mesh = joined(grid(5), moved(grid(3), (9, 0, 0)), moved(grid(5), (0, 9, 0)))
    shuffled = np.random.default_rng(3).permutation(len(mesh.faces))
    labels = component_labels(TriangleMesh(mesh.vertices, mesh.faces[shuffled]))
    part = np.repeat([0, 1, 2], [32, 8, 32])[shuffled]
    first_seen = list(dict.fromkeys(part))
    np.testing.assert_array_equal(labels, [first_seen.index(p) for p in part])


def test_floaters_below_the_ratio_go():
    # 768 faces in the largest: the limit is int(0.02 * 768) = 15, and 12 < 15 <= 48.
    mesh = joined(sphere(9), moved(cube(2), (3, 0, 0)), moved(cube(3), (0, 3, 0)))
    assert [len(p.faces) for p in components(remove_floaters(mesh, 0.02))] == [768, 48]
    assert remove_floaters(mesh, 0.0) is mesh


def test_ratio_out_of_range():
    with pytest.raises(InvalidSettingError, match="ratio from 0 to 1"):
        remove_floaters(cube(3), 5)


def test_clean_does_all_of_it():
    ball = sphere(17)
    raw = joined(soup(ball), soup(moved(cube(2), (3, 0, 0))), TriangleMesh([(7, 7, 7)], []))
    raw = TriangleMesh(raw.vertices, np.concatenate([raw.faces, raw.faces[:3], [(0, 0, 1)]]))
    cleaned = clean(raw)
    assert len(cleaned.faces) == len(ball.faces) and cleaned.is_watertight
    assert len(cleaned.vertices) == len(ball.vertices)


def test_clean_of_nothing():
    with pytest.raises(InvalidMeshError, match="no faces"):
        clean(TriangleMesh([], []))
    with pytest.raises(InvalidMeshError, match="no surface is left"):
        clean(moved(cube(3), scale=0.0))


def test_empty_mesh_stays_empty():
    empty = TriangleMesh([], [])
    assert components(empty) == [] and len(component_labels(empty)) == 0
    for result in (weld(empty), weld(empty, 0.1), drop_degenerate_faces(empty)):
        assert result.vertices.shape == result.faces.shape == (0, 3)
    assert remove_floaters(empty) is empty
