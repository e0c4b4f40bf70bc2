# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from known_meshes import cube, joined, moved, sphere, torus

from hy3dgen.errors import Cancelled, InvalidMeshError
from hy3dgen.mesh import TriangleMesh
from hy3dgen.mesh.box_unwrap import box_unwrap
from hy3dgen.mesh.chart_packing import pack
from hy3dgen.mesh.native import loader
from hy3dgen.mesh.uv_map import UVMap, from_corners


def areas(uv_map: UVMap) -> np.ndarray:
    a, b, c = np.moveaxis(uv_map.uvs[uv_map.faces].astype(float), 1, 0)
    first, second = b - a, c - a
    return (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2


def covered_twice(uv_map: UVMap, size: int = 512) -> float:
    """Share of the covered area that is covered more than once: areas against pixels."""
    clip = np.zeros((len(uv_map.uvs), 4), np.float32)
    clip[:, :2], clip[:, 3] = uv_map.uvs * 2 - 1, 1
    owners, _ = loader.rasterize(clip, uv_map.faces, (size, size))
    covered = np.count_nonzero(owners) / (size - 1) ** 2
    return np.abs(areas(uv_map)).sum() / covered - 1


def spiral(turns=3, steps=40) -> TriangleMesh:
    """A ramp that passes over itself."""
    angle = np.linspace(0, 2 * np.pi * turns, turns * steps)
    rim = np.stack([np.cos(angle), 0.2 * angle, np.sin(angle)], axis=1)
    hub = rim * [0.3, 1, 0.3]
    i = np.arange(len(angle) - 1)
    n = len(angle)
    faces = np.concatenate([np.stack([i, n + i, i + 1], 1), np.stack([n + i, n + i + 1, i + 1], 1)])
    return TriangleMesh(np.concatenate([rim, hub]), faces)


def noisy(seed=0) -> TriangleMesh:
    mesh = torus()
    shake = np.random.default_rng(seed).normal(0, 0.05, mesh.vertices.shape)
    return TriangleMesh(mesh.vertices + shake, mesh.faces)


MESHES = {
    "cube": cube(),
    "sphere": sphere(),
    "torus": torus(),
    "spiral": spiral(),
    "noisy": noisy(),
    "parts": joined(cube(), moved(sphere(9), (3, 0, 0), 0.01), moved(torus(), (0, 5, 0))),
}


@pytest.mark.parametrize("name", MESHES)
def test_six_sides(name):
    mesh = MESHES[name]
    found = box_unwrap(mesh)
    assert found.uvs.dtype == np.float32
    assert found.uvs.min() >= 0 and found.uvs.max() <= 1
    assert np.array_equal(found.vertices[found.faces], mesh.faces)
    assert covered_twice(found) < 0.05
    if name != "noisy":  # there a few faces look away from all their neighbours
        assert areas(found).min() > -1e-9, "no chart is mirrored"


def test_one_scale_for_all():
    mesh = cube()
    ratio = np.abs(areas(box_unwrap(mesh))) / mesh.face_areas
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)


def test_faces_without_area_do_no_harm():
    mesh = sphere(9)
    faces = np.concatenate([mesh.faces, [[0, 0, 1], [2, 2, 2]]])
    found = box_unwrap(TriangleMesh(mesh.vertices, faces))
    assert np.isfinite(found.uvs).all()
    point = box_unwrap(TriangleMesh(np.zeros((3, 3)), [[0, 1, 2]]))
    assert np.isfinite(point.uvs).all()


def test_six_sides_can_be_stopped():
    def stop(fraction):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        box_unwrap(cube(), progress=stop)


@pytest.mark.parametrize(("count", "least_covered"), [(1, 0.13), (3, 0.2), (200, 0.5)])
def test_rectangles_lie_apart(count, least_covered):
    sizes = np.random.default_rng(count).random((count, 2)) * [1, 4]
    padding = 0.002
    scale, corners, turned = pack(sizes, padding)
    laid = np.where(turned[:, None], sizes[:, ::-1], sizes) * scale
    low, high = corners - padding, corners + laid + padding
    assert low.min() >= -1e-9 and high.max() <= 1 + 1e-9
    apart = (low[:, None] >= high[None] - 1e-9) | (high[:, None] <= low[None] + 1e-9)
    assert (apart.any(axis=2) | np.eye(count, dtype=bool)).all()
    assert laid.prod(axis=1).sum() > least_covered


def test_more_charts_than_the_padding_allows():
    scale, corners, _ = pack(np.ones((5000, 2)), 0.05)
    assert scale > 0 and len(np.unique(corners.round(6), axis=0)) == 5000


def test_own_uvs_are_kept():
    mesh = sphere(9)
    corners = box_unwrap(mesh).corners
    found = from_corners(corners, mesh.faces)
    assert np.array_equal(found.corners, corners)
    assert np.array_equal(found.vertices[found.faces], mesh.faces)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda uvs: uvs * 3, "outside the texture's square"),
        (lambda uvs: uvs[:-1], "one UV per corner"),
        (lambda uvs: np.where(uvs > 0.9, np.nan, uvs), "not a finite number"),
    ],
)
def test_uvs_that_cannot_be_used_are_told(change, message):
    mesh = sphere(9)
    with pytest.raises(InvalidMeshError, match=message):
        from_corners(change(box_unwrap(mesh).corners), mesh.faces)
