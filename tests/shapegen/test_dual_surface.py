# SPDX-License-Identifier: Apache-2.0
"""Dual marching cubes: closed whatever the field, in place, at the level, on even faces."""

import numpy as np
import pytest
import torch
import trimesh
from closed_meshes import assert_closed, face_areas
from test_closed_surfaces import FIELDS, closed, drawn

from hy3dgen.errors import InvalidSettingError, SurfaceExtractionError
from hy3dgen.gpu.sparse_grid import SparseGrid
from hy3dgen.shapegen.mesh_export import export_to_arrays
from hy3dgen.shapegen.models.autoencoders import DMCSurfaceExtractor, MCSurfaceExtractor
from hy3dgen.shapegen.models.autoencoders.dual_surface import extract_dual_surface
from hy3dgen.shapegen.models.autoencoders.surface_extractors import make_surface_extractor


def sparse(field):
    return SparseGrid(len(field), torch.arange(field.numel()), field.reshape(-1))


def ball(side=33, radius=0.6, centre=0.0):
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, side)] * 3, indexing="ij")
    return torch.from_numpy(radius - np.linalg.norm([x - centre, y, z], axis=0)).float()


@pytest.mark.parametrize("make", FIELDS)
@pytest.mark.parametrize("level", [0.0, 0.25])
@pytest.mark.parametrize("border", [closed, lambda field: np.asarray(field, np.float32)])
def test_every_field_gives_a_closed_surface(make, level, border):
    """Also where it is inside at its border, and the same for all forms of a grid."""
    field = torch.from_numpy(border(make()))
    before = field.clone()
    first, second = (extract_dual_surface(form, level) for form in (field, sparse(field)))
    assert_closed(*(part.numpy() for part in first))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(field, before)
    outmost = first[0].abs().max()
    assert outmost < len(field) - 1 + 0.01 and first[0].min() > -0.01


@pytest.mark.parametrize("seed", range(48))
def test_drawn_fields_give_closed_surfaces(seed):
    vertices, faces = extract_dual_surface(torch.from_numpy(drawn(seed)))
    assert_closed(vertices.numpy(), faces.numpy())


def test_two_patches_that_meet_twice_stay_two_sheets():
    """Diagonal corners of a shared face inside, joined in neither of its cells: by plain duality an
    edge would have four faces."""
    field = -torch.ones(5, 5, 6)
    for point in ((1, 1, 2), (2, 2, 2), (1, 1, 1), (2, 2, 1), (1, 2, 1), (1, 1, 3), (2, 2, 3),
                  (1, 2, 3)):  # fmt: skip
        field[point] = 1.0
    padded = -torch.ones(6, 6, 6)
    padded[:5, :5] = field
    vertices, faces = extract_dual_surface(padded)
    assert_closed(vertices.numpy(), faces.numpy())
    assert len(vertices) > 0


@pytest.mark.parametrize("level", [0.0, 0.1])
@pytest.mark.parametrize("form", [lambda field: field[None], lambda field: [sparse(field)]])
def test_vertices_lie_on_the_surface_in_the_box(level, form):
    bounds = [-1.0, -2.0, -1.0, 1.0, 2.0, 3.0]
    (mesh,) = DMCSurfaceExtractor()(form(ball()), mc_level=level, bounds=bounds)
    assert_closed(*export_to_arrays(mesh))
    places = mesh.mesh_v / [1, 2, 2] - [0, 0, 0.5]
    radii = np.linalg.norm(places, axis=1)
    assert np.abs(radii - (0.6 - level)).max() < 0.003  # a cell is 0.06 wide
    exported = trimesh.Trimesh(*export_to_arrays(mesh))
    assert exported.volume == pytest.approx(4 / 3 * np.pi * (0.6 - level) ** 3 * 4, rel=0.02)


def test_faces_are_more_even_than_those_of_marching_cubes():
    grid = ball()[None]
    shares = []
    for extract in (DMCSurfaceExtractor(), MCSurfaceExtractor()):
        areas = face_areas(*export_to_arrays(extract(grid)[0]))
        shares.append(np.percentile(areas, 5) / np.median(areas))
    assert shares[0] > 3 * shares[1]


def test_an_object_that_leaves_the_box_is_cut_off_at_its_side():
    (mesh,) = DMCSurfaceExtractor()(ball(centre=1.0)[None], bounds=1.0)
    assert_closed(*export_to_arrays(mesh))
    assert mesh.mesh_v[:, 0].max() == pytest.approx(1.0, abs=1e-3)


def test_at_unknown_points_it_is_open_as_marching_cubes_is():
    field = ball()
    field[:, :, 20:] = torch.nan
    (mesh,) = DMCSurfaceExtractor()(field[None], bounds=1.0)
    exported = trimesh.Trimesh(*export_to_arrays(mesh))
    assert not exported.is_watertight and np.isfinite(mesh.mesh_v).all()
    assert mesh.mesh_v[:, 2].max() < 20 / 16 - 1


def test_compatibility_centres_the_mesh_in_units_of_the_box():
    (mesh,) = DMCSurfaceExtractor(compatibility=True)(
        ball(centre=0.2)[None], mc_level=0.3, bounds=7.0, octree_resolution=32
    )
    low, high = mesh.mesh_v.min(axis=0), mesh.mesh_v.max(axis=0)
    assert np.allclose(low + high, 0, atol=1e-6)
    assert np.allclose(high - low, 0.6, atol=0.01)  # of a side of 2, level 0


def test_it_can_be_reduced():
    for form in (ball()[None], [sparse(ball())]):
        (mesh,) = DMCSurfaceExtractor()(form, face_count=200)
        assert len(mesh.mesh_f) <= 200
        assert_closed(*export_to_arrays(mesh))


def test_no_surface_and_unknown_names_are_told():
    with pytest.raises(SurfaceExtractionError, match=r"no surface at level 0.* from -5 to -5"):
        DMCSurfaceExtractor()(torch.full((1, 8, 8, 8), -5.0))
    with pytest.raises(SurfaceExtractionError, match="not finite anywhere"):
        DMCSurfaceExtractor()(torch.full((1, 8, 8, 8), torch.nan))
    with pytest.raises(InvalidSettingError, match="mc_algo is 'flexi'; choose from mc, dmc"):
        make_surface_extractor("flexi")
