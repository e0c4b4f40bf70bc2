# SPDX-License-Identifier: Apache-2.0
"""The surface on tensors is the one of the numpy forward, vertex by vertex."""

import numpy as np
import pytest
import torch

from hy3dgen.gpu.sparse_grid import SparseGrid
from hy3dgen.gpu.surface import extract_surface
from hy3dgen.mesh import TriangleMesh
from hy3dgen.numpy_forward.surface import extract_surface as extract_with_numpy

devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


def wobbly(side: int) -> np.ndarray:
    """Closed: noise inside, negative on the border."""
    grid = np.random.default_rng(0).normal(size=(side, side, side)).astype(np.float32)
    grid[[0, -1]] = grid[:, [0, -1]] = grid[:, :, [0, -1]] = -1
    return grid


def sparse(grid: np.ndarray, device: str = "cpu") -> SparseGrid:
    flat = torch.from_numpy(grid).to(device).reshape(-1)
    keys = torch.isfinite(flat).nonzero()[:, 0]
    return SparseGrid(len(grid), keys, flat[keys])


def same_as_numpy(grid: np.ndarray, surface: tuple[torch.Tensor, torch.Tensor]) -> None:
    bound = (len(grid) - 1) / 2
    vertices, faces = extract_with_numpy(grid, bound)
    ours, our_faces = (part.cpu().numpy() for part in surface)
    # Vertices are numbered in another order: by where they are.
    order, wanted = (np.lexsort(np.round(v, 4).T) for v in (ours - np.float32(bound), vertices))
    assert len(ours) == len(vertices)
    difference = np.abs(ours[order] - np.float32(bound) - vertices[wanted]).max()
    assert difference < 1e-5, difference
    number, number_wanted = np.empty(len(ours), int), np.empty(len(ours), int)
    number[order] = number_wanted[wanted] = np.arange(len(ours))
    assert _rows(number[our_faces]) == _rows(number_wanted[faces])


def _rows(faces: np.ndarray) -> set[tuple[int, ...]]:
    turned = np.stack([np.roll(faces, k, axis=1) for k in range(3)])
    first = turned[faces.argmin(axis=1) * -1 % 3, np.arange(len(faces))]
    return set(map(tuple, first.tolist()))


@devices
def test_every_case_gives_the_surface_of_numpy(device):
    grid = wobbly(16)
    same_as_numpy(grid, extract_surface(torch.from_numpy(grid).to(device)))


@devices
def test_known_points_alone_give_the_same_surface(device):
    grid = wobbly(16)
    grid[5:9, 5:9, 5:9] = np.nan
    same_as_numpy(grid, extract_surface(torch.from_numpy(grid).to(device)))
    same_as_numpy(grid, extract_surface(sparse(grid, device)))


def test_closed_field_gives_a_closed_mesh():
    for grid in (torch.from_numpy(wobbly(12)), sparse(wobbly(12))):
        vertices, faces = extract_surface(grid)
        assert TriangleMesh(vertices.numpy(), faces.numpy()).is_watertight


def test_level_is_kept_and_faces_look_outwards():
    x = torch.linspace(-1, 1, 33)
    radius = torch.linalg.norm(torch.stack(torch.meshgrid(x, x, x, indexing="ij")), dim=0)
    vertices, faces = extract_surface(-radius, level=-0.7)
    places = vertices / 16 - 1
    assert (torch.linalg.norm(places, dim=1) - 0.7).abs().max() < 2e-3
    mesh = TriangleMesh(places.numpy(), faces.numpy())
    assert mesh.is_watertight and mesh.volume == pytest.approx(4 / 3 * np.pi * 0.7**3, rel=0.01)


def test_nothing_to_extract_gives_no_faces():
    vertices, faces = extract_surface(torch.ones(4, 4, 4))
    assert vertices.shape == (0, 3) and faces.shape == (0, 3)
    vertices, faces = extract_surface(sparse(np.ones((4, 4, 4), np.float32)))
    assert vertices.shape == (0, 3) and faces.shape == (0, 3)


def test_rows_of_a_sparse_grid_do_not_run_into_each_other():
    """The last point of a row and the first of the next have keys that follow each other."""
    grid = np.full((3, 3, 3), np.nan, np.float32)
    grid[0, :, 2], grid[0, :, 0] = 1, -1
    assert len(extract_surface(sparse(grid))[1]) == 0
