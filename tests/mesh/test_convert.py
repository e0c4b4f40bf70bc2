# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from known_meshes import cube, moved, sphere

from hy3dgen.errors import InvalidMeshError
from hy3dgen.mesh import from_trimesh, to_trimesh

trimesh = pytest.importorskip("trimesh")


def test_round_trip_keeps_order():
    box = cube(3)
    back = from_trimesh(to_trimesh(box))
    np.testing.assert_array_equal(back.vertices, box.vertices)
    np.testing.assert_array_equal(back.faces, box.faces)


def test_trimesh_gets_its_own_arrays():
    box = cube(3)
    converted = to_trimesh(box)
    converted.vertices[:] = 9
    assert box.vertices.max() == 1


def test_scene_is_joined_where_its_parts_stand():
    scene = trimesh.Scene()
    scene.add_geometry(to_trimesh(cube(3)))
    scene.add_geometry(to_trimesh(sphere(3)), transform=np.diag([2.0, 2, 2, 1]))
    mesh = from_trimesh(scene)
    assert len(mesh.faces) == 96
    assert mesh.volume == pytest.approx(1 + moved(sphere(3), scale=2).volume, rel=1e-5)


def test_empty_scene():
    with pytest.raises(InvalidMeshError, match="no triangle mesh"):
        from_trimesh(trimesh.Scene())


def test_something_else():
    with pytest.raises(InvalidMeshError, match="A dict was given"):
        from_trimesh({})
