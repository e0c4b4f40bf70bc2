# SPDX-License-Identifier: Apache-2.0
"""Pictures, surface points and supervision of programs, on the CPU and small."""

import numpy as np
import pytest
import torch

from training.programs import sdf
from training.programs.batch import ProgramBatch
from training.programs.contact_sheet import main as contact_sheet
from training.programs.render import (
    front_cameras,
    random_cameras,
    random_lights,
    render,
    studio_lights,
)
from training.programs.sampling import ON_SURFACE, supervision, surface_points

# One family for each primitive type and operation: boxes, cuts, tori, prisms, blends.
MIXED = ["chair", "mug", "plane", "animal"]


@pytest.fixture(scope="module")
def batch() -> ProgramBatch:
    return ProgramBatch.make(21, range(len(MIXED)), MIXED)


def test_pictures_show_the_whole_shape(batch):
    indices = range(len(batch))
    picture = render(batch, random_cameras(2, indices, batch), random_lights(2, indices), 32)
    assert picture.shape == (len(batch), 32, 32, 4)
    alpha = picture[..., 3].numpy()
    assert set(np.unique(alpha)) <= {0, 64, 128, 191, 255}  # four samples a pixel
    border = np.concatenate([alpha[:, 0], alpha[:, -1], alpha[:, :, 0], alpha[:, :, -1]], axis=1)
    assert not border.any()
    assert ((alpha > 0).any(axis=1).sum(axis=1) > 10).all()


def test_a_picture_can_be_made_again_alone(batch):
    indices = [10, 11, 12, 13]
    one, four = batch[2], batch
    alone = render(one, random_cameras(2, [12], one), random_lights(2, [12]), 24)
    cameras, lights = random_cameras(2, indices, four), random_lights(2, indices)
    assert torch.equal(alone[0], render(four, cameras, lights, 24)[2])
    other = render(one, random_cameras(2, [13], one), random_lights(2, [13]), 24)
    assert not torch.equal(alone, other)


def test_what_is_on_the_left_is_drawn_left_and_lit_from_above():
    ball = ProgramBatch.make(1, [0], ["snowman"])
    low = front_cameras(ball, yaw=0, pitch=0)
    picture = render(ball, low, studio_lights(1), 48)[0].float()
    solid = picture[..., 3] == 255
    bright = picture[..., :3].mean(dim=-1)
    rows = torch.nonzero(solid.any(dim=1)).squeeze(1)
    bottom = rows[-8:]  # the lowest ball: its upper half is brighter than its lower
    assert (
        bright[bottom[:3]][solid[bottom[:3]]].mean()
        > bright[bottom[-3:]][solid[bottom[-3:]]].mean()
    )
    mug = ProgramBatch.make(1, [3], ["mug"])
    seen = render(mug, front_cameras(mug, yaw=0, pitch=10), studio_lights(1), 48)[0, ..., 3] > 0
    # A mug's body is centred on x = 0 before its handle moves the box's centre the other way.
    side = float(mug.translations[0, 0, 0])
    columns = torch.nonzero(seen[10:38].sum(dim=0) > 14).squeeze(1).float()
    assert (float(columns.mean()) - 23.5) * side > 0


def test_surface_points_lie_on_the_surface(batch):
    generator = torch.Generator().manual_seed(0)
    points, normals = surface_points(batch, 400, generator)
    assert points.shape == normals.shape == (len(batch), 400, 3)
    assert float(sdf.evaluate(batch, points).abs().max()) < ON_SURFACE
    assert torch.allclose(normals.norm(dim=-1), torch.ones(len(batch), 400), atol=1e-4)
    out = sdf.evaluate(batch, points + 0.01 * normals)
    assert float((out > 0).float().mean()) > 0.98
    again = surface_points(batch, 400, torch.Generator().manual_seed(0))[0]
    assert torch.equal(points, again)


def test_surface_points_are_spread_evenly():
    bottle = ProgramBatch.make(2, [0], ["tree"])
    points = surface_points(bottle, 3000, torch.Generator().manual_seed(1))[0][0]
    # Against the area found another way: triangles of a fine marching cubes mesh.
    from skimage.measure import marching_cubes

    vertices, faces, _, _ = marching_cubes(sdf.grid(bottle, 72)[0].numpy(), 0.0)
    corners = vertices[faces] * (2.02 / 71) - 1.01
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    heights = corners[:, :, 1].mean(axis=1)
    bands = np.linspace(-0.96, 0.96, 7)
    wanted = np.histogram(heights, bands, weights=area)[0] / area.sum()
    found = np.histogram(points[:, 1].numpy(), bands)[0] / len(points)
    assert np.abs(found - wanted).max() < 0.05


def test_supervision_is_half_near_and_half_anywhere(batch):
    generator = torch.Generator().manual_seed(0)
    points, distances = supervision(batch, 600, generator)
    assert points.shape == (len(batch), 600, 3)
    assert float(points.abs().max()) <= 1.01
    assert torch.allclose(distances, sdf.evaluate(batch, points))
    near = distances.abs().numpy()
    assert 0.45 < (near < 0.1).mean() < 0.8
    assert (distances < 0).float().mean() > 0.15
    surface = surface_points(batch, 100, generator)[0]
    given, _ = supervision(batch, 600, generator, surface)
    gaps = torch.cdist(given[:, :300], surface).amin(dim=-1)
    assert float(gaps.median()) < 0.1


def test_contact_sheet(tmp_path):
    out = tmp_path / "sheet.png"
    contact_sheet(["--out", str(out), "--columns", "2", "--size", "24", "--families", "mug",
                   "--device", "cpu"])  # fmt: skip
    assert out.stat().st_size > 500
