# SPDX-License-Identifier: Apache-2.0
"""Surface points: where those of simple shapes must lie."""

import numpy as np
import pytest
import torch
import trimesh

from hy3dgen.errors import InvalidMeshError, InvalidSettingError
from hy3dgen.shapegen.models import ShapeVAE
from hy3dgen.shapegen.surface_loaders import (
    SharpEdgeSurfaceLoader,
    SurfaceLoader,
    normalize_mesh,
    sample_pointcloud,
    sharp_sample_pointcloud,
)


def test_points_lie_evenly_on_a_box():
    box = trimesh.creation.box([1.0, 2.0, 4.0])
    surface = SurfaceLoader(20000)(box)
    assert surface.shape == (1, 20000, 6) and surface.dtype == torch.float32
    assert torch.equal(surface, SurfaceLoader()(box, num_points=20000))  # the same every time
    points, normals = surface[0, :, :3].numpy(), surface[0, :, 3:].numpy()
    half = 0.98 * np.array([0.25, 0.5, 1.0])
    assert np.abs((np.abs(points) / half).max(axis=1) - 1).max() < 1e-5
    axis = np.abs(normals).argmax(axis=1)
    shares = np.bincount(axis, minlength=3) / 20000
    assert shares == pytest.approx(np.array([8, 4, 2]) / 14, abs=0.02)
    assert (np.take_along_axis(points * normals, axis[:, None], 1) > 0).all()  # outwards
    assert len(box.vertices) == 8 and box.bounds.tolist() == [[-0.5, -1, -2], [0.5, 1, 2]]


def test_sharp_points_lie_on_the_edges_of_a_box():
    box = trimesh.creation.box([2.0, 2.0, 2.0])
    surface = SharpEdgeSurfaceLoader(300, 500)(box)[0]
    assert surface.shape == (800, 7)
    even, sharp = surface[:300], surface[300:]
    assert not even[:, 6].any() and sharp[:, 6].eq(1).all()
    assert torch.equal(surface, surface.half().float())
    on_faces = (sharp[:, :3].abs() > 0.999).sum(dim=1)
    assert (on_faces >= 1).all()
    # Diagonals of the sides have sharp ends too: 12 edges of length 2 against 6 of sqrt(8).
    share = 24 / (24 + 6 * 8**0.5)
    assert (on_faces >= 2).float().mean().item() == pytest.approx(share, abs=0.07)
    again = SharpEdgeSurfaceLoader(seed=1)(box, num_uniform_points=300, num_sharp_points=500)[0]
    assert not torch.equal(again, surface)


def test_a_smooth_mesh_without_sharp_edges_gives_even_points():
    sphere = trimesh.creation.icosphere(subdivisions=4)
    assert len(sharp_sample_pointcloud(sphere, 10)[0]) == 0
    surface = SharpEdgeSurfaceLoader(100, 100)(sphere)[0]
    assert not surface[:, 6].any()
    assert (surface[:, :3].norm(dim=1) - 1).abs().max() < 0.01


def test_files_and_scenes_load_and_can_be_encoded(tmp_path):
    box = trimesh.creation.box()
    box.export(tmp_path / "box.ply")
    load = SharpEdgeSurfaceLoader(64, 32)
    from_file, from_scene = load(tmp_path / "box.ply"), load(trimesh.Scene(box))
    assert from_file.shape == from_scene.shape == (1, 96, 7)
    vae = ShapeVAE(
        num_latents=9, embed_dim=4, width=16, heads=2, num_decoder_layers=1, num_encoder_layers=1,
        pc_size=64, pc_sharpedge_size=32, downsample_ratio=4, point_feats=4,
    )  # fmt: skip
    assert vae.encode(from_file).shape == (1, 9, 4)


def test_a_mesh_is_centred_and_scaled():
    mesh = trimesh.creation.box([1, 2, 8]).apply_translation([5, 6, 7])
    assert normalize_mesh(mesh, 0.5) is mesh
    assert mesh.bounds == pytest.approx(np.array([[-1, -2, -8], [1, 2, 8]]) / 16)
    points, normals = sample_pointcloud(mesh, 50, seed=1)
    assert points.shape == normals.shape == (50, 3) and points.dtype == np.float32


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        ("no such file.obj", "no mesh file at no such file.obj"),
        (trimesh.Trimesh(), "0 faces"),
        (trimesh.Trimesh([[0, 0, 0]] * 3, [[0, 1, 2]], process=False), "area of 0"),
        (np.zeros((3, 3)), "a ndarray was given"),
    ],
)
def test_wrong_meshes_are_named(mesh, message):
    with pytest.raises(InvalidMeshError, match=message):
        SurfaceLoader()(mesh)


def test_a_wrong_number_of_points_is_named():
    with pytest.raises(InvalidSettingError, match="300000 points"):
        SurfaceLoader(300_000)(trimesh.creation.box())
