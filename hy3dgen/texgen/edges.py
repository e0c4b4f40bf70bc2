# SPDX-License-Identifier: Apache-2.0
"""Lines in images and what is near them: Canny's edges and square neighbourhoods, exact integers.

The same numbers as OpenCV's, by the mesh kernel, or by numpy where that is missing.
"""

import numpy as np

from ..mesh.native import loader as kernel

_TANGENT_22 = 13573  # of 22.5 degrees, in 15 bits


def find_edges(image: np.ndarray, low: int, high: int) -> np.ndarray:
    """(H, W) uint8, 1 on edges of an (H, W) uint8 image.

    Source: Canny 1986, with Sobel slopes of 3 x 3 pixels and the magnitude |dx| + |dy|.
    """
    image = np.ascontiguousarray(image, np.uint8)
    if kernel.native_available():
        return kernel.edges(image, low, high)
    return edges_with_numpy(image, low, high)


def spread(mask: np.ndarray, radius: int) -> np.ndarray:
    """(H, W) bool: within `radius` pixels, across and down, of a pixel that is set."""
    mask = np.ascontiguousarray(mask).astype(np.uint8)
    if kernel.native_available():
        return kernel.spread(mask, radius).astype(bool)
    return spread_with_numpy(mask, radius)


def spread_with_numpy(mask: np.ndarray, radius: int) -> np.ndarray:
    """`spread` by sums over rows, then over columns."""
    for _ in range(2):
        sums = np.cumsum(np.pad(mask.astype(np.int32), ((radius + 1, radius), (0, 0))), axis=0)
        mask = ((sums[2 * radius + 1 :] - sums[: -2 * radius - 1]) > 0).T
    return mask


def edges_with_numpy(image: np.ndarray, low: int, high: int) -> np.ndarray:
    """`find_edges` in whole images; joining edges takes as many steps as they are long."""
    p = np.pad(image.astype(np.int32), 1, mode="edge")
    smooth = p[:-2] + 2 * p[1:-1] + p[2:]
    dx = smooth[:, 2:] - smooth[:, :-2]
    smooth = p[:, :-2] + 2 * p[:, 1:-1] + p[:, 2:]
    dy = smooth[2:] - smooth[:-2]
    magnitude = np.abs(dx) + np.abs(dy)
    m = np.pad(magnitude, 1)
    rows, columns = image.shape

    def beside(down: int, right: int) -> np.ndarray:
        return m[1 + down : 1 + down + rows, 1 + right : 1 + right + columns]

    x, y = np.abs(dx).astype(np.int64), np.abs(dy).astype(np.int64) << 15
    lower = x * _TANGENT_22
    flat = (magnitude > beside(0, -1)) & (magnitude >= beside(0, 1))
    steep = (magnitude > beside(-1, 0)) & (magnitude >= beside(1, 0))
    falling = (magnitude > beside(-1, -1)) & (magnitude > beside(1, 1))
    rising = (magnitude > beside(-1, 1)) & (magnitude > beside(1, -1))
    slanted = np.where((dx ^ dy) < 0, rising, falling)
    largest = np.where(y < lower, flat, np.where(y > lower + (x << 16), steep, slanted))
    weak = largest & (magnitude > low)
    edge = weak & (magnitude > high)
    while True:
        joined = weak & spread_with_numpy(edge, 1)
        if np.array_equal(joined, edge):
            return edge.astype(np.uint8)
        edge = joined
