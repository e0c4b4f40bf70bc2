# SPDX-License-Identifier: Apache-2.0
"""Sparse grids hold the same points and values as full ones, and give the same surface."""

import pytest
import torch
from scipy.spatial import cKDTree

from hy3dgen.errors import SurfaceExtractionError
from hy3dgen.gpu.sparse_grid import SparseGrid, coordinates, open_corners, refined
from hy3dgen.shapegen.models.autoencoders import coarse_to_fine, volume_grids
from hy3dgen.shapegen.models.autoencoders.surface_extractors import MCSurfaceExtractor

LEVEL = 0.1


class Ripples:
    """In place of a geometry decoder: thin, wavy shells, known in closed form."""

    class Nothing:
        keys = values = torch.zeros(1, 1)

    def project(self, latents):
        return self.Nothing

    def query(self, projected, points):
        radius = torch.linalg.norm(points, dim=-1, keepdim=True)
        wave = torch.sin(9 * points).prod(dim=-1, keepdim=True)
        shell = (radius + 0.1 * wave - 0.6).abs()
        return (LEVEL + 0.04 - shell).clamp(-1, 1)


def decoded(sparse_from, resolution=64):
    decoder = coarse_to_fine.CoarseToFineVolumeDecoder(sparse_from)
    return decoder(
        torch.zeros(1, 1, 1), Ripples(), octree_resolution=resolution, min_resolution=15,
        mc_level=LEVEL,
    )[0]  # fmt: skip


def test_same_points_and_values_as_full_grids():
    full, sparse = decoded(None), decoded(64)
    assert isinstance(sparse, SparseGrid)
    assert torch.equal(full.isnan(), sparse.dense().isnan())
    # Sines differ in the last bit by how the points are grouped.
    assert torch.allclose(full, sparse.dense(), atol=1e-6, equal_nan=True)


def test_full_grids_below_the_limit():
    assert isinstance(decoded(65), torch.Tensor)


def test_extractor_takes_sparse_grids_and_reduces():
    extractor = MCSurfaceExtractor()
    (mesh,) = extractor([decoded(64)], mc_level=LEVEL, bounds=1.01, octree_resolution=64)
    (full,) = extractor([decoded(None)], mc_level=LEVEL, bounds=1.01, octree_resolution=64)
    for one, other in ((mesh, full), (full, mesh)):
        assert cKDTree(one.mesh_v).query(other.mesh_v)[0].max() < 1e-3  # a cell is 0.03
    (small,) = extractor([decoded(64)], mc_level=LEVEL, octree_resolution=64, face_count=2000)
    assert len(small.mesh_f) <= 2000
    (small,) = extractor([decoded(None)], mc_level=LEVEL, octree_resolution=64, face_count=2000)
    assert len(small.mesh_f) <= 2000


def test_nothing_there_is_told():
    keys = torch.arange(8)
    with pytest.raises(SurfaceExtractionError, match="no surface at level"):
        MCSurfaceExtractor()([SparseGrid(2, keys, torch.ones(8))])
    with pytest.raises(SurfaceExtractionError, match="not finite"):
        MCSurfaceExtractor()([SparseGrid(2, keys, torch.full((8,), torch.nan))])


def test_refined_points_are_those_of_full_grids():
    mask = torch.rand(9, 9, 9, generator=torch.Generator().manual_seed(0)) < 0.02
    keys = mask.reshape(-1).nonzero()[:, 0]
    wanted = volume_grids.dilate(volume_grids.refine_mask(mask, 17))
    assert torch.equal(refined(keys, 9), wanted.reshape(-1).nonzero()[:, 0])


def test_open_corners_are_those_of_full_grids():
    generator = torch.Generator().manual_seed(1)
    full = torch.randn(8, 8, 8, generator=generator)
    full[torch.rand(8, 8, 8, generator=generator) < 0.7] = volume_grids.UNKNOWN
    keys = (full.reshape(-1) != volume_grids.UNKNOWN).nonzero()[:, 0]
    wanted = volume_grids.unknown_corners(full).reshape(-1).nonzero()[:, 0]
    assert len(wanted) > 100
    assert torch.equal(open_corners(SparseGrid(8, keys, full.reshape(-1)[keys])), wanted)


def test_coordinates_are_grid_indices():
    assert coordinates(torch.tensor([0, 7, 26]), 3).tolist() == [[0, 0, 0], [0, 2, 1], [2, 2, 2]]
