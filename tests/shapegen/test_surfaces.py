# SPDX-License-Identifier: Apache-2.0
"""Volume decoding and surface extraction: geometry on known fields."""

import logging
from itertools import pairwise

import numpy as np
import pytest
import torch
import trimesh
from golden import Case
from torch import Tensor

from hy3dgen.errors import Cancelled, InvalidSettingError, SurfaceExtractionError
from hy3dgen.gpu.sparse_grid import SparseGrid
from hy3dgen.shapegen.models.autoencoders import (
    CoarseToFineVolumeDecoder,
    HierarchicalVolumeDecoding,
    MCSurfaceExtractor,
    VanillaVolumeDecoder,
)
from hy3dgen.shapegen.models.autoencoders.attention_blocks import KeysValues
from hy3dgen.shapegen.models.autoencoders.volume_decoders import (
    generate_dense_grid_points,
)
from hy3dgen.shapegen.pipelines import export_to_arrays, export_to_trimesh


class AnalyticField:
    """Stands where a geometry decoder stands; its field is a distance cut off at 0.1, as trained
    fields are."""

    def __init__(self, distance):
        self.distance = distance
        self.asked = 0

    def project(self, latents: Tensor) -> KeysValues:
        return KeysValues(latents, latents)

    def query(self, projected: KeysValues, points: Tensor) -> Tensor:
        self.asked += points.shape[1]
        return (-self.distance(points) / 0.1).clamp(-1, 1)[..., None]


def sphere(points, radius=0.607):
    return points.norm(dim=-1) - radius


def wire_frame(points):
    """A ring a third of a coarse cell thick, and a small ball away from everything."""
    ring = torch.hypot(torch.hypot(points[..., 0], points[..., 1]) - 0.7, points[..., 2]) - 0.012
    ball = (points - torch.tensor([0.1, 0.2, 0.75])).norm(dim=-1) - 0.03
    return torch.minimum(ring, ball)


def sheet(points):
    """A plate half as thick as a coarse cell, at an angle to every axis."""
    normal = torch.nn.functional.normalize(torch.tensor([1.0, 2.0, 3.0]), dim=0)
    flat = (points @ normal).abs() - 0.02
    return torch.maximum(flat, points.norm(dim=-1) - 0.8)


FIELDS = [sphere, wire_frame, sheet]
LATENTS = torch.zeros(1, 1, 1)


def mixed_cells(grid):
    """Cells whose eight corners are not all on one side."""
    inside = (grid > 0).float()[None]
    most = torch.nn.functional.max_pool3d(inside, 2, stride=1)
    least = -torch.nn.functional.max_pool3d(-inside, 2, stride=1)
    return (most != least)[0, 0]


@pytest.mark.parametrize("distance", FIELDS, ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    ("resolution", "bounds", "sparse_from"),
    [
        (96, 1.01, None),
        (97, 1.01, None),  # grids twice and four times as coarse end behind the box
        (99, (-1.01, -0.97, -1.1, 0.98, 1.02, 1.0), None),
        (103, 1.01, 4),
    ],
)
def test_coarse_to_fine_knows_every_cell_that_the_dense_surface_passes(
    distance, resolution, bounds, sparse_from
):
    dense_field, sparse_field = AnalyticField(distance), AnalyticField(distance)
    settings = dict(octree_resolution=resolution, min_resolution=24, bounds=bounds)
    dense = VanillaVolumeDecoder()(LATENTS, dense_field, **settings)
    sparse = CoarseToFineVolumeDecoder(sparse_from)(LATENTS, sparse_field, **settings)
    if sparse_from is not None:
        sparse = sparse[0].dense()[None]
    assert sparse.shape == dense.shape
    known = ~sparse.isnan()
    assert torch.equal(sparse[known], dense[known])  # asked at the very same points
    unknown_cells = torch.nn.functional.max_pool3d((~known).float()[None], 2, stride=1)[0, 0] > 0
    assert mixed_cells(dense).sum() > 500
    assert not (mixed_cells(dense) & unknown_cells).any()
    assert sparse_field.asked < 0.2 * dense_field.asked
    mesh = export_to_trimesh(MCSurfaceExtractor()(sparse)[0])
    assert mesh.is_watertight and mesh.volume > 0


def test_coarse_to_fine_follows_a_surface_that_the_coarse_grid_missed():
    """A long rod between the points of the coarse grid, thick enough to be seen at one end only."""

    def rod(points):
        thickness = torch.where(points[..., 0] > 0.6, 0.2, 0.02)
        across = torch.hypot(points[..., 1] - 0.13, points[..., 2] - 0.13)
        side = torch.maximum(across - thickness, points[..., 0].abs() - 0.8)
        return side.sign() * 0.1  # only inside or outside, no distance to be guided by

    settings = dict(octree_resolution=64, min_resolution=16)
    grids = [
        decoder(LATENTS, AnalyticField(rod), **settings)
        for decoder in (VanillaVolumeDecoder(), CoarseToFineVolumeDecoder())
    ]
    dense, sparse = (export_to_trimesh(MCSurfaceExtractor()(grid)[0]) for grid in grids)
    assert sparse.is_watertight
    assert len(sparse.faces) == len(dense.faces)


def check_fallback(distance, caplog, sentence):
    """A field whose coarse grid does not show everything: what the check says, and the surface."""
    settings = dict(octree_resolution=64, min_resolution=16)
    dense = VanillaVolumeDecoder()(LATENTS, AnalyticField(distance), **settings)
    with caplog.at_level(logging.INFO, logger="hy3dgen.shapgen"):
        sparse = CoarseToFineVolumeDecoder()(LATENTS, AnalyticField(distance), **settings)
    assert sentence in caplog.text
    unknown_cells = torch.nn.functional.max_pool3d(sparse.isnan().float()[None], 2, stride=1) > 0
    assert mixed_cells(dense).any()
    assert not (mixed_cells(dense) & unknown_cells[0, 0]).any()


def test_a_part_between_coarse_points_widens_the_band(caplog):
    """A ball in the middle of a coarse cell, in a field that is not saturated around it."""
    cell = 2.02 / 16

    def two(points):
        hidden = points.new_tensor([4.5, 4.5, 4.5]) * cell - 1.01
        ball = (points - hidden).norm(dim=-1) - 0.3 * cell
        # Outside the value is the same everywhere but for the large ball, so nothing leads to it.
        return torch.where(ball < 0, -0.05, torch.clamp(sphere(points, 0.3), -0.1, 0.09))

    check_fallback(two, caplog, "more of it is refined")


def test_parts_in_a_saturated_field_lead_to_dense_decoding(caplog):
    """Balls in all cells, smaller than the grid and without a rim that would show them."""
    cell = 2.02 / 16

    def many(points):
        place = (points + 1.01) / cell
        apart = ((place - place.floor() - 0.5).norm(dim=-1) - 0.3) * cell
        return torch.where((apart < 0) | (sphere(points, 0.3) < 0), -1.0, 1.0)

    check_fallback(many, caplog, "decoded densely")


@pytest.mark.parametrize("resolution", [20, 63, 100, 127, 130])
def test_coarse_to_fine_keeps_the_resolution_asked_for(resolution):
    grid = CoarseToFineVolumeDecoder()(
        LATENTS, AnalyticField(sphere), octree_resolution=resolution, min_resolution=24
    )
    assert grid.shape == (1, *[resolution + 1] * 3)


def test_coarse_to_fine_at_another_level():
    settings = dict(octree_resolution=64, min_resolution=16, mc_level=0.4)
    grid = CoarseToFineVolumeDecoder()(LATENTS, AnalyticField(sphere), **settings)
    vertices, _ = export_to_arrays(MCSurfaceExtractor()(grid, mc_level=0.4)[0])
    # A field of 0.4 lies 0.04 below the surface.
    assert np.abs(np.linalg.norm(vertices, axis=1) - 0.567).max() < 1e-3


def test_a_batch_is_decoded_object_by_object():
    class Scaled(AnalyticField):
        def query(self, projected, points):
            radius = projected.keys[:, 0]
            return (radius - points.norm(dim=-1))[..., None]

    latents = torch.tensor([0.3, 0.7])[:, None, None]
    for decoder in (
        VanillaVolumeDecoder(), HierarchicalVolumeDecoding(), CoarseToFineVolumeDecoder()
    ):  # fmt: skip
        grids = decoder(latents, Scaled(sphere), octree_resolution=32, min_resolution=8)
        meshes = export_to_trimesh(MCSurfaceExtractor()(grids))
        for mesh, radius in zip(meshes, (0.3, 0.7), strict=True):
            assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - radius).max() < 0.01


@pytest.mark.parametrize("decoder", [VanillaVolumeDecoder(), CoarseToFineVolumeDecoder()])
def test_progress_counts_up_to_its_total_and_can_stop_the_work(decoder):
    settings = dict(octree_resolution=64, min_resolution=32, num_chunks=5000)
    seen = []
    decoder(LATENTS, AnalyticField(sphere), progress=lambda *step: seen.append(step), **settings)
    done = [step for step, _ in seen]
    assert done == sorted(done)
    assert all(step <= total for step, total in seen)
    assert seen[-1][0] == seen[-1][1]
    shares = [step / total for step, total in seen]
    assert min(after - before for before, after in pairwise(shares)) > -0.1  # hardly ever back

    def stop(done, total):
        raise Cancelled("stop")

    field = AnalyticField(sphere)
    with pytest.raises(Cancelled):
        decoder(LATENTS, field, progress=stop, **settings)
    assert field.asked <= 5000


class ShortOfMemory(AnalyticField):
    """Fails as a GPU does when asked for more than `limit` points at a time."""

    def __init__(self, distance, limit, error):
        super().__init__(distance)
        self.limit, self.error, self.failures = limit, error, 0

    def query(self, projected, points):
        if points.shape[1] > self.limit:
            self.failures += 1
            raise self.error
        return super().query(projected, points)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        MemoryError(),
    ],
)
@pytest.mark.parametrize("decoder", [VanillaVolumeDecoder(), CoarseToFineVolumeDecoder()])
def test_chunks_are_halved_until_memory_does(decoder, error, caplog):
    settings = dict(octree_resolution=40, min_resolution=20, num_chunks=2000)
    field = ShortOfMemory(sphere, 300, error)
    with caplog.at_level(logging.WARNING, logger="hy3dgen.shapgen"):
        got = decoder(LATENTS, field, **settings)
    assert torch.equal(
        got.nan_to_num(9), decoder(LATENTS, AnalyticField(sphere), **settings).nan_to_num(9)
    )
    assert field.failures == 3  # 2000, 1000, 500
    (line,) = caplog.messages
    assert "2,000 points at a time" in line
    with pytest.raises(type(error)):
        decoder(LATENTS, ShortOfMemory(sphere, 10, error), **settings)
    with pytest.raises(RuntimeError, match="something else"):
        decoder(LATENTS, ShortOfMemory(sphere, 10, RuntimeError("something else")), **settings)


@pytest.mark.parametrize("decoder", [VanillaVolumeDecoder(), CoarseToFineVolumeDecoder(4)])
def test_decoders_keep_no_gradients(decoder):
    """Scripts call them without care; a graph of all points would fill the memory."""
    vae = Case("volume_std").build()
    tokens = Case("volume_std")["in.decoded"].requires_grad_()
    grids = decoder(tokens, vae.geo_decoder, octree_resolution=16, min_resolution=8)
    values = [grid.values if isinstance(grid, SparseGrid) else grid for grid in grids]
    assert not any(value.requires_grad for value in values)
    assert len(MCSurfaceExtractor()(grids)) == 1


def test_extracted_points_lie_on_the_sphere():
    grid = VanillaVolumeDecoder()(LATENTS, AnalyticField(sphere), bounds=1.2, octree_resolution=48)
    mesh = export_to_trimesh(MCSurfaceExtractor()(grid, bounds=1.2)[0])
    assert isinstance(mesh, trimesh.Trimesh)
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.607).max() < 2e-3
    assert np.abs(mesh.bounds.sum(axis=0)).max() < 1e-3  # centred
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.607**3, rel=0.01)  # outward faces


def test_faces_of_both_exports_look_outwards_and_the_mesh_is_left_alone():
    grid = VanillaVolumeDecoder()(LATENTS, AnalyticField(sphere), octree_resolution=24)
    mesh = MCSurfaceExtractor()(grid)[0]
    before = mesh.mesh_f.copy()
    first, second = export_to_trimesh([mesh, None])[0], export_to_trimesh(mesh)
    assert first.volume > 0 and second.volume > 0
    assert np.array_equal(mesh.mesh_f, before)
    vertices, faces = export_to_arrays(mesh)
    assert vertices.dtype == np.float32 and faces.dtype == np.int32
    assert trimesh.Trimesh(vertices, faces, process=False).volume == pytest.approx(first.volume)


def test_fields_without_a_surface_are_refused():
    extract = MCSurfaceExtractor()
    with pytest.raises(SurfaceExtractionError, match=r"no surface at level 0.* from -5 to -5"):
        extract(torch.full((1, 8, 8, 8), -5.0))
    with pytest.raises(SurfaceExtractionError, match="not finite anywhere"):
        extract(torch.full((1, 8, 8, 8), torch.nan))
    apart = torch.full((1, 9, 9, 9), torch.nan)
    apart[0, 1:3, 1:3, 1:3], apart[0, 6:8, 6:8, 6:8] = 1.0, -1.0
    with pytest.raises(SurfaceExtractionError, match="no surface"):
        extract(apart)


@pytest.mark.parametrize("bounds", [-1.0, [0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0], float("nan")])
def test_wrong_bounds_are_named(bounds):
    with pytest.raises(InvalidSettingError, match="bounds"):
        VanillaVolumeDecoder()(LATENTS, AnalyticField(sphere), bounds, octree_resolution=4)


def test_dense_points_include_both_ends():
    points, shape, length = generate_dense_grid_points(np.zeros(3), np.array([1.0, 2, 4]), 4)
    assert shape == [5, 5, 5] and points.dtype == np.float32
    assert points[0, 0, 0].tolist() == [0, 0, 0] and points[-1, -1, -1].tolist() == [1, 2, 4]
    assert points[1, 2, 3].tolist() == [0.25, 1, 3]
    assert length.tolist() == [1, 2, 4]


def test_coarse_to_fine_gives_a_network_s_own_values():
    case = Case("volume_std")
    vae = case.build()
    settings = dict(octree_resolution=32, min_resolution=8, num_chunks=5000)
    with torch.inference_mode():
        dense = VanillaVolumeDecoder()(case["in.decoded"], vae.geo_decoder, **settings)
        sparse = CoarseToFineVolumeDecoder()(case["in.decoded"], vae.geo_decoder, **settings)
    known = ~sparse.isnan()
    assert torch.allclose(sparse[known], dense[known], atol=1e-4)
    # Random weights make no distance field, and yet most of its surface is found.
    assert (mixed_cells(sparse.nan_to_num(-1e9)) & mixed_cells(dense)).sum() > 1000
