# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from hy3dgen.errors import InvalidMeshError
from hy3dgen.mesh import TriangleMesh

TETRAHEDRON_VERTICES = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
TETRAHEDRON_FACES = [(0, 2, 1), (0, 1, 3), (1, 2, 3), (2, 0, 3)]


def tetrahedron() -> TriangleMesh:
    return TriangleMesh(TETRAHEDRON_VERTICES, TETRAHEDRON_FACES)


def test_other_number_types_are_converted():
    mesh = TriangleMesh(
        np.asfortranarray(np.array(TETRAHEDRON_VERTICES, np.float64)),
        np.array(TETRAHEDRON_FACES, np.uint64),
    )
    assert mesh.vertices.dtype == np.float32 and mesh.faces.dtype == np.int32
    assert mesh.vertices.flags.c_contiguous and mesh.faces.flags.c_contiguous


def test_right_arrays_are_shared():
    vertices, faces = np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32)
    mesh = TriangleMesh(vertices, faces)
    assert mesh.vertices is vertices and mesh.faces is faces


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_coordinate_that_is_no_finite_float32(value):
    vertices = np.array(TETRAHEDRON_VERTICES, np.float64)
    vertices[2, 1] = value
    with pytest.raises(InvalidMeshError, match="vertex 2 is at"):
        TriangleMesh(vertices, TETRAHEDRON_FACES)


@pytest.mark.parametrize(("index", "told"), [(4, "vertex 4"), (-1, "vertex -1"), (2**33, "vertex")])
def test_face_names_no_vertex(index, told):
    with pytest.raises(InvalidMeshError, match=f"{told}.*4 vertices"):
        TriangleMesh(TETRAHEDRON_VERTICES, [(0, 1, index)])


def test_vertices_given_as_faces():
    with pytest.raises(InvalidMeshError, match="swapped"):
        TriangleMesh(TETRAHEDRON_VERTICES, np.zeros((4, 3)))


def test_quads_are_refused():
    with pytest.raises(InvalidMeshError, match=r"\(1, 4\).*triangulate"):
        TriangleMesh(TETRAHEDRON_VERTICES, [(0, 1, 2, 3)])


def test_vertices_of_objects():
    with pytest.raises(InvalidMeshError, match="dtype object"):
        TriangleMesh(np.array([[None, 1, 2]], object), np.zeros((0, 3), np.int32))


def test_empty_lists_are_an_empty_mesh():
    mesh = TriangleMesh([], [])
    assert mesh.vertices.shape == mesh.faces.shape == (0, 3)
    assert mesh.area == mesh.volume == 0 and not mesh.is_watertight
    assert (mesh.bounds == 0).all()
    with pytest.raises(InvalidMeshError, match="no faces, and sewing needs"):
        mesh.require_faces("sewing")


def test_measures_of_a_tetrahedron():
    mesh = tetrahedron()
    assert mesh.volume == pytest.approx(1 / 6)
    assert mesh.area == pytest.approx(1.5 + np.sqrt(3) / 2)
    assert mesh.is_watertight
    assert len(mesh.edge_face_counts()[0]) == 6
    np.testing.assert_array_equal(mesh.bounds, [(0, 0, 0), (1, 1, 1)])
    np.testing.assert_allclose(mesh.face_normals[2], np.full(3, 3**-0.5))
    assert (np.einsum("ij,ij->i", mesh.vertex_normals, mesh.vertices - 0.25) > 0).all()


def test_volume_far_from_the_origin():
    moved = TriangleMesh(tetrahedron().vertices + np.float32(4096), TETRAHEDRON_FACES)
    assert moved.volume == pytest.approx(1 / 6, rel=1e-9)


def test_open_and_non_manifold_edges():
    fin = TriangleMesh(  # three faces on the edge 0-1
        [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, -1, 0)],
        [(0, 1, 2), (0, 1, 3), (0, 1, 4)],
    )
    np.testing.assert_array_equal(fin.non_manifold_edges, [(0, 1)])
    assert len(fin.boundary_edges) == 6 and not fin.is_watertight


def test_face_without_area_has_no_normal():
    line = TriangleMesh([(0, 0, 0), (1, 0, 0), (2, 0, 0)], [(0, 1, 2)])
    assert (line.face_normals == 0).all() and (line.vertex_normals == 0).all()
