# SPDX-License-Identifier: Apache-2.0
"""Meshes with everything that can be lost: UV maps with seams, colours, normals, materials, marks.

Vertices are shared, so the surfaces are closed; what jumps at seams is given by corner.
"""

import numpy as np

from hy3dgen.mesh import Attribute, TriangleMesh


def bumpy_sphere(rings: int) -> TriangleMesh:
    """A closed ball with bumps: about 4 rings^2 faces, rings between the poles."""
    around = 2 * rings
    theta = np.linspace(0, np.pi, rings + 1)[1:-1]
    phi = np.arange(around) * (2 * np.pi / around)
    theta, phi = np.meshgrid(theta, phi, indexing="ij")
    radius = 1 + 0.06 * np.sin(6 * theta) * np.cos(5 * phi) + 0.02 * np.sin(17 * theta + 9 * phi)
    x, y = radius * np.sin(theta) * np.cos(phi), radius * np.sin(theta) * np.sin(phi)
    grid = np.stack([x, radius * np.cos(theta), y], -1).reshape(-1, 3)
    vertices = np.concatenate([grid, [[0, 1, 0], [0, -1, 0]]])
    index = np.arange(len(grid)).reshape(rings - 1, around)
    a, b = index[:-1], np.roll(index[:-1], -1, axis=1)
    c, d = index[1:], np.roll(index[1:], -1, axis=1)
    top, bottom = np.full(around, len(grid)), np.full(around, len(grid) + 1)
    return TriangleMesh(
        vertices,
        np.concatenate(
            [
                np.stack([a, b, c], -1).reshape(-1, 3),
                np.stack([b, d, c], -1).reshape(-1, 3),
                np.stack([top, np.roll(index[0], -1), index[0]], -1),
                np.stack([bottom, index[-1], np.roll(index[-1], -1)], -1),
            ]
        ),
    )


def globe_uv(mesh: TriangleMesh) -> np.ndarray:
    """(3F, 2) longitude and latitude in [0, 1], cut where the map's two sides meet."""
    x, y, z = (mesh.vertices[mesh.faces][..., i].astype(np.float64) for i in range(3))
    u = np.arctan2(z, x) / (2 * np.pi) % 1.0
    at_pole = np.hypot(x, z) < 1e-6
    other = np.where(at_pole, np.nan, u)
    wraps = np.nanmax(other, axis=1) - np.nanmin(other, axis=1) > 0.5
    u = np.where(wraps[:, None] & (u < 0.5), u + 1, u)
    middle = np.nanmean(np.where(at_pole, np.nan, u), axis=1)
    u = np.where(at_pole, middle[:, None], u)
    v = np.arccos(np.clip(y / np.sqrt(x**2 + y**2 + z**2), -1, 1)) / np.pi
    return np.stack([u, v], -1).reshape(-1, 2).astype(np.float32)


def cut_into_charts(mesh: TriangleMesh, count: int, seed: int = 0) -> np.ndarray:
    """(F,) the chart of each face: those nearest to one of `count` faces taken at random."""
    middles = mesh.vertices[mesh.faces].mean(axis=1)
    seeds = middles[np.random.default_rng(seed).choice(len(middles), count, replace=False)]
    charts = np.empty(len(middles), np.int32)
    for begin in range(0, len(middles), 4096):
        part = middles[begin : begin + 4096]
        charts[begin : begin + 4096] = ((part[:, None] - seeds) ** 2).sum(axis=2).argmin(axis=1)
    return charts


def atlas_uv(mesh: TriangleMesh, charts: np.ndarray) -> np.ndarray:
    """(3F, 2) every chart laid flat along its mean normal, in a square of its own of the map."""
    count = int(charts.max()) + 1
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    mean = np.stack([np.bincount(charts, normals[:, i], count) for i in range(3)], axis=1)
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    aside = np.where(np.abs(mean[:, :1]) < 0.7, [[1.0, 0, 0]], [[0, 1.0, 0]])
    first = np.cross(mean, aside)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(mean, first)
    flat = np.stack(
        [np.einsum("fij,fj->fi", corners, axis[charts]) for axis in (first, second)], axis=-1
    )
    low = np.full((count, 2), np.inf)
    high = -low
    np.minimum.at(low, np.repeat(charts, 3), flat.reshape(-1, 2))
    np.maximum.at(high, np.repeat(charts, 3), flat.reshape(-1, 2))
    side = int(np.ceil(np.sqrt(count)))
    inside = (flat - low[charts][:, None]) / (high - low).max(axis=1)[charts][:, None, None]
    square = np.stack([charts % side, charts // side], axis=-1)
    return ((square[:, None] + 0.05 + 0.9 * inside) / side).reshape(-1, 2).astype(np.float32)


def painted(points: np.ndarray) -> np.ndarray:
    """(N, 3) colours in [0, 1] of places: stripes, clouds and spots of several sizes."""
    x, y, z = np.moveaxis(points.astype(np.float64), -1, 0)
    clouds = np.sin(3 * x + np.sin(4 * y)) * np.cos(3 * z + np.sin(3 * x))
    stripes = np.sin(14 * (y + 0.3 * np.sin(3 * x) + 0.2 * z))
    spots = np.sin(11 * x) * np.sin(11 * y + 1) * np.sin(11 * z + 2)
    colours = [
        0.5 + 0.25 * clouds + 0.2 * stripes,
        0.45 + 0.25 * np.cos(2 * clouds) + 0.25 * spots,
        0.5 - 0.3 * clouds * stripes + 0.2 * spots,
    ]
    return np.clip(np.stack(colours, axis=-1), 0, 1)


def baked(mesh: TriangleMesh, uv: np.ndarray, size: int) -> np.ndarray:
    """(size, size, 3) float32 texture of `painted` under the UVs, row 0 at v = 0, with margins.

    Longitudes beyond 1 go on at 0.
    """
    from benchmarks.textured_render import pixels_in_triangles

    corners = uv.reshape(-1, 3, 2).astype(np.float64) * size - 0.5
    texture = np.zeros((size, size, 3), np.float32)
    filled = np.zeros((size, size), bool)
    face, x, y, weights = pixels_in_triangles(corners, 2 * size, size, slack=0.02)
    places = np.einsum("ni,nij->nj", weights, mesh.vertices[mesh.faces[face]])
    texture[y, x % size] = painted(places)
    filled[y, x % size] = True
    for _ in range(4):  # texels beside the charts, for bilinear lookups
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            source, there = np.roll(texture, step, axis), np.roll(filled, step, axis)
            new = there & ~filled
            texture[new] = source[new]
            filled |= new
    return texture


def smooth_normals(mesh: TriangleMesh) -> Attribute:
    normals = mesh.vertex_normals[mesh.faces].reshape(-1, 3).astype(np.float32)
    return Attribute("normal", "corner", normals, unit_length=True)
