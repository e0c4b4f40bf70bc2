# SPDX-License-Identifier: Apache-2.0
"""What every family promises: determinism, the box, one solid part, no thin parts, distances."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from skimage.measure import label

from training.programs import sdf
from training.programs.batch import ProgramBatch
from training.programs.programs import FAMILIES, LONGEST, Programs, make_program, make_programs
from training.programs.shape import (
    BOX,
    CAPSULE,
    ELLIPSOID,
    FRUSTUM,
    MAX_PRIMITIVES,
    PRISM,
    SUBTRACT,
    TORUS,
)


def equal(one: Programs, two: Programs) -> bool:
    return all(
        np.array_equal(getattr(one, field.name), getattr(two, field.name))
        for field in fields(Programs)
    )


def test_a_program_depends_on_seed_and_index_alone():
    together = make_programs(3, range(40))
    assert equal(together, make_programs(3, range(40)))
    alone = make_program(3, 17)
    for field in fields(Programs):
        assert np.array_equal(getattr(alone, field.name), getattr(together, field.name)[17])
    assert not np.array_equal(together.params, make_programs(4, range(40)).params)


@pytest.mark.slow
def test_processes_change_nothing():
    assert equal(make_programs(3, range(64)), make_programs(3, range(64), processes=2))


def test_all_families_are_drawn_about_equally():
    counts = np.bincount(make_programs(8, range(1800)).family, minlength=len(FAMILIES))
    assert len(FAMILIES) >= 14
    assert counts.min() > 60
    assert counts.max() < 150


def test_rows_are_within_bounds():
    programs = make_programs(9, range(500))
    assert programs.counts.max() <= MAX_PRIMITIVES
    used = np.arange(MAX_PRIMITIVES) < programs.counts[:, None]
    rotations = programs.rotations[used]
    identity = rotations @ rotations.transpose(0, 2, 1)
    assert np.abs(identity - np.eye(3)).max() < 1e-5
    assert np.linalg.det(rotations).min() > 0.999
    assert programs.colours.min() >= 0
    assert programs.colours.max() <= 1
    assert np.allclose(2 * programs.extents.max(axis=1), LONGEST, atol=1e-5)


def test_no_part_is_thinner_than_promised():
    programs = make_programs(11, range(1500))
    used = np.arange(MAX_PRIMITIVES) < programs.counts[:, None]
    adds = used & (programs.ops != SUBTRACT)
    kinds, names = programs.types[adds], np.array(FAMILIES)[programs.family]
    p = programs.params[adds].T
    wide = np.maximum(p[0], p[1])
    thickness = 2 * np.select(
        [kinds == kind for kind in (BOX, ELLIPSOID, CAPSULE, FRUSTUM, TORUS, PRISM)],
        [
            p[:3].min(axis=0) + p[3],
            p[:3].min(axis=0),
            p[0],
            np.minimum(wide, p[2]) + p[3],
            p[1],
            np.minimum(np.minimum(wide, p[2]), p[3]) + p[5],
        ],
    )
    owner = np.repeat(names, adds.sum(axis=1))
    thin = {name: thickness[owner == name].min() for name in FAMILIES}
    assert min(thin.values()) >= 0.065, thin


@pytest.mark.parametrize("family", FAMILIES)
def test_box_connection_and_distances(family):
    batch = ProgramBatch.make(13, [5, 6], [family, family])
    # On each side of its box the surface is met, and not crossed.
    for b in range(2):
        e = batch.extents[b]
        face = torch.linspace(-1, 1, 41)
        for axis in range(3):
            for side in (-1, 1):
                u, v = torch.meshgrid(face, face, indexing="ij")
                plane = torch.stack([u, v], dim=-1).reshape(-1, 2)
                points = torch.empty(len(plane), 3)
                others = [a for a in range(3) if a != axis]
                points[:, others] = plane * e[others]
                points[:, axis] = side * e[axis]
                nearest = float(sdf.evaluate(batch[b], points[None]).min())
                assert -0.01 < nearest < 0.02, f"{family} {b}: axis {axis} side {side}: {nearest}"
    # One solid part, nothing inside the margin of the grid.
    field = sdf.grid(batch, 48)
    for b in range(2):
        solid = (field[b] < 0).numpy()
        assert 0.01 < solid.mean() < 0.6
        pieces = label(solid, connectivity=2)
        largest = np.bincount(pieces.ravel())[1:].max()
        assert largest > 0.995 * solid.sum(), f"{family} {b} is in pieces"
        assert not solid[[0, -1]].any()
    # Outside and near, where rays march and networks learn, distances do not outrun the way gone;
    # the first-order distances of flat ellipsoids may by a little.
    for axis in (1, 2, 3):
        length = field.shape[axis] - 1
        one, two = field.narrow(axis, 0, length), field.narrow(axis, 1, length)
        near = (torch.minimum(one, two) > 0) & (torch.maximum(one, two) < 0.15)
        assert float((one - two).abs()[near].max()) < 1.35 * 2.02 / 47


def test_save_and_load(tmp_path):
    batch = ProgramBatch.make(1, range(5))
    batch.save(tmp_path / "programs.npz")
    again = ProgramBatch.load(tmp_path / "programs.npz")
    for field in fields(ProgramBatch):
        assert torch.equal(getattr(batch, field.name), getattr(again, field.name))
    assert torch.equal(again[[3, 3]].params[1], batch.params[3])
    assert len(again[1:4]) == 3
