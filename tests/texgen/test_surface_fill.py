# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

import numpy as np
import pytest

from hy3dgen.errors import Cancelled
from hy3dgen.mesh import TriangleMesh
from hy3dgen.mesh.box_unwrap import box_unwrap
from hy3dgen.texgen.back_sampling import texel_table
from hy3dgen.texgen.render import prepare_mesh
from hy3dgen.texgen.surface_fill import fill

sys.path.insert(0, str(Path(__file__).parents[1] / "mesh"))
from known_meshes import joined, moved, sphere

SIZE = 128


def halves(mesh: TriangleMesh, painted_part):
    """The mesh unwrapped, red above and blue below, painted where `painted_part` says so."""
    found = box_unwrap(mesh)
    prepared = prepare_mesh(mesh.vertices, mesh.faces, found.uvs, found.faces)
    texels = texel_table(prepared, SIZE)
    x, front, down = texels.positions.T
    rows, columns = texels.places.T
    wanted = np.zeros((SIZE, SIZE, 3), np.float32)
    wanted[rows, columns] = np.where(down[:, None] < 0, [1, 0, 0], [0, 0, 1])
    painted = np.zeros((SIZE, SIZE), bool)
    painted[rows, columns] = painted_part(-x, -down, front)
    return prepared, texels, wanted, painted


@pytest.mark.parametrize("order", ["as it is", "backwards", "shuffled"])
def test_colour_comes_from_nearby_whatever_the_order_of_faces(order):
    mesh = sphere(17)
    picks = {
        "as it is": np.arange(len(mesh.faces)),
        "backwards": np.arange(len(mesh.faces))[::-1],
        "shuffled": np.random.default_rng(0).permutation(len(mesh.faces)),
    }
    mesh = TriangleMesh(mesh.vertices, mesh.faces[picks[order]])
    prepared, texels, wanted, painted = halves(mesh, lambda x, y, z: z > 0.1)
    rows, columns = texels.places[np.abs(texels.positions[:, 2]) > 0.2].T
    got = fill(prepared, wanted * painted[..., None], painted)[rows, columns] / 255
    assert np.abs(got - wanted[rows, columns]).max() < 0.5, "red above and blue below"


def test_parts_apart_take_the_closest_paint():
    mesh = joined(sphere(9), moved(sphere(9), (0, 0, -3), 0.5))
    prepared, texels, _, painted = halves(mesh, lambda x, y, z: z > 0)
    texture = np.where(painted[..., None], np.float32([1, 1, 0]), np.float32(0))
    rows, columns = texels.places.T
    got = fill(prepared, texture, painted)
    assert (got[rows, columns] == (255, 255, 0)).all()


def test_without_paint_it_is_grey_and_out_of_time_the_mean():
    prepared, _, wanted, painted = halves(sphere(9), lambda x, y, z: z > 0.3)
    assert np.unique(fill(prepared, wanted, np.zeros_like(painted))).tolist() == [128]
    got = fill(prepared, np.full_like(wanted, 0.2), painted, seconds=-1)
    assert np.unique(got).tolist() == [51]


def test_it_can_be_stopped():
    def stop(fraction):
        raise Cancelled("enough")

    prepared, _, wanted, painted = halves(sphere(9), lambda x, y, z: z > 0)
    with pytest.raises(Cancelled):
        fill(prepared, wanted, painted, stop)
