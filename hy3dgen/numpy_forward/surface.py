# SPDX-License-Identifier: Apache-2.0
"""Marching cubes: the surface where a grid of values crosses zero, as a triangle mesh.

Every edge of the mesh has exactly two faces unless the surface leaves the grid or meets unknown
points, where it ends. See `case_table` for why.
"""

import numpy as np

from ..errors import SurfaceExtractionError
from .case_table import EDGES, case_table

# Vertices keep this share of a cell away from its corners, so that no triangle has no area where
# the field is exactly zero on a grid point.
_MARGIN = np.float32(1e-3)


def extract_surface(grid: np.ndarray, bound: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices `(V, 3) float32` in [-bound, bound]^3 and faces `(F, 3) int32`, facing outwards.

    Parameters
    ----------
    grid : (X, Y, Z) float32, positive inside, NaN where unknown

    Raises
    ------
    SurfaceExtractionError
        If nothing crosses zero.
    """
    cells, cases = _active_cells(grid)
    table, counts = case_table()
    if len(cells) == 0:
        known = grid[np.isfinite(grid)]
        ends = f"{known.min():.3g} to {known.max():.3g}" if len(known) else "nothing finite"
        raise SurfaceExtractionError(
            f"the field has no surface at level 0: its values run from {ends}; try another seed, "
            "more steps or a clearer picture."
        )
    # A vertex is known by its grid edge: the axis, and the grid point where the edge begins.
    points = grid.size
    strides = np.array([grid.shape[1] * grid.shape[2], grid.shape[2], 1])
    offsets = np.array(
        [
            axis * points + (corner & 1) * strides[0] + (corner >> 1 & 1) * strides[1]
            + (corner >> 2 & 1) * strides[2]
            for corner, axis in EDGES
        ]
    )  # fmt: skip
    repeat = counts[cases]
    wanted = np.arange(table.shape[1]) < repeat[:, None]
    corners = offsets[table[cases][wanted]] + np.repeat(cells, repeat)[:, None]
    keys, faces = np.unique(corners, return_inverse=True)

    axis, start = np.divmod(keys, points)
    values = grid.reshape(-1)
    here, there = values[start], values[start + strides[axis]]
    share = np.clip(here / (here - there), _MARGIN, 1 - _MARGIN)
    vertices = np.stack(np.unravel_index(start, grid.shape), axis=1).astype(np.float32)
    vertices[np.arange(len(keys)), axis] += share
    vertices *= np.float32(2 * bound) / (np.array(grid.shape, np.float32) - 1)
    vertices -= np.float32(bound)
    return vertices, faces.reshape(-1, 3).astype(np.int32)


def _active_cells(grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells that the surface passes, by the flat number of their lowest grid point; their cases."""
    inside = (grid > 0).astype(np.uint8)
    unknown = np.isnan(grid)
    shape = tuple(side - 1 for side in grid.shape)
    cases = np.zeros(shape, np.uint8)
    blind = np.zeros(shape, bool)
    for corner in range(8):
        offset = (corner & 1, corner >> 1 & 1, corner >> 2 & 1)
        part = tuple(slice(o, o + side) for o, side in zip(offset, shape, strict=True))
        cases |= inside[part] << np.uint8(corner)
        blind |= unknown[part]
    x, y, z = np.nonzero((cases != 0) & (cases != 255) & ~blind)
    return np.ravel_multi_index((x, y, z), grid.shape), cases[x, y, z].astype(np.intp)
