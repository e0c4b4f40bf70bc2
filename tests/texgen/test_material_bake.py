# SPDX-License-Identifier: Apache-2.0
"""Views of colours, metallic and roughness baked, and what glTF says of them."""

import io
import json
import struct

import numpy as np
import pytest
from texture_golden import load, share_off

from hy3dgen.errors import Cancelled, InvalidImageError
from hy3dgen.texgen import bake, bake_materials, cameras
from hy3dgen.texgen.materials import TextureMaps, set_texture
from hy3dgen.texgen.render import prepare_mesh

VIEWS = [cameras.View(0, azimuth) for azimuth in (0, 90, 180, 270)]


def recorded_mesh():
    golden = load("v21_bake")
    return prepare_mesh(golden["mesh.vertices"], golden["mesh.faces"], golden["mesh.uv"])


def noise():
    return list(np.random.default_rng(1).integers(0, 256, (4, 96, 96, 3), np.uint8))


def test_both_materials_as_recorded():
    """The recorded bake is that of any three channels."""
    golden = load("v21_bake")
    golden.need(*(f"view{number}.image_u8" for number in range(4)))
    mesh, images = recorded_mesh(), [golden[f"view{number}.image_u8"] for number in range(4)]
    views = [cameras.View(*view) for view in golden.info["views"][:4]]
    swapped = [np.ascontiguousarray(image[..., ::-1]) for image in images]
    maps = bake_materials(
        mesh,
        {"albedo": images, "mr": swapped},
        views,
        golden.info["texture_size"],
        radius=bake.unreliable_radius(golden.info["default_resolution"]),
    )
    assert np.array_equal(maps.colour[..., ::-1], maps.metallic_roughness)
    mask = golden["merged.mask"].astype(bool)[..., 0]
    wanted = golden["merged.texture"][mask]
    # Bytes cut off fractions; filling replaces a texel now and then where charts meet.
    assert share_off(maps.colour[mask] / np.float32(255), wanted, 1.001 / 255) < 0.005


def test_metal_stays_apart_from_roughness():
    mesh, images, views = recorded_mesh(), noise(), VIEWS
    flat = [np.full_like(image, 255) * np.uint8([1, 0, 0]) for image in images]
    rough = [np.full_like(image, 100) for image in images]
    maps = bake_materials(mesh, {"albedo": rough, "mr": flat}, views, 64)
    assert maps.colour.shape == maps.metallic_roughness.shape == (64, 64, 3)
    assert (maps.metallic_roughness == [255, 0, 0]).all(), "gaps are filled with the same"
    assert np.abs(maps.colour.astype(int) - 100).max() <= 1


def test_it_can_be_ended():
    mesh, images, views = recorded_mesh(), noise(), VIEWS

    def stop(stage, step, total):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        bake_materials(mesh, {"albedo": images, "mr": images}, views, 64, progress=stop)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: {"albedo": p}, "views of albedo"),
        (lambda p: {"albedo": p, "mr": p[:2]}, "for 4 views"),
        (lambda p: {"albedo": p, "mr": [image[:9] for image in p]}, "all of one size"),
        (lambda p: {"albedo": p, "mr": [image[..., 0] for image in p]}, "shapes"),
    ],
)
def test_pictures_that_do_not_fit_are_told(change, words):
    mesh, images, views = recorded_mesh(), noise(), VIEWS
    with pytest.raises(InvalidImageError, match=words):
        bake_materials(mesh, change(images), views, 64)


@pytest.mark.parametrize("metal", [True, False])
def test_gltf_says_how_metallic_it_is(metal):
    trimesh = pytest.importorskip("trimesh")
    mesh = trimesh.creation.box()
    uvs = np.random.default_rng(0).random((len(mesh.vertices), 2))
    surface = np.zeros((4, 4, 3), np.uint8)
    surface[..., 0], surface[..., 1] = 200, 50  # metallic, roughness
    maps = TextureMaps(np.full((4, 4, 3), 9, np.uint8), surface if metal else None)
    set_texture(mesh, uvs, *maps)
    data = mesh.export(file_type="glb")
    (length,) = struct.unpack("<I", data[12:16])
    gltf = json.loads(data[20 : 20 + length])
    (material,) = gltf["materials"]
    found = material["pbrMetallicRoughness"]
    assert found["baseColorFactor"] == [1, 1, 1, 1]
    if not metal:
        assert found["metallicFactor"] == 0 and "metallicRoughnessTexture" not in found
        return
    # A factor of 1 is what the format takes for granted; the texture then says it all.
    assert found.get("metallicFactor", 1) == 1 and found.get("roughnessFactor", 1) == 1
    image = gltf["images"][gltf["textures"][found["metallicRoughnessTexture"]["index"]]["source"]]
    view = gltf["bufferViews"][image["bufferView"]]
    start = 20 + length + 8 + view.get("byteOffset", 0)
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(data[start : start + view["byteLength"]])))
    assert pixels[0, 0, 1] == 50 and pixels[0, 0, 2] == 200, "green roughness, blue metallic"
