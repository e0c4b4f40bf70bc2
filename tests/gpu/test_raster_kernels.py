# SPDX-License-Identifier: Apache-2.0
"""Faces are drawn by compiled kernels as the processor draws them."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "texgen"))
from test_rasterizer import CASES
from texture_golden import load

from hy3dgen.errors import InvalidMeshError
from hy3dgen.gpu.raster_kernels import raster_kernels
from hy3dgen.texgen import rasterizer
from hy3dgen.texgen.rasterizer import rasterize
from hy3dgen.texgen.rasterizer_torch import rasterize_with, tried_kernels

devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


@pytest.fixture
def kernels(request, device):
    if device == "cpu":
        return request.getfixturevalue("host_kernels")
    return raster_kernels(torch.device("cuda"))


def draw(kernels, device, points, faces, size, prior=None):
    prior = None if prior is None else torch.from_numpy(np.array(prior))
    points, faces = torch.from_numpy(np.array(points)), torch.from_numpy(np.array(faces))
    found = rasterize_with(kernels, points.to(device), faces, size, prior)
    return [tensor.cpu().numpy() for tensor in found]


@devices
@pytest.mark.parametrize("case", CASES)
def test_same_bits_as_recorded(kernels, device, case):
    golden = load("raster")
    if f"{case}.pos" not in golden:
        pytest.skip("not in this set")
    (row,) = (row for row in golden.info["cases"] if row["name"] == case)
    prior = golden[f"{case}.depth_prior"] if row["depth_prior"] else None
    size = row["height"], row["width"]
    points, faces = golden[f"{case}.pos"], golden[f"{case}.tri"]
    numbers, weights = draw(kernels, device, points, faces, size, prior)
    np.testing.assert_array_equal(numbers, golden[f"{case}.findices"])
    np.testing.assert_allclose(weights, golden[f"{case}.bary"], rtol=0, atol=1e-6)


def many_faces(seed):
    """Small ones, a large one behind them, some outside of it, without area, on each other."""
    random = np.random.default_rng(seed)
    points = random.uniform(-1.3, 1.3, (900, 4)).astype(np.float32)
    points[3:] = np.repeat(points[3::3], 3, axis=0) + random.normal(0, 0.1, (897, 4))
    points[:, 2] = np.abs(points[:, 2]) * 0.5
    points[:3, :3] = [[-2, -2, 0.9], [1, -1, 0.9], [-1, 1.2, 0.9]]
    points[:, 3] = 1 if seed % 2 else random.uniform(0.8, 1.2, 900)
    faces = np.arange(900, dtype=np.int32).reshape(-1, 3)
    faces[10] = faces[11, 0]
    return points, np.concatenate([faces, faces[:5]])


@devices
@pytest.mark.parametrize("seed", range(4))
def test_drawn_as_in_arrays(kernels, device, seed):
    points, faces = many_faces(seed)
    prior = None
    if seed > 1:
        prior = np.random.default_rng(seed).uniform(-1, 1, (150, 170)).astype(np.float32)
    numbers, weights = rasterize(points, faces, (150, 170), prior, backend="numpy")
    assert {0, 1} <= set(numbers.ravel()) and len(np.unique(numbers)) > 100
    got = draw(kernels, device, points, faces, (150, 170), prior)
    np.testing.assert_array_equal(got[0], numbers)
    np.testing.assert_array_equal(got[1], weights)


@devices
def test_faces_of_more_pixels_than_a_warp_looks_at(kernels, device):
    points = np.float32([[-3, -1, 0, 1], [3, -1, 0, 1], [0, 3, 0.5, 1], [0, 0, -0.9, 1]])
    faces = np.int32([[0, 1, 2], [2, 1, 3]])
    want = rasterize(points, faces, (301, 517), backend="numpy")
    assert np.bincount(want[0].ravel(), minlength=3)[1:].min() > 10_000
    for one, other in zip(draw(kernels, device, points, faces, (301, 517)), want, strict=True):
        np.testing.assert_array_equal(one, other)


@devices
def test_nothing_to_draw(kernels, device):
    points = np.float32([[0, 0, 0, 0], [np.nan, 0, 0, 1], [np.inf, 1, 0, 1], [1, 1, 0, 1]])
    for faces in (np.int32([[0, 1, 3], [1, 2, 3], [3, 3, 3]]), np.zeros((0, 3), np.int32)):
        numbers, weights = draw(kernels, device, points, faces, (8, 9))
        assert numbers.shape == (8, 9) and not numbers.any() and not weights.any()


@devices
def test_too_many_faces_on_top_of_each_other_end_in_a_sentence(kernels, device, monkeypatch):
    monkeypatch.setattr(rasterizer, "WORK_LIMIT", 2_000_000)
    points = np.float32([[-1, -1, 0, 1], [1, -1, 0, 1], [-1, 1, 0, 1]])
    with pytest.raises(InvalidMeshError, match="times over"):
        draw(kernels, device, points, np.tile(np.int32([[0, 1, 2]]), (300, 1)), (100, 100))


@pytest.mark.gpu
def test_they_are_what_draws_there():
    device = torch.device("cuda")
    assert tried_kernels(device) is not None
    points, faces = many_faces(0)
    want = rasterize(points, faces, (150, 170), backend="numpy")
    got = rasterize(torch.from_numpy(points).to(device), torch.from_numpy(faces), (150, 170))
    np.testing.assert_array_equal(got[0].cpu().numpy(), want[0])


def test_none_on_a_processor():
    assert raster_kernels(torch.device("cpu")) is None
