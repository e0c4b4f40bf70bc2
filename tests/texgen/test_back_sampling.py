# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from texture_golden import load, share_off

from hy3dgen.texgen import back_sampling, bake, cameras
from hy3dgen.texgen.render import ViewRaster, prepare_mesh


def prepared():
    golden = load("v21_bake")
    return golden, prepare_mesh(golden["mesh.vertices"], golden["mesh.faces"], golden["mesh.uv"])


def baked(number):
    golden, mesh = prepared()
    matrix = cameras.view_matrix(*golden.info["views"][number])
    size = (golden.info["image_resolution"],) * 2
    radius = bake.unreliable_radius(golden.info["default_resolution"])
    texels = back_sampling.texel_table(mesh, golden.info["texture_size"])
    image = golden[f"view{number}.image_u8"]
    return back_sampling.sample_view(texels, ViewRaster(mesh, matrix, size), image, radius)


def test_texels_as_recorded():
    golden, mesh = prepared()
    np.testing.assert_allclose(mesh.positions, golden["vtx_pos"], atol=1e-6)
    texels = back_sampling.texel_table(mesh, golden.info["texture_size"])
    assert np.array_equal(texels.places, golden["tex_grid"])
    np.testing.assert_allclose(texels.positions, golden["tex_position"][:, :3], atol=1e-6)
    np.testing.assert_allclose(texels.normals, golden["tex_normal"], atol=1e-6)


def test_flat_normals_as_recorded():
    golden, mesh = prepared()
    raster = ViewRaster(mesh, cameras.view_matrix(0, 0), (64, 64))
    normals = np.ones((64, 64, 3), np.float32)
    normals[raster.visible] = mesh.face_normals[raster.numbers[raster.visible] - 1]
    assert share_off((normals + 1) / 2, golden["front.normal_face"], 1e-5) <= 0.001


@pytest.mark.parametrize("number", range(4))
def test_views_as_recorded(number):
    golden = load("v21_bake")
    golden.need(f"view{number}.image_u8")
    view = baked(number)
    assert share_off(view.colour, golden[f"view{number}.texture"], 1e-4) <= 0.001
    assert share_off(view.cosines[..., None], golden[f"view{number}.cos_map"], 1e-4) <= 0.001


def test_merge_as_recorded():
    golden = load("v21_bake")
    golden.need(*(f"view{number}.image_u8" for number in range(4)))
    texture, painted = bake.merge([baked(number) for number in range(4)], [1.0] * 4)
    assert share_off(texture, golden["merged.texture"], 1e-4) <= 0.001
    assert np.mean(painted[..., None] != golden["merged.mask"].astype(bool)) <= 0.001


def test_view_selection_as_recorded():
    golden, mesh = prepared()
    wanted = golden.info["view_selection"]
    views = back_sampling.select_views(mesh, wanted["max_views"])
    assert [view.elevation for view in views] == wanted["elevs"]
    assert [view.azimuth for view in views] == wanted["azims"]
    assert [view.weight for view in views] == wanted["weights"]


def test_an_inside_out_mesh_is_painted_from_both_sides():
    golden, _ = prepared()
    flipped = golden["mesh.faces"][:, ::-1]
    mesh = prepare_mesh(golden["mesh.vertices"], flipped, golden["mesh.uv"])
    raster = ViewRaster(mesh, cameras.view_matrix(0, 0), (128, 128))
    texels = back_sampling.texel_table(mesh, 64)
    image = np.ones((128, 128, 3), np.float32)
    assert not back_sampling.sample_view(texels, raster, image, 1).cosines.any()
    assert back_sampling.sample_view(texels, raster, image, 1, two_sided=True).cosines.any()
