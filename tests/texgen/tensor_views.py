# SPDX-License-Identifier: Apache-2.0
"""A mesh with UVs, and how views of it in arrays and in tensors are compared."""

import numpy as np
from PIL import Image

from hy3dgen.mesh import TriangleMesh
from hy3dgen.mesh.box_unwrap import box_unwrap
from hy3dgen.texgen.mesh_render import MeshRender
from hy3dgen.texgen.standard_views import bake_views, draw_views
from hy3dgen.texgen.views_on_device import (
    bake_views_on_device,
    draw_views_on_device,
    plan_baking,
)

ELEVATIONS, AZIMUTHS = [0, 0, 0, 0, 90, -90], [0, 90, 180, 270, 0, 180]
WEIGHTS = [1, 0.1, 0.5, 0.1, 0.05, 0.05]


def bumpy_ball(rings: int = 24):
    """Vertices, faces and UVs of a ball with bumps deep enough for jumps in depth."""
    rows, columns = rings + 1, 2 * rings
    polar, around = np.meshgrid(
        np.linspace(0.02, np.pi - 0.02, rows), np.arange(columns) * 2 * np.pi / columns,
        indexing="ij",
    )  # fmt: skip
    radius = 1 + 0.3 * np.sin(5 * around) * np.sin(4 * polar)
    vertices = radius[..., None] * np.stack(
        [np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], axis=-1
    )
    at = np.arange(rows * columns).reshape(rows, columns)
    a, b = at[:-1], np.roll(at[:-1], -1, axis=1)
    c, d = at[1:], np.roll(at[1:], -1, axis=1)
    faces = np.stack([a, c, d, a, d, b], axis=-1).reshape(-1, 3)
    mesh = TriangleMesh(vertices.reshape(-1, 3).astype(np.float32), faces.astype(np.int32))
    unwrapped = box_unwrap(mesh)
    return mesh.vertices[unwrapped.vertices], unwrapped.faces, unwrapped.uvs


def pictures_of(mesh, size, texture_size, camera_type="orth"):
    render = MeshRender(default_resolution=size, texture_size=texture_size, camera_type=camera_type)
    render.set_mesh(*mesh)
    return render, (ELEVATIONS, AZIMUTHS)


def compare_views(device, mesh, size, texture_size, camera_type="orth", exact=True):
    """Draws and bakes both ways; `exact` unless a GPU's products may differ in the last bit."""
    render, angles = pictures_of(mesh, size, texture_size, camera_type)
    want, got = draw_views(render, *angles), draw_views_on_device(render, *angles, device)
    few = 0 if exact else 2e-3
    for arrays, tensors in ((want.normals, got.normals), (want.positions, got.positions)):
        for one, other in zip(arrays, tensors, strict=True):
            different = np.abs(one.astype(int) - other) > 1
            assert different.mean() <= few
    for one, other in zip(want.geometries, got.geometries, strict=True):
        pixels = other.pixels.cpu().numpy()
        both, at, of = np.intersect1d(one.pixels, pixels, return_indices=True)
        assert len(both) >= (1 - few) * max(len(one.pixels), len(pixels))
        places = np.abs(one.places[at] - other.places.cpu().numpy()[of]).max(axis=1, initial=0)
        assert (places > 1e-5).mean() <= few if len(places) else True
        off = np.abs(one.cosines[at] - other.cosines.cpu().numpy()[of]) > 1e-5
        assert off.mean() <= max(few, 1e-4) if len(off) else True
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (6, size // 4, size // 4, 3), np.uint8)
    large = [np.asarray(Image.fromarray(image).resize((size, size))) for image in small]
    colour, painted = bake_views(want.geometries, large, WEIGHTS, texture_size, 4)
    baking = plan_baking(got.geometries, WEIGHTS, texture_size, 4)
    same = bake_views_on_device(got.geometries, list(small), baking).cpu().numpy()
    also = baking.painted
    assert (painted != also).mean() <= max(few, 1e-4)
    both = painted & also
    assert (np.abs(colour - same).max(axis=-1)[both] > 2e-3).mean() <= max(few, 1e-3)
