# SPDX-License-Identifier: Apache-2.0
"""What a closed surface is, for tests: each property asserted by name."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def face_areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    first, second, third = np.moveaxis(vertices[faces].astype(np.float64), 1, 0)
    return np.linalg.norm(np.cross(second - first, third - first), axis=1) / 2


def assert_closed(vertices: np.ndarray, faces: np.ndarray) -> None:
    """Watertight, manifold at edges and vertices, wound outwards, every face with an area."""
    start, end = faces.astype(np.int64), np.roll(faces, -1, axis=1).astype(np.int64)
    forward = np.sort((start << 32 | end).reshape(-1))
    backward = np.sort((end << 32 | start).reshape(-1))
    assert (np.diff(forward) > 0).all(), "an edge twice in one direction"
    assert np.array_equal(forward, backward), "an edge with one face"
    assert _one_fan_a_vertex(faces), "two parts of the surface touch at a vertex"
    assert face_areas(vertices, faces).min() > 0, "a face without area"
    assert len(np.unique(vertices, axis=0)) == len(vertices), "two vertices in one place"
    assert len(np.unique(faces)) == len(vertices), "a vertex without a face"
    corners = vertices[faces].astype(np.float64)
    volume = (np.cross(corners[:, 0], corners[:, 1]) * corners[:, 2]).sum() / 6
    assert volume > 0, "faces look inwards"


def _one_fan_a_vertex(faces: np.ndarray) -> bool:
    """Whether the faces at every vertex are joined by edges that end there."""
    corner = np.arange(faces.size).reshape(faces.shape)
    start, end = faces.astype(np.int64), np.roll(faces, -1, axis=1).astype(np.int64)
    # Every edge belongs to the corner where it starts and to the next one, where it ends.
    next_corner = np.roll(corner, -1, axis=1)
    order = np.argsort((start << 32 | end).reshape(-1))
    back = np.argsort((end << 32 | start).reshape(-1))
    # The face on the other side runs along the same edge backwards.
    rows = np.concatenate([corner.reshape(-1)[order], next_corner.reshape(-1)[order]])
    columns = np.concatenate([next_corner.reshape(-1)[back], corner.reshape(-1)[back]])
    links = coo_array((np.ones(len(rows)), (rows, columns)), shape=(faces.size, faces.size))
    fans, _ = connected_components(links, directed=False)
    return fans == len(np.unique(faces))
