# SPDX-License-Identifier: Apache-2.0
"""Places rectangles in a square without overlap, as large as they fit, all to one scale."""

import numpy as np

_STEPS = 24  # halvings of the range that the scale lies in


def pack(sizes: np.ndarray, padding: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale and places for rectangles in the unit square.

    Rows of decreasing height, filled from the left. Rectangles higher than wide are laid down.

    Parameters
    ----------
    sizes : (N, 2) widths and heights, in any unit; zeros are allowed
    padding : free space around each rectangle, in sides of the square

    Returns
    -------
    scale, (N, 2) lower left corners in the square, (N,) bool: turned by a quarter

    A padding too large for so many rectangles is halved until they fit.
    """
    turned = sizes[:, 1] > sizes[:, 0]
    laid = np.where(turned[:, None], sizes[:, ::-1], sizes).astype(np.float64)
    order = np.argsort(-laid[:, 1], kind="stable")
    widths, heights = laid[order].T.tolist()
    longest = float(laid.max(initial=0)) or 1.0
    low, high = 0.0, 1 / longest
    while _place(widths, heights, low, padding) is None:
        padding /= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _place(widths, heights, middle, padding) is None:
            high = middle
        else:
            low = middle
    corners = np.empty((len(sizes), 2))
    corners[order] = _place(widths, heights, low, padding)
    return low, corners, turned


def _place(widths, heights, scale: float, padding: float) -> list[tuple[float, float]] | None:
    """Corners of the rectangles, highest first; None if they do not fit."""
    corners = []
    x = y = 0.0
    row_height = heights[0] * scale + 2 * padding if heights else 0.0
    for width, height in zip(widths, heights, strict=True):
        across = width * scale + 2 * padding
        if x + across > 1.0:
            x, y = 0.0, y + row_height
            row_height = height * scale + 2 * padding
        if x + across > 1.0 or y + row_height > 1.0:
            return None
        corners.append((x + padding, y + padding))
        x += across
    return corners
