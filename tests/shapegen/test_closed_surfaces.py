# SPDX-License-Identifier: Apache-2.0
"""Extracted surfaces are closed, manifold and without degenerate faces, whatever the field."""

import numpy as np
import pytest
import torch

from hy3dgen.shapegen.mesh_export import export_to_arrays
from hy3dgen.shapegen.models.autoencoders import MCSurfaceExtractor

SIDE = 25


def axes():
    return np.meshgrid(*[np.linspace(-1, 1, SIDE)] * 3, indexing="ij")


def box():
    """A box whose sides lie exactly on grid points, so the field is zero there."""
    return 0.5 - np.abs(axes()).max(axis=0)


def touching_boxes():
    """Two boxes that share one edge of grid points."""
    x, y, z = axes()
    quarter = np.minimum(np.minimum(0.5 - np.abs(x - 0.25) * 2, 0.5 - np.abs(y - 0.25) * 2), 0.5)
    other = np.minimum(0.5 - np.abs(x + 0.25) * 2, 0.5 - np.abs(y + 0.25) * 2)
    return np.minimum(np.maximum(quarter, other), 0.5 - np.abs(z))


def nested_shells():
    distance = np.linalg.norm(axes(), axis=0)
    return 4 * (0.08 - np.abs(np.abs(distance - 0.5) - 0.2))


def two_values():
    """Only inside and outside, at random: every kind of cell, and every tie."""
    return np.random.default_rng(1).choice([-1.0, 1.0], (SIDE,) * 3)


def few_values():
    return np.random.default_rng(2).integers(-2, 3, (SIDE,) * 3) / 2


def noise():
    return np.random.default_rng(3).standard_normal((SIDE,) * 3)


def plane_of_zeros():
    field = -np.ones((SIDE,) * 3)
    field[5:15, 5:15, 5:10] = 1
    field[5:15, 5:15, 10] = 0
    return field


def face_areas(vertices, faces):
    first, second, third = np.moveaxis(vertices[faces].astype(np.float64), 1, 0)
    return np.linalg.norm(np.cross(second - first, third - first), axis=1) / 2


FIELDS = [box, touching_boxes, nested_shells, two_values, few_values, noise, plane_of_zeros]


@pytest.mark.parametrize("make", FIELDS)
@pytest.mark.parametrize("level", [0.0, 0.25])
def test_a_field_that_is_outside_at_its_border_gives_a_closed_surface(make, level):
    field = torch.from_numpy(make()).float()
    for axis in range(3):
        field.narrow(axis, 0, 1).fill_(-1)
        field.narrow(axis, SIDE - 1, 1).fill_(-1)
    before = field.clone()
    mesh = MCSurfaceExtractor()(field[None], mc_level=level)[0]
    assert torch.equal(field, before)
    vertices, faces = export_to_arrays(mesh)

    start, end = faces.astype(np.int64), np.roll(faces, -1, axis=1)
    forward = np.sort((start << 32 | end).reshape(-1))
    backward = np.sort((end.astype(np.int64) << 32 | start).reshape(-1))
    assert (np.diff(forward) > 0).all()  # no edge twice in one direction
    assert np.array_equal(forward, backward)  # and every edge once in each
    corners = vertices[faces].astype(np.float64)
    assert face_areas(vertices, faces).min() > 0
    assert len(np.unique(vertices, axis=0)) == len(vertices)
    volume = (np.cross(corners[:, 0], corners[:, 1]) * corners[:, 2]).sum() / 6
    assert volume > 0


def test_the_original_makes_faces_without_area_where_values_equal_the_level():
    field = torch.from_numpy(few_values()).float()[None]
    original = export_to_arrays(MCSurfaceExtractor(compatibility=True)(field)[0])
    assert face_areas(*original).min() == 0
    assert face_areas(*export_to_arrays(MCSurfaceExtractor()(field)[0])).min() > 0


def test_a_surface_on_grid_points_stays_in_place():
    field = torch.from_numpy(box()).float()[None]
    vertices, _ = export_to_arrays(MCSurfaceExtractor()(field)[0])
    assert np.abs(np.abs(vertices).max(axis=0) - 0.5 * 1.01).max() < 2e-4
