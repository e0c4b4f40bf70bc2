# SPDX-License-Identifier: Apache-2.0
"""Each primitive against distances known by hand or found by brute force; the operations."""

import math

import numpy as np
import pytest
import torch

from training.programs import sdf
from training.programs.batch import ProgramBatch
from training.programs.programs import normalise, primitive_boxes
from training.programs.shape import (
    MAX_PRIMITIVES,
    PRISM,
    ROW,
    SUBTRACT,
    Shape,
)

RED = (1.0, 0.0, 0.0)


def batch_of(shape: Shape) -> ProgramBatch:
    """The shape as written, without normalisation."""
    table = np.zeros((1, MAX_PRIMITIVES, ROW))
    table[0, : len(shape.rows)] = shape.rows
    programs = normalise(table, np.array([len(shape.rows)], np.int32), np.zeros(1, np.int32))
    batch = ProgramBatch.from_programs(programs)
    low, high = written_box(table, len(shape.rows))
    scale = (high - low).max() / 1.9
    centre = torch.tensor((low + high) / 2, dtype=torch.float32)
    used = (torch.arange(MAX_PRIMITIVES) < len(shape.rows))[None, :, None]
    return ProgramBatch(
        **{
            **batch.__dict__,
            "params": batch.params * scale,
            "smooth": batch.smooth * scale,
            "translations": (batch.translations * scale + centre) * used,
        }
    )


def written_box(table: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    rows = table[0, :count]
    adds = rows[:, 1] != SUBTRACT
    low, high = primitive_boxes(
        rows[:, 0].astype(int), rows[:, 3:9], rows[:, 9:18].reshape(-1, 3, 3), rows[:, 18:21]
    )
    return low[adds].min(axis=0), high[adds].max(axis=0)


def distances(shape: Shape, *points) -> list[float]:
    return sdf.evaluate(batch_of(shape), torch.tensor([points], dtype=torch.float32))[0].tolist()


def test_box_faces_edges_and_inside():
    shape = Shape()
    shape.box((1.0, 2.0, 0.6), (0.5, 0, 0), RED, round=0.0)
    found = distances(shape, (0.5, 0, 0), (1.3, 0, 0), (1.3, 1.4, 0), (0.5, 0.9, 0))
    assert found == pytest.approx([-0.3, 0.3, 0.5, -0.1], abs=1e-5)


def test_rounded_box_keeps_its_outer_size():
    shape = Shape()
    shape.box((1.0, 1.0, 1.0), (0, 0, 0), RED, round=0.1)
    corner = (math.sqrt(3) - 1) * 0.1  # how far the round corner is inside the sharp one
    found = distances(shape, (0.5, 0, 0), (0.5, 0.5, 0.5))
    assert found == pytest.approx([0.0, corner], abs=1e-5)


def test_ball_is_exact_as_a_sphere_and_on_the_axes():
    shape = Shape()
    shape.ball(0.4, (0, 0.1, 0), RED)
    found = distances(shape, (0, 0.1, 0), (0.6, 0.1, 0), (0.3, 0.5, 0))
    assert found == pytest.approx([-0.4, 0.2, 0.1], abs=1e-4)
    shape = Shape()
    shape.ball((0.2, 0.5, 0.8), (0, 0, 0), RED)
    found = distances(shape, (0.3, 0, 0), (0, 0.4, 0), (0, 0, 1.0))
    assert found == pytest.approx([0.1, -0.1, 0.2], abs=1e-4)


@pytest.mark.parametrize("end", [(0.5, 0, 0), (0, 0, -0.5), (0, -0.5, 0), (0.3, 0.4, -0.2)])
def test_limb_lies_between_its_ends(end):
    shape = Shape()
    shape.limb((0, 0, 0), end, 0.1, RED)
    middle = tuple(c / 2 for c in end)
    beyond = tuple(c * 1.5 for c in end)
    length = math.sqrt(sum(c * c for c in end))
    found = distances(shape, (0, 0, 0), middle, end, beyond)
    assert found == pytest.approx([-0.1, -0.1, -0.1, length / 2 - 0.1], abs=1e-5)


def test_rod_tapers_from_start_to_end():
    shape = Shape()
    shape.rod((0, 0, -0.5), (0, 0, 0.5), 0.4, 0.2, RED, round=0.0)
    found = distances(shape, (0, 0.4, -0.5), (0, 0.2, 0.5), (0, 0.3, 0), (0, 0, 0.7), (0, 0, -0.6))
    assert found == pytest.approx([0, 0, 0, 0.2, 0.1], abs=1e-5)


def test_ring():
    shape = Shape()
    shape.ring(0.5, 0.1, (0, 0, 0), RED, rot=(90, 0, 0))  # around z now
    found = distances(shape, (0.5, 0, 0), (0, 0.7, 0), (0, 0, 0))
    assert found == pytest.approx([-0.1, 0.1, 0.4], abs=1e-5)


@pytest.mark.parametrize(("top", "shear"), [(0.0, 0.0), (0.6, 0.0), (0.3, 0.5), (1.4, -0.4)])
def test_prism_against_brute_force(top, shear):
    shape = Shape()
    shape.prism(1.0, top, 0.8, 0.5, (0, 0, 0), RED, shear=shear, round=0.0)
    bottom_y, top_y = -0.4, 0.4
    quad = np.array(
        [
            (-0.5 - shear / 2, bottom_y),
            (0.5 - shear / 2, bottom_y),
            (top / 2 + shear / 2, top_y),
            (-top / 2 + shear / 2, top_y),
        ]
    )
    steps = np.linspace(0, 1, 2001)[:, None]
    outline = np.concatenate([quad[i] * (1 - steps) + quad[i - 3] * steps for i in range(4)])
    points = np.random.default_rng(0).uniform(-0.9, 0.9, (200, 2))
    to_outline = np.linalg.norm(points[:, None] - outline, axis=2).min(axis=1)
    edges = np.roll(quad, -1, axis=0) - quad
    offset = points[:, None] - quad
    inside = ((edges[:, 0] * offset[..., 1] - edges[:, 1] * offset[..., 0]) >= 0).all(axis=1)
    profile = np.where(inside, -to_outline, to_outline)
    wanted = np.where(profile < 0, np.maximum(profile, -0.25), profile)  # the ends are at 0.25
    found = distances(shape, *[(x, y, 0.0) for x, y in points])
    assert found == pytest.approx(wanted, abs=2e-3)


def test_panel_starts_at_its_root_and_sweeps_along_the_chord():
    shape = Shape()
    axes = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    shape.panel(0.4, 0.2, 0.8, 0.1, (0, 0, 0), *axes, RED, sweep=-0.3, round=0.0)
    assert shape.rows[0][0] == PRISM
    found = distances(
        shape, (0, 0, 0.2), (0, 0, -0.2), (0.8, 0, -0.2), (0.8, 0, -0.4), (0.4, 0.25, -0.1)
    )
    assert found == pytest.approx([0, 0, 0, 0, 0.2], abs=1e-5)


def test_cutting_leaves_a_wall_with_the_cutters_colour():
    shape = Shape()
    shape.ball(0.5, (0, 0, 0), RED)
    shape.ball(0.4, (0, 0, 0), (0.0, 1.0, 0.0), op=SUBTRACT)
    batch = batch_of(shape)
    points = torch.tensor([[[0.0, 0, 0], [0.45, 0, 0], [0.401, 0, 0], [0.499, 0, 0]]])
    found, ids = sdf.evaluate_ids(batch, points)
    assert found[0].tolist() == pytest.approx([0.4, -0.05, -0.001, -0.001], abs=1e-4)
    assert ids[0, 2:].tolist() == [1, 0]


def test_smooth_union_fills_the_crease_by_a_quarter_of_k():
    sharp, smooth = Shape(), Shape()
    for shape, k in ((sharp, 0.0), (smooth, 0.1)):
        shape.ball(0.3, (-0.2, 0, 0), RED)
        shape.ball(0.3, (0.2, 0, 0), RED, k=k)
    point = (0.0, 0.4, 0.0)
    assert distances(sharp, point)[0] - distances(smooth, point)[0] == pytest.approx(
        0.025, abs=1e-5
    )
