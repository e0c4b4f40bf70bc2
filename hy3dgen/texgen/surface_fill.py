# SPDX-License-Identifier: Apache-2.0
"""Colours for the whole surface from those of a part of it: along the mesh, ring by ring.

The networks' pipeline fills in `inpaint.py`, whose numbers are recorded; its result depends on the
order of the faces, and it stops at seams. Here colour passes over seams, comes from the nearest
paint whatever the order, reaches separate parts, and faces are painted inside too.
"""

import time
from collections.abc import Callable

import numpy as np

from ..mesh import TriangleMesh
from ..mesh.native import loader as kernel
from ..mesh.nearest import NearestFaces
from ..mesh.row_keys import row_keys
from . import inpaint
from .rasterizer import interpolate
from .render import PreparedMesh, uv_raster

Progress = Callable[[float], object]

SECONDS = 30.0  # for what is done vertex by vertex
_SMOOTHINGS = 12  # twice as many sweeps, so that no streaks stay


class _OutOfTime(Exception):
    """The fill has had its time; what is done by then is kept."""


def fill(
    mesh: PreparedMesh,
    texture: np.ndarray,
    painted: np.ndarray,
    progress: Progress | None = None,
    seconds: float = SECONDS,
) -> np.ndarray:
    """(H, W, 3) uint8: the texture with colours spread over the surface, then over the gaps.

    Parameters
    ----------
    texture : (H, W, 3) float32 in 0..1
    painted : (H, W) bool; without any the result is grey
    """
    report = progress or (lambda fraction: None)
    # Vertices at one place are one, so that colour passes over seams of the mesh itself too.
    keys = row_keys(mesh.positions.astype(np.float64))
    _, first = np.unique(keys, return_index=True)
    positions, faces = mesh.positions[first], keys[mesh.faces].astype(np.int32)
    known, colours = _colours_of_corners(mesh, faces, texture, painted, len(positions))
    report(0.1)
    _spread(positions, faces, known, colours, report, seconds)
    report(0.6)
    numbers, weights = uv_raster(mesh, len(texture))
    spread = interpolate(colours, numbers, weights, faces)
    on_mesh = numbers > 0
    texture = np.where((painted & on_mesh)[..., None], texture, spread)
    report(0.8)
    pixels = np.rint(np.clip(texture, 0, 1) * 255).astype(np.uint8)
    return inpaint.fill_smoothly(pixels, on_mesh)


def _colours_of_corners(mesh, faces, texture, painted, count) -> tuple[np.ndarray, np.ndarray]:
    """Which vertices are painted, (V,) bool, and the mean of their corners' texels, (V, 3)."""
    rows, columns = inpaint.nearest_texels(mesh.caller_uvs, painted.shape)
    corners = mesh.uv_faces.ravel()
    rows, columns = rows[corners], columns[corners]
    found = painted[rows, columns]
    vertices, values = faces.ravel()[found], texture[rows[found], columns[found]]
    sums = [np.bincount(vertices, values[:, i], count) for i in range(3)]
    number = np.bincount(vertices, minlength=count)
    means = np.stack(sums, axis=1) / np.maximum(number, 1)[:, None]
    return number > 0, means.astype(np.float32)


def _spread(positions, faces, known, colours, report, seconds) -> None:
    """Give every vertex a colour, in place: its neighbours', or for parts apart the closest."""
    if not known.any():
        colours[:] = 0.5
        return
    end = time.monotonic() + seconds

    def watch(_fraction: float = 0.0) -> None:
        report(0.1)
        if time.monotonic() > end:
            raise _OutOfTime

    reached = known.astype(np.uint8)
    mean = colours[known].mean(axis=0)
    try:
        both_ways = np.ascontiguousarray(np.concatenate([faces, faces[:, ::-1]]))
        waiting = _ring_by_ring(both_ways, known, watch)
        native = kernel.native_available()
        colour = kernel.fill_vertices if native else inpaint.fill_vertices_plainly
        for _ in range(_SMOOTHINGS):
            colour(positions, both_ways, waiting, reached, colours, watch)
        _reach_parts_apart(positions, known, reached, colours, watch)
    except _OutOfTime:
        pass
    colours[reached == 0] = mean


def _ring_by_ring(faces: np.ndarray, known: np.ndarray, watch: Progress) -> np.ndarray:
    """(N,) int32 the vertices that can be reached from known ones, nearest first."""
    tails, heads = faces.ravel(), faces[:, (1, 2, 0)].ravel()
    heads = heads[np.argsort(tails, kind="stable")]
    ends = np.cumsum(np.bincount(tails, minlength=len(known)))
    starts = np.concatenate([[0], ends[:-1]])
    seen = known.copy()
    ring, rings = np.flatnonzero(known), [np.zeros(0, np.int64)]
    while len(ring):
        watch(0.0)
        counts = ends[ring] - starts[ring]
        skipped = np.repeat(starts[ring] - (np.cumsum(counts) - counts), counts)
        others = np.unique(heads[skipped + np.arange(len(skipped))])
        ring = others[~seen[others]]
        seen[ring] = True
        rings.append(ring)
    return np.concatenate(rings).astype(np.int32)


def _reach_parts_apart(positions, known, reached, colours, watch) -> None:
    """Vertices without a way to paint along edges take the colour of the closest painted vertex."""
    left = np.flatnonzero(reached == 0)
    if not len(left):
        return
    sources = np.flatnonzero(known)
    points = np.repeat(np.arange(len(sources), dtype=np.int32)[:, None], 3, axis=1)
    closest, _ = NearestFaces(TriangleMesh(positions[sources], points)).query(
        positions[left], progress=watch
    )
    colours[left] = colours[sources[closest]]
    reached[left] = 1
