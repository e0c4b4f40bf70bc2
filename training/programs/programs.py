# SPDX-License-Identifier: Apache-2.0
"""From (seed, index) to normalised programs as numpy arrays. Knows nothing about torch.

A row of a family's `Shape` becomes one entry of each array; then the whole batch is scaled and
moved so that the box around every surface is centred at the origin with longest side `LONGEST`.
"""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields

import numpy as np

from .draw import Draw
from .families import WRITERS
from .shape import (
    BOX,
    CAPSULE,
    ELLIPSOID,
    FRUSTUM,
    MAX_PRIMITIVES,
    PRISM,
    ROW,
    SUBTRACT,
    TORUS,
    Shape,
)

FAMILIES: tuple[str, ...] = tuple(WRITERS)
LONGEST = 1.9


@dataclass(frozen=True)
class Programs:
    """Several programs as arrays with a leading axis B; P = MAX_PRIMITIVES, unused rows are zero.

    `extents` are the half sizes of the surface's box, which is centred at the origin.
    """

    types: np.ndarray  # (B, P) int32
    ops: np.ndarray  # (B, P) int32
    params: np.ndarray  # (B, P, 6) float32
    rotations: np.ndarray  # (B, P, 3, 3) float32, primitive's frame -> shape's frame
    translations: np.ndarray  # (B, P, 3) float32
    smooth: np.ndarray  # (B, P) float32
    colours: np.ndarray  # (B, P, 3) float32, sRGB in [0, 1]
    counts: np.ndarray  # (B,) int32
    family: np.ndarray  # (B,) int32
    extents: np.ndarray  # (B, 3) float32

    def __len__(self) -> int:
        return len(self.counts)

    @staticmethod
    def concatenate(parts: Sequence["Programs"]) -> "Programs":
        names = [field.name for field in fields(Programs)]
        return Programs(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))


@dataclass(frozen=True)
class Program(Programs):
    """One program: the arrays of `Programs` without the leading axis."""

    @property
    def name(self) -> str:
        return FAMILIES[int(self.family)]


def make_program(seed: int, index: int, family: str | None = None) -> Program:
    """The program that (seed, index) names, always the same; the family is drawn unless given."""
    many = make_programs(seed, [index], None if family is None else [family])
    return Program(*(getattr(many, field.name)[0] for field in fields(Programs)))


def make_programs(
    seed: int, indices: Sequence[int], families: Sequence[str] | None = None, processes: int = 1
) -> Programs:
    """Programs of (seed, index) for every index; `families` has one name per index if given."""
    indices = [int(index) for index in indices]
    names = list(families) if families is not None else [None] * len(indices)
    if processes <= 1 or len(indices) < 2 * processes:
        return _make(seed, indices, names)
    pieces = np.array_split(np.arange(len(indices)), processes * 4)
    # Spawned, because a fork of a process that has started CUDA or OpenMP threads may hang.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        jobs = [
            pool.submit(_make, seed, [indices[i] for i in piece], [names[i] for i in piece])
            for piece in pieces
        ]
        return Programs.concatenate([job.result() for job in jobs])


def _make(seed: int, indices: list[int], names: list[str | None]) -> Programs:
    count = len(indices)
    table = np.zeros((count, MAX_PRIMITIVES, ROW))
    counts, family = np.zeros(count, np.int32), np.zeros(count, np.int32)
    for b, (index, name) in enumerate(zip(indices, names, strict=True)):
        draw = Draw(np.random.Generator(np.random.PCG64([seed, index])))
        drawn = draw.pick(FAMILIES)  # drawn also when given, so that the rest does not change
        name = name or drawn
        shape = Shape()
        WRITERS[name](draw, shape)
        rows = shape.rows
        assert 0 < len(rows) <= MAX_PRIMITIVES, f"{name} wrote {len(rows)} primitives"
        table[b, : len(rows)] = rows
        counts[b], family[b] = len(rows), FAMILIES.index(name)
    return normalise(table, counts, family)


def normalise(table: np.ndarray, counts: np.ndarray, family: np.ndarray) -> Programs:
    """Centre every shape's box and scale its longest side to `LONGEST`.

    The box is that of the primitives that add; cutters are taken not to shorten it, and a smooth
    union not to swell it, which `tests/training/test_families.py` checks against sampled surfaces.
    """
    kinds, ops = table[..., 0].astype(np.int32), table[..., 1].astype(np.int32)
    smooth, params = table[..., 2], table[..., 3:9]
    rotations = table[..., 9:18].reshape(*table.shape[:2], 3, 3)
    translations, colours = table[..., 18:21], table[..., 21:24]
    exists = np.arange(MAX_PRIMITIVES) < counts[:, None]
    low, high = primitive_boxes(kinds, params, rotations, translations)
    adds = (exists & (ops != SUBTRACT))[..., None]
    low = np.where(adds, low, np.inf).min(axis=1)
    high = np.where(adds, high, -np.inf).max(axis=1)
    centre, size = (low + high) / 2, high - low
    scale = LONGEST / size.max(axis=1)
    moved = (translations - centre[:, None]) * scale[:, None, None] * exists[..., None]
    return Programs(
        types=kinds,
        ops=ops,
        params=(params * scale[:, None, None]).astype(np.float32),
        rotations=rotations.astype(np.float32),
        translations=moved.astype(np.float32),
        smooth=(smooth * scale[:, None]).astype(np.float32),
        colours=colours.astype(np.float32),
        counts=counts,
        family=family,
        extents=(size * scale[:, None] / 2).astype(np.float32),
    )


def primitive_boxes(
    kinds: np.ndarray, params: np.ndarray, rotations: np.ndarray, translations: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Exact axis-aligned boxes of primitives: (low, high), each (..., 3)."""
    p = [params[..., i, None] for i in range(6)]
    axis = rotations[..., 1]  # the primitive's own y in the shape's frame
    across = np.sqrt(np.maximum(1 - axis**2, 0))  # of a unit disc square to the axis
    box = np.einsum("...ij,...j->...i", np.abs(rotations), params[..., :3]) + p[3]
    ellipsoid = np.sqrt(np.einsum("...ij,...j->...i", rotations**2, params[..., :3] ** 2))
    capsule = np.abs(axis) * p[1] + p[0]
    torus = across * p[0] + p[1]
    kind = kinds[..., None]
    reach = np.select([kind == k for k in (BOX, ELLIPSOID, CAPSULE, TORUS)],
                      [box, ellipsoid, capsule, torus], 0.0)  # fmt: skip
    low, high = -reach, reach

    ends = axis * p[2]
    frustum_low = np.minimum(-ends - across * p[0], ends - across * p[1]) - p[3]
    frustum_high = np.maximum(-ends + across * p[0], ends + across * p[1]) + p[3]

    # Each entry: signs of (bottom width, top width, shear) and of the height.
    x, y, z = (rotations[..., i] for i in range(3))
    corners = np.stack(
        [side * p[half] * x + up * (p[2] * y + p[4] * x)
         for half, up in ((0, -1), (1, 1)) for side in (-1, 1)]
    )  # fmt: skip
    depth = np.abs(z) * p[3] + p[5]
    prism_low, prism_high = corners.min(axis=0) - depth, corners.max(axis=0) + depth

    low = np.where(kind == FRUSTUM, frustum_low, np.where(kind == PRISM, prism_low, low))
    high = np.where(kind == FRUSTUM, frustum_high, np.where(kind == PRISM, prism_high, high))
    return low + translations, high + translations
