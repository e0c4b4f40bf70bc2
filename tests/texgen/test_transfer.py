# SPDX-License-Identifier: Apache-2.0
"""Colours pass from a coarse ball to a fine one, and both look alike."""

import numpy as np
import pytest
from tensor_views import bumpy_ball

from hy3dgen.errors import Cancelled
from hy3dgen.mesh import TriangleMesh, reduce_faces
from hy3dgen.mesh.box_unwrap import box_unwrap
from hy3dgen.texgen.inpaint import fill_smoothly
from hy3dgen.texgen.rasterizer import interpolate
from hy3dgen.texgen.render import prepare_mesh, uv_raster
from hy3dgen.texgen.transfer import transfer_texture


def meshes():
    vertices, faces, _ = bumpy_ball(40)
    fine = TriangleMesh(vertices, faces)
    coarse = reduce_faces(fine, 800, "quality")
    return coarse, box_unwrap(coarse), fine, box_unwrap(fine)


def places(mesh, uv_map, size):
    """Where the texels of a mesh are, (S, S, 3), and which are on it."""
    prepared = prepare_mesh(mesh.vertices, mesh.faces, uv_map.uvs, uv_map.faces)
    numbers, weights = uv_raster(prepared, size)
    return interpolate(mesh.vertices, numbers, weights, mesh.faces), numbers > 0


def test_places_as_colours_come_over():
    coarse, coarse_uvs, fine, fine_uvs = meshes()
    at, on_mesh = places(coarse, coarse_uvs, 256)
    texture = np.clip((at / 3 + 0.5) * 255, 0, 255).astype(np.uint8)
    texture = fill_smoothly(texture, on_mesh)
    got = transfer_texture(coarse, coarse_uvs, texture, fine, fine_uvs, 192)
    at, inside = places(fine, fine_uvs, 192)
    off = np.abs(got[inside] / 255 - (at[inside] / 3 + 0.5)).max(axis=1)
    assert np.mean(off < 0.04) > 0.97
    assert (got[~inside] > 0).any(), "the gaps are filled"


def test_it_can_be_given_up():
    coarse, coarse_uvs, fine, fine_uvs = meshes()

    def stop(fraction):
        raise Cancelled("enough")

    texture = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(Cancelled):
        transfer_texture(coarse, coarse_uvs, texture, fine, fine_uvs, 64, stop)
