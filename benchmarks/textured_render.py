# SPDX-License-Identifier: Apache-2.0
"""A small rasteriser in numpy, for comparing how two meshes look."""

import numpy as np

from hy3dgen.mesh import TriangleMesh


def pixels_in_triangles(
    corners: np.ndarray, width: int, height: int, slack: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Triangle, column, row and weights (N, 3) of every pixel centre in (T, 3, 2) triangles.

    `slack` grows the triangles by that part of their weights.
    """
    low = np.maximum(np.ceil(corners.min(axis=1)), 0).astype(np.int64)
    high = np.minimum(np.floor(corners.max(axis=1)), [width - 1, height - 1]).astype(np.int64)
    size = np.maximum(high - low + 1, 0)
    counts = size.prod(axis=1)
    found: list[tuple[np.ndarray, ...]] = []
    bounds = np.cumsum(counts)
    for begin in range(0, int(bounds[-1]) if len(bounds) else 0, 1 << 22):
        number = np.arange(begin, min(begin + (1 << 22), int(bounds[-1])))
        triangle = np.searchsorted(bounds, number, side="right")
        within = number - (bounds[triangle] - counts[triangle])
        x = low[triangle, 0] + within % size[triangle, 0]
        y = low[triangle, 1] + within // size[triangle, 0]
        a, b, c = (corners[triangle, i] for i in range(3))
        at = np.stack([x, y], axis=1)
        area = _cross(b - a, c - a)
        with np.errstate(divide="ignore", invalid="ignore"):
            second, third = _cross(at - a, c - a) / area, _cross(b - a, at - a) / area
        weights = np.stack([1 - second - third, second, third], axis=1)
        inside = (weights >= -slack).all(axis=1)
        found.append((triangle[inside], x[inside], y[inside], weights[inside]))
    if not found:
        return (np.zeros(0, np.int64),) * 3 + (np.zeros((0, 3)),)
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def render(
    mesh: TriangleMesh,
    colour: object,
    turn: float = 0.0,
    size: int = 384,
    normals: np.ndarray | None = None,
) -> np.ndarray:
    """(size, size, 3) picture in [0, 1], seen along z after turning about y.

    Parameters
    ----------
    colour : callable(face (N,), weights (N, 3)) -> (N, 3)
    turn : radians
    normals : (3F, 3) by corner, for the light; None: no light
    """
    c, s = np.cos(turn), np.sin(turn)
    turned = mesh.vertices.astype(np.float64) @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    corners = turned[mesh.faces]
    screen = (corners[..., :2] * [0.42, -0.42] + 0.5) * size
    face, x, y, weights = pixels_in_triangles(screen, size, size)
    depth = np.einsum("ni,ni->n", weights, corners[face, :, 2])
    nearest = np.lexsort([-depth, y * size + x])
    pixel = (y * size + x)[nearest]
    first = nearest[np.diff(pixel, prepend=-1) > 0]
    face, x, y, weights = face[first], x[first], y[first], weights[first]
    shown = colour(face, weights)
    if normals is not None:
        direction = np.einsum("ni,nij->nj", weights, normals.reshape(-1, 3, 3)[face])
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
        light = np.array([0.4, 0.6, 0.7]) / np.linalg.norm([0.4, 0.6, 0.7])
        light = light @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        shown = shown * (0.3 + 0.7 * np.maximum(direction @ light, 0))[:, None]
    picture = np.ones((size, size, 3), np.float32)
    picture[y, x] = shown
    return picture


def textured(texture: np.ndarray, uv: np.ndarray) -> object:
    """A colour for `render`: (S, S, 3) looked up at (3F, 2) UVs, bilinear, repeating."""
    size = len(texture)
    corners = uv.reshape(-1, 3, 2).astype(np.float64)

    def colour(face: np.ndarray, weights: np.ndarray) -> np.ndarray:
        at = np.einsum("ni,nij->nj", weights, corners[face]) * size - 0.5
        low = np.floor(at).astype(np.int64)
        part = at - low
        x, y = low[:, 0] % size, low[:, 1] % size
        right, below = (x + 1) % size, (y + 1) % size
        upper = texture[y, x] * (1 - part[:, :1]) + texture[y, right] * part[:, :1]
        lower = texture[below, x] * (1 - part[:, :1]) + texture[below, right] * part[:, :1]
        return upper * (1 - part[:, 1:]) + lower * part[:, 1:]

    return colour


def by_corner(values: np.ndarray) -> object:
    """A colour for `render` from (3F, 3) values."""
    corners = values.reshape(-1, 3, values.shape[-1]).astype(np.float64)
    return lambda face, weights: np.einsum("ni,nij->nj", weights, corners[face])


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Peak signal to noise ratio in dB, over all pixels that either picture shows something at."""
    shown = (first < 1).any(axis=2) | (second < 1).any(axis=2)
    error = float(np.mean((first[shown] - second[shown]) ** 2))
    return float("inf") if error == 0 else -10 * np.log10(error)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
