# SPDX-License-Identifier: Apache-2.0
"""Whatever decodes a closed field, the surface that comes out is closed, and the dense one's.

Fields are drawn: balls, boxes on grid points, shells in shells, legs thinner than a coarse cell,
far apart and into each other, saturated as trained fields are.
"""

import numpy as np
import pytest
import torch
import trimesh
from closed_meshes import assert_closed
from scipy.spatial import cKDTree
from test_surfaces import AnalyticField

from hy3dgen.gpu.sparse_grid import SparseGrid
from hy3dgen.shapegen.mesh_export import export_to_arrays
from hy3dgen.shapegen.models.autoencoders import (
    CoarseToFineVolumeDecoder,
    CrossAttentionProcessor,
    FlashVDMVolumeDecoding,
    HierarchicalVolumeDecoding,
    MCSurfaceExtractor,
    VanillaVolumeDecoder,
)

LATENTS = torch.zeros(1, 3, 4, 5)
CELL = 2.02 / 48
DECODERS = {
    "dense": VanillaVolumeDecoder(),
    "coarse to fine": CoarseToFineVolumeDecoder(),
    "without full grids": CoarseToFineVolumeDecoder(sparse_from=4),
    "published scheme": HierarchicalVolumeDecoding(),
    "flashvdm mean": FlashVDMVolumeDecoding("mean"),
    "flashvdm merge": FlashVDMVolumeDecoding("merge"),
    "flashvdm without full grids": FlashVDMVolumeDecoding("mean", sparse_from=4),
}


class TakesProcessors(AnalyticField):
    """What FlashVDM needs of a geometry decoder beside its field."""

    cross_attention_processor = CrossAttentionProcessor()

    def set_cross_attention_processor(self, processor):
        self.cross_attention_processor = processor


def ball(points, centre, radius):
    return (points - centre).norm(dim=-1) - radius


def box(points, centre, half):
    offset = (points - centre).abs() - half
    return offset.clamp_min(0).norm(dim=-1) + offset.amax(dim=-1).clamp_max(0)


def drawn(seed):
    """A distance `(..., 3) -> (...)`, negative inside, positive on the whole box's side."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(rng.integers(1, 5)):
        centre = torch.tensor(rng.uniform(-0.5, 0.5, 3), dtype=torch.float32)
        size = float(rng.uniform(0.1, 0.4))
        match rng.integers(0, 5):
            case 0:
                parts.append(lambda p, c=centre, s=size: ball(p, c, s))
            case 1:  # sides on grid points: the field is zero there
                corner = (centre / CELL).round() * CELL
                half = torch.full((3,), max(round(size / CELL), 1) * CELL)
                parts.append(lambda p, c=corner, h=half: box(p, c, h))
            case 2:  # shells, one in the other
                parts.append(lambda p, c=centre, s=size: ball(p, c, s).abs() - 0.03)
                parts.append(lambda p, c=centre, s=size: ball(p, c, s / 2).abs() - 0.02)
            case 3:  # a leg half as thick as a cell of the coarsest grid
                half = torch.tensor([0.02, 0.02, size])[torch.from_numpy(rng.permutation(3))]
                parts.append(lambda p, c=centre, h=half: box(p, c, h))
            case 4:  # a small part in a corner
                far = torch.tensor(rng.choice([-0.8, 0.8], 3), dtype=torch.float32)
                parts.append(lambda p, c=far: ball(p, c, 0.07))
    return lambda points: torch.stack([part(points) for part in parts]).amin(dim=0)


def mesh_of(decoder, distance, resolution, level=0.0, sparse=False):
    """Vertices and faces; with `sparse` by the extraction for sparse grids, which cuts differently
    where the sides of a cell have their signs crosswise."""
    grids = decoder(
        LATENTS, TakesProcessors(distance), octree_resolution=resolution, min_resolution=20,
        num_chunks=4000, mc_level=level,
    )  # fmt: skip
    if sparse and isinstance(grids, torch.Tensor):
        values = grids.reshape(-1)
        grids = [SparseGrid(resolution + 1, torch.arange(len(values)), values)]
    (mesh,) = MCSurfaceExtractor()(grids, mc_level=level)
    return export_to_arrays(mesh)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("seed", range(6))
def test_drawn_shapes_are_closed(name, seed):
    level = (0.0, 0.3, -1 / 512)[seed % 3]
    for resolution in (48, 49, 40 + seed):
        vertices, faces = mesh_of(DECODERS[name], drawn(seed), resolution, level)
        assert_closed(vertices, faces)
        mesh = trimesh.Trimesh(vertices, faces)  # which merges what is close
        assert mesh.is_volume and len(mesh.faces) == len(faces)


@pytest.mark.parametrize("name", [name for name in DECODERS if name != "dense"])
@pytest.mark.parametrize("seed", range(6, 10))
def test_drawn_shapes_are_those_of_the_dense_field(name, seed):
    distance = drawn(seed)
    want, _ = mesh_of(DECODERS["dense"], distance, 48, sparse="without" in name)
    got, _ = mesh_of(DECODERS[name], distance, 48)
    # Where a side lies on grid points, last bits of positions decide which of them are inside, and
    # vertices stand a thousandth of a cell before or behind.
    for these, those in ((got, want), (want, got)):
        assert cKDTree(these).query(those)[0].max() < 0.01 * CELL
