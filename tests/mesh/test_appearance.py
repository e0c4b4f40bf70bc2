# SPDX-License-Identifier: Apache-2.0
"""What a trimesh mesh carries is still there, and in its place, after a reduction."""

import numpy as np
import pytest

from hy3dgen.mesh.reduce import reduce_faces
from hy3dgen.mesh.trimesh_changes import KernelEngine, reduce_trimesh

trimesh = pytest.importorskip("trimesh")
Image = pytest.importorskip("PIL.Image")


def foreign_engine(mesh, target, progress):
    """One that tells nothing about what became of what."""
    return reduce_faces(mesh, target, "quality", progress)


@pytest.fixture(params=[KernelEngine("quality"), KernelEngine("fast"), foreign_engine])
def engine(request):
    return request.param


def ball():
    return trimesh.creation.icosphere(4)


def unrolled_ball(around=60, down=30):
    """Longitude and latitude as UVs: one chart that meets itself at a seam."""
    i, j = np.meshgrid(np.arange(around + 1), np.arange(down + 1), indexing="ij")
    a, b = 2 * np.pi * i / around, np.pi * (j + 0.5) / (down + 1)
    vertices = np.stack([np.sin(b) * np.cos(a), np.sin(b) * np.sin(a), np.cos(b)], -1)
    vertices[-1] = vertices[0]
    index = i * (down + 1) + j
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], -1)
    quads = quads.reshape(-1, 4)
    visual = trimesh.visual.TextureVisuals(
        uv=np.stack([i / around, b / np.pi], -1).reshape(-1, 2), image=Image.new("RGB", (8, 8))
    )
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return trimesh.Trimesh(vertices.reshape(-1, 3), faces, process=False, visual=visual)


def test_uvs_follow_the_surface_and_no_face_spans_the_seam(engine):
    original = unrolled_ball()
    reduced = reduce_trimesh(original, 900, engine)
    assert len(reduced.faces) in (899, 900)
    x, y, z = (reduced.vertices / np.linalg.norm(reduced.vertices, axis=1)[:, None]).T
    u, v = reduced.visual.uv.T
    apart = np.abs((u - np.arctan2(y, x) / (2 * np.pi) + 0.5) % 1 - 0.5) * np.sin(np.pi * v)
    # Half a face beside the seam, elsewhere next to nothing.
    assert apart.max() < 0.03 and np.median(apart) < 1e-3
    assert np.abs(v - np.arccos(z) / np.pi).max() < 0.02
    away_from_poles = np.abs(reduced.triangles[:, :, 2]).max(axis=1) < 0.9
    assert np.ptp(u[reduced.faces], axis=1)[away_from_poles].max() < 0.4
    assert reduced.visual.material.image.size == (8, 8)
    assert reduced.visual.material.image is not original.visual.material.image
    # Normals are those of the joined surface, so the seam does not show.
    assert np.einsum("ij,ij->i", reduced.vertex_normals, np.stack([x, y, z], 1)).min() > 0.8


def test_no_face_spans_two_charts(engine):
    parts = []
    for axis in range(3):  # each side of a box has its own third of the map
        for side in (0, 1):
            grid = trimesh.creation.box().subdivide().subdivide().subdivide().subdivide()
            keep = np.isclose(grid.triangles_center[:, axis], side - 0.5)
            grid.update_faces(keep)
            grid.remove_unreferenced_vertices()
            flat = np.delete(grid.vertices, axis, axis=1) + 0.5
            uv = flat * 0.3 + (axis / 3 + 0.01, side / 2 + 0.1)
            grid.visual = trimesh.visual.TextureVisuals(uv=uv, image=Image.new("RGB", (4, 4)))
            parts.append(grid)
    box = trimesh.Trimesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([p.faces + i * len(parts[0].vertices) for i, p in enumerate(parts)]),
        process=False,
        visual=trimesh.visual.TextureVisuals(uv=np.concatenate([p.visual.uv for p in parts])),
    )
    reduced = reduce_trimesh(box, 100, engine)
    assert len(reduced.faces) <= 100
    chart = np.floor(reduced.visual.uv * (3, 2)).astype(int)
    assert (np.ptp(chart[reduced.faces], axis=1) == 0).all()
    assert len(np.unique(chart, axis=0)) == 6


def test_vertex_colors_are_blended(engine):
    original = ball()
    original.visual.vertex_colors = np.uint8((original.vertices + 1) / 2 * 255)
    reduced = reduce_trimesh(original, 500, engine)
    assert reduced.visual.kind == "vertex"
    shown = reduced.visual.vertex_colors[:, :3] / 255
    np.testing.assert_allclose(shown, (reduced.vertices + 1) / 2, atol=0.02)


def test_face_colors_stay_in_place(engine):
    original = ball()
    upper = original.triangles_center[:, 2] > 0
    original.visual.face_colors = np.where(upper[:, None], [255, 0, 0, 255], [0, 0, 255, 255])
    reduced = reduce_trimesh(original, 500, engine)
    assert reduced.visual.kind == "face"
    height = reduced.triangles_center[:, 2]
    clear = np.abs(height) > 0.05
    assert ((reduced.visual.face_colors[:, 0] > 0) == (height > 0))[clear].all()


def test_attributes_and_metadata_stay(engine):
    original = ball()
    original.metadata["name"] = "ball"
    original.vertex_attributes["height"] = original.vertices[:, 2].astype(np.float32)
    original.face_attributes["upper"] = np.int32(original.triangles_center[:, 2] > 0)
    reduced = reduce_trimesh(original, 500, engine)
    assert reduced.metadata["name"] == "ball"
    height = reduced.vertex_attributes["height"]
    assert height.dtype == np.float32
    np.testing.assert_allclose(height, reduced.vertices[:, 2], atol=0.02)
    assert reduced.face_attributes["upper"].shape == (500,)


@pytest.mark.parametrize(("scale", "offset"), [(1e-6, 0), (1e6, 0), (1, 1e7), (1e-3, 1e4)])
def test_any_unit_and_place_gives_the_same(scale, offset, engine):
    original = unrolled_ball()
    reduced = reduce_trimesh(original, 900, engine)
    other = original.copy()
    other.vertices = original.vertices * scale + offset
    result = reduce_trimesh(other, 900, engine)
    assert len(result.faces) in (899, 900)
    # float64 holds 1e7 + 1 to 2e-9; what is left is what float32 does to the rescaled mesh.
    assert abs((result.area / scale**2) / reduced.area - 1) < 1e-3
    assert np.abs((result.vertices - offset) / scale).max() < 1.01


def test_input_is_not_changed_and_progress_rises(engine):
    original = unrolled_ball()
    before = original.copy()
    told = []
    reduce_trimesh(original, 900, engine, told.append)
    assert told == sorted(told) and told[-1] == 1
    np.testing.assert_array_equal(original.vertices, before.vertices)
    np.testing.assert_array_equal(original.faces, before.faces)
    np.testing.assert_array_equal(original.visual.uv, before.visual.uv)
