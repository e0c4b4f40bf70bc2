# SPDX-License-Identifier: Apache-2.0
"""A known colour for every place, seen from six sides, must come back on the texture."""

import sys
from pathlib import Path

import numpy as np
import pytest

from hy3dgen.mesh.box_unwrap import box_unwrap
from hy3dgen.texgen import back_sampling, bake, cameras
from hy3dgen.texgen.mesh_render import MeshRender
from hy3dgen.texgen.render import to_bytes
from hy3dgen.texgen.standard_views import bake_views, draw_views

sys.path.insert(0, str(Path(__file__).parents[1] / "mesh"))
from known_meshes import cube, sphere

SIZE = 384
VIEWS = cameras.STANDARD_VIEWS


def truth(points):
    """(N, 3) smooth colours of places."""
    waves = np.sin(points @ np.float32([[9, 2, 0], [0, 8, 3], [4, 0, 10]]).T)
    return 0.5 + 0.45 * waves


def psnr(got, want):
    return -10 * np.log10(np.mean((got.astype(np.float64) - want) ** 2))


@pytest.mark.parametrize(("mesh", "least"), [(sphere(17), 40), (cube(), 38)], ids=["ball", "cube"])
def test_both_ways_of_baking_bring_the_colours_back(mesh, least):
    uv_map = box_unwrap(mesh)
    render = MeshRender(default_resolution=SIZE, texture_size=SIZE // 2)
    render.set_mesh(mesh.vertices[uv_map.vertices], uv_map.faces, uv_map.uvs)
    drawn = draw_views(render, [v.elevation for v in VIEWS], [v.azimuth for v in VIEWS])
    rasters = [render.raster_view(view.elevation, view.azimuth) for view in VIEWS]
    pictures = [
        to_bytes(truth(raster.interpolate(raster.mesh.positions).reshape(-1, 3)))
        .reshape(SIZE, SIZE, 3)
        for raster in rasters
    ]  # fmt: skip
    weights = [view.weight for view in VIEWS]
    scattered = bake_views(drawn.geometries, pictures, weights, SIZE // 2, bake.BAKE_EXPONENT)
    texels = back_sampling.texel_table(rasters[0].mesh, SIZE // 2)
    looked_up = bake.merge(
        [
            back_sampling.sample_view(texels, raster, picture, 1)
            for raster, picture in zip(rasters, pictures, strict=True)
        ],
        weights,
    )
    rows, columns = texels.places.T
    for texture, painted in (scattered, looked_up):
        found = painted[rows, columns]
        assert found.mean() > 0.9
        want = truth(texels.positions)[found]
        assert psnr(texture[rows, columns][found], want) > least
