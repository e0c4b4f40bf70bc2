# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from texture_golden import load, share_off

from hy3dgen.texgen import MeshRender, cameras
from hy3dgen.texgen.bake import scatter
from hy3dgen.texgen.render import to_bytes

VIEWS = [(view.elevation, view.azimuth) for view in cameras.STANDARD_VIEWS]


def renderer(golden, resolution, texture_size=64):
    render = MeshRender(default_resolution=resolution, texture_size=texture_size)
    render.set_mesh(golden["mesh.vertices"], golden["mesh.faces"], golden["mesh.uv"])
    return render


def check(got, want, tolerance=1e-5, share=0.001):
    assert share_off(got, want, tolerance) <= share


def test_cameras_as_recorded():
    golden = load("camera")
    for number, view in enumerate(golden.info["views"]):
        matrix = cameras.view_matrix(view["elev"], view["azim"], view["distance"], view["center"])
        np.testing.assert_allclose(matrix, golden["mv"][number], atol=1e-6)
        points = cameras.transform(golden["points"], matrix)
        np.testing.assert_allclose(points, golden["points_camera"][number], atol=2e-6)
        projection = cameras.orthographic(**golden.info["ortho_args"][0])
        clip = cameras.transform(points, projection)
        np.testing.assert_allclose(clip, golden["points_clip_ortho0"][number, 0], atol=2e-6)
    for number, arguments in enumerate(golden.info["ortho_args"]):
        matrix = cameras.orthographic(**arguments)
        np.testing.assert_allclose(matrix, golden["ortho"][number], atol=1e-6)
    for number, arguments in enumerate(golden.info["persp_args"]):
        matrix = cameras.perspective(*arguments.values())
        np.testing.assert_allclose(matrix, golden["persp"][number], atol=1e-6)


def test_camera_numbers_as_recorded():
    info = load("camera").info
    assert [cameras.camera_number(*view) for view in VIEWS] == info["default_view_camera_index"]
    for elevation, azimuth, number in info["camera_index_table_elev_azim_index"]:
        assert cameras.camera_number(elevation, azimuth) == number


def test_mesh_is_turned_centred_and_scaled_as_recorded():
    golden = load("render")
    render = renderer(golden, 64)
    np.testing.assert_allclose(render.vtx_pos, golden["set_mesh.vtx_pos"], atol=1e-6)
    np.testing.assert_allclose(render.vtx_uv, golden["set_mesh.vtx_uv"], atol=1e-6)
    render.set_mesh(golden["mesh.vertices"], golden["mesh.faces"], auto_center=False)
    np.testing.assert_allclose(render.vtx_pos, golden["no_center.vtx_pos"], atol=1e-6)


@pytest.mark.parametrize("number", range(6))
def test_maps_as_recorded(number):
    golden = load("render")
    golden.need(f"view{number}.normal_abs")
    render = renderer(golden, golden.info["resolution"])
    normal = render.render_normal(*VIEWS[number], use_abs_coor=True, return_type="np")
    position = render.render_position(*VIEWS[number], return_type="np")
    check(normal, golden[f"view{number}.normal_abs"])
    check(position, golden[f"view{number}.position"])
    for image, name in ((normal, "normal_abs_u8"), (position, "position_u8")):
        if f"view{number}.{name}" in golden:
            check(to_bytes(image), golden[f"view{number}.{name}"], 1)
    if f"view{number}.depth" in golden:
        seen = render.render_normal(*VIEWS[number], return_type="np")
        check(seen, golden[f"view{number}.normal_cam"])
        depth = render.render_depth(*VIEWS[number], return_type="np")
        check(depth, golden[f"view{number}.depth"])
        sketch = render.render_sketch_from_depth(golden[f"view{number}.depth"])
        assert np.array_equal(sketch, golden[f"view{number}.sketch_depth"])


def test_other_cameras_as_recorded():
    golden = load("render")
    render = renderer(golden, golden.info["resolution"], golden.info["texture_size"])
    check(render.render_uvpos("np"), golden["uvpos"])
    oblique = render.render_normal(20, 30, use_abs_coor=True, return_type="np")
    check(oblique, golden["oblique.normal_abs"])
    check(render.render_position(-20, 240, return_type="np"), golden["oblique.position"])
    render.camera_type = "perspective"
    found = render.render_normal(20, 30, 2.0, use_abs_coor=True, return_type="np")
    check(found, golden["persp.normal_abs"])


@pytest.mark.parametrize("number", range(6))
def test_back_projection_as_recorded(number):
    golden = load("bake")
    render = renderer(golden, golden.info["default_resolution"], golden.info["texture_size"])
    golden.need(f"view{number}.image_u8")
    image = golden[f"view{number}.image_u8"]
    colour, cosines, boundary = render.back_project(image, *VIEWS[number])
    check(colour, golden[f"view{number}.texture"], 1e-4)
    check(cosines, golden[f"view{number}.cos_map"], 1e-4)
    assert not boundary.any()


def test_merge_as_recorded():
    golden = load("bake")
    golden.need(*(f"view{number}.texture" for number in range(6)))
    render = renderer(golden, golden.info["default_resolution"], golden.info["texture_size"])
    textures = [golden[f"view{number}.texture"] for number in range(6)]
    cosines = [golden[f"view{number}.cos_map"] for number in range(6)]
    weighted = [w * c**4 for w, c in zip(golden.info["view_weights"], cosines, strict=True)]
    texture, mask = render.fast_bake_texture(textures, weighted)
    check(texture, golden["merged.texture"], 1e-4)
    assert np.mean(mask != golden["merged.mask"].astype(bool)) <= 0.001


def test_a_view_that_sees_nothing_new_is_left_out_as_recorded():
    golden = load("bake")
    front, back = (golden[f"view{number}.texture"] for number in (0, 2))
    seen, behind = (golden[f"view{number}.cos_map"] for number in (0, 2))
    half = seen * np.float32(0.5)
    textures = [front, np.full_like(front, 0.5), back]
    render = MeshRender()
    texture, mask = render.fast_bake_texture(textures, [seen, half, behind])
    check(texture, golden["skip.texture"], 1e-4)
    assert np.mean(mask != golden["skip.mask"].astype(bool)) <= 0.001


def test_scatter_as_recorded():
    golden = load("bake")
    result, weights = scatter(golden["splat.coords"], golden["splat.values"], (11, 7))
    np.testing.assert_allclose(result, golden["splat.result"], atol=1e-5)
    np.testing.assert_allclose(weights[..., None], golden["splat.count"], atol=1e-5)


@pytest.mark.parametrize("case", ["", "sparse.", "welded."])
def test_vertex_fill_as_recorded(case):
    from hy3dgen.texgen.inpaint import fill_along_mesh

    golden = load("inpaint")
    source = "sparse." if case == "welded." else case
    welded = "welded." if case == "welded." else ""
    texture, mask = fill_along_mesh(
        golden[f"{source}texture_in"],
        golden[f"{source}mask_in"],
        golden[f"{welded}vtx_pos"],
        golden[f"{welded}pos_idx"],
        golden["vtx_uv"],
        golden["pos_idx"],
    )
    assert np.array_equal(mask, golden[f"{case}python.mask"])
    np.testing.assert_allclose(texture, golden[f"{case}python.texture"], atol=2e-6)


def test_whole_fill_as_recorded():
    golden = load("inpaint")
    render = MeshRender(texture_size=golden.info["texture_size"])
    render.set_mesh(golden["vtx_pos"], golden["pos_idx"], golden["vtx_uv"], auto_center=False)
    result = render.uv_inpaint(golden["texture_in"], golden["mask_in"])
    check(result, golden["uv_inpaint.result_u8"], 0)
    check(result, golden["uv_inpaint.result_u8"], 2, 0)
    render.set_texture(result.astype(np.float32) / 255)
    np.testing.assert_allclose(render.get_texture(), golden["set_texture.tex"], atol=1e-6)
    saved = np.asarray(render.save_mesh().visual.material.baseColorTexture)
    assert np.array_equal(saved, result)
    if "save_mesh.image_u8" in golden:
        assert np.array_equal(saved, golden["save_mesh.image_u8"])
