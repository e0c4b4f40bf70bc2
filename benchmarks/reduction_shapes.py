# SPDX-License-Identifier: Apache-2.0
"""Meshes for the face reduction benchmark, from signed distances by marching cubes.

Real generators give such meshes; exactly flat sides are the worst case of some engines and vertex
noise hides differences, so hard surfaces come without noise, with little and with much.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from skimage.measure import marching_cubes

from hy3dgen.mesh import TriangleMesh, select_faces

Distance = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

# ---- signed distances on the grid [-1, 1]^3 ----


def organic(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """A blob with gyroid skin and a thin tail, one part."""
    body = np.sqrt(x**2 + (1.2 * y) ** 2 + z**2) - 0.6
    skin = 0.02 * (
        np.sin(14 * x) * np.cos(14 * y)
        + np.sin(14 * y) * np.cos(14 * z)
        + np.sin(14 * z) * np.cos(14 * x)
    )
    along = np.clip((x - 0.4) / 0.5, 0, 1)
    tail = np.sqrt((x - 0.4 - 0.5 * along) ** 2 + (y - 0.2 * along**2) ** 2 + z**2)
    tail -= 0.14 - 0.11 * along
    return _smooth_union(body + skin, tail, 0.08)


def hard(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """A tilted chair with thin slats, and a slotted wheel beside it: flat sides, sharp edges."""
    c, s = np.cos(0.35), np.sin(0.35)
    x, y = c * x + s * y, -s * x + c * y
    c, s = np.cos(0.2), np.sin(0.2)
    y, z = c * y + s * z, -s * y + c * z

    def box(cx, cy, cz, hx, hy, hz):
        q = (np.abs(x - cx) - hx, np.abs(y - cy) - hy, np.abs(z - cz) - hz)
        outside = np.sqrt(sum(np.maximum(part, 0) ** 2 for part in q))
        return outside + np.minimum(np.maximum(np.maximum(q[0], q[1]), q[2]), 0)

    shape = box(-0.25, 0, 0, 0.35, 0.05, 0.35)
    for side_x in (-0.55, 0.05):
        for side_z in (-0.3, 0.3):
            shape = np.minimum(shape, box(side_x, -0.3, side_z, 0.04, 0.3, 0.04))
    for slat in np.linspace(-0.3, 0.3, 6):
        shape = np.minimum(shape, box(-0.56, 0.3, slat, 0.025, 0.3, 0.025))
    shape = np.minimum(shape, box(-0.56, 0.6, 0, 0.035, 0.05, 0.35))
    radius, angle = np.hypot(x - 0.55, z), np.arctan2(z, x - 0.55)
    rim = np.maximum(radius - 0.26 - 0.03 * np.sign(np.cos(12 * angle)), np.abs(y) - 0.1)
    wheel = np.maximum(rim, 0.1 - radius)
    return np.minimum(shape, wheel)


def _smooth_union(a: np.ndarray, b: np.ndarray, reach: float) -> np.ndarray:
    h = np.clip(0.5 + 0.5 * (b - a) / reach, 0, 1)
    return b * (1 - h) + a * h - reach * h * (1 - h)


def network(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The organic blob as networks make it: hollow, with floaters around; see `extract`."""
    hollow = 0.35 - np.sqrt((x + 0.1) ** 2 + (1.2 * y) ** 2 + z**2)
    shape = np.maximum(organic(x, y, z), hollow)
    for i in range(12):
        centre = (0.85 * np.cos(2.4 * i), 0.8 * np.sin(2.4 * i), 0.8 * np.cos(1.7 * i))
        distance = np.sqrt(sum((p - c) ** 2 for p, c in zip((x, y, z), centre, strict=True)))
        shape = np.minimum(shape, distance - 0.02 - 0.003 * i)
    return shape


# name -> (signed distance, vertex noise in median edge lengths, cut open by a plane)
SHAPES = {
    "organic": (organic, 0.0, False),
    "hard": (hard, 0.0, False),
    "hard, noise 0.005": (hard, 0.005, False),
    "hard, noise 0.02": (hard, 0.02, False),
    "hard, noise 0.1": (hard, 0.1, False),
    "network": (network, 0.1, False),
    "open": (organic, 0.0, True),
}

# ---- extraction ----

BLOCK = 24  # cells along a side of what marching cubes sees at once
STEP = 4  # fine grid points between the points at which blocks are looked for


def extract(shape: str, wanted_faces: int, noisy: bool = True) -> TriangleMesh:
    """A shape of SHAPES, at the grid that comes closest to `wanted_faces` before it is cut.

    Without its noise if it is not to be `noisy`.
    """
    distance, noise, is_cut = SHAPES[shape]
    vertices, faces = _sized_surface(distance, wanted_faces)
    if noise and noisy:
        edge = np.median(np.linalg.norm(vertices[faces[:, 0]] - vertices[faces[:, 1]], axis=1))
        noise_vectors = np.random.default_rng(1).normal(0, noise * edge, vertices.shape)
        vertices = vertices + noise_vectors
    if is_cut:
        faces = faces[vertices[faces].mean(axis=1) @ (0.3, 1.0, 0.2) < 0.25]
    return select_faces(TriangleMesh(vertices, faces), np.ones(len(faces), bool))


@lru_cache(maxsize=1)
def _sized_surface(distance: Distance, wanted_faces: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces grow with the square of the grid's side, so a coarse grid tells the fine one's side."""
    side = 64
    for side_limit in (128, 4096):
        _, faces = _isosurface(distance, side)
        side = min(side_limit, round(side * np.sqrt(wanted_faces / len(faces))))
    return _isosurface(distance, side)


def _isosurface(distance: Distance, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Marching cubes on a grid of `side` points along [-1, 1], only where the surface is near."""
    step = 2 / (side - 1)
    blocks = -(-(side - 1) // BLOCK)
    coarse = -1 + step * STEP * np.arange(blocks * BLOCK // STEP + 1, dtype=np.float32)
    per_block = BLOCK // STEP
    inner = np.arange(BLOCK + 1, dtype=np.float32)
    points, faces, first = [], [], 0
    for i in range(blocks):
        slab = coarse[i * per_block : (i + 1) * per_block + 1]
        field = np.asarray(distance(*np.meshgrid(slab, coarse, coarse, indexing="ij")))
        for j in range(blocks):
            for k in range(blocks):
                y, z = (slice(b * per_block, (b + 1) * per_block + 1) for b in (j, k))
                seen = field[:, y, z]
                if seen.min() > 2 * STEP * step or seen.max() < -2 * STEP * step:
                    continue
                origin = BLOCK * np.array([i, j, k])
                axes = [-1 + step * (o + inner) for o in origin]
                part = np.asarray(distance(*np.meshgrid(*axes, indexing="ij")), np.float32)
                if part.min() > 0 or part.max() < 0:
                    continue
                corners, triangles, _, _ = marching_cubes(part, 0, gradient_direction="ascent")
                points.append(corners.astype(np.float64) + origin)
                faces.append(triangles + first)
                first += len(corners)
    return _join(np.concatenate(points), np.concatenate(faces), step)


def _join(points: np.ndarray, faces: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """One vertex for each edge of the grid, though neighbouring blocks both have it."""
    low = np.floor(points)
    axis = np.argmax(points - low, axis=1)  # the direction of the edge
    key = np.concatenate([low, axis[:, None]], axis=1).astype(np.int64)
    _, kept, number = np.unique(key, axis=0, return_index=True, return_inverse=True)
    faces = number.reshape(-1)[faces]
    a, b, c = faces.T
    return points[kept] * step - 1, faces[(a != b) & (b != c) & (c != a)]
