# SPDX-License-Identifier: Apache-2.0
"""Connected regions of a mask, and the smallest blur, as OpenCV has them."""

import numpy as np


def label(mask: np.ndarray, diagonal: bool) -> tuple[int, np.ndarray]:
    """Number of labels and `(H, W)` labels of connected regions; 0 is what is not in the mask.

    With `diagonal` pixels that only touch at a corner are connected too. Works on the runs of every
    row: runs that touch one in the next row point to the smallest number they can reach.
    """
    height, width = mask.shape
    padded = np.zeros((height, width + 2), np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    count = len(rows)
    # Runs in one long line of rows, with a gap between rows so that none reaches into the next.
    line = width + 2
    reach = 1 if diagonal else 0
    lowest = np.searchsorted(rows * line + ends, (rows + 1) * line + starts - reach, side="right")
    highest = np.searchsorted(rows * line + starts, (rows + 1) * line + ends + reach, side="left")
    touching = np.maximum(highest - lowest, 0)
    above = np.repeat(np.arange(count), touching)
    below = np.arange(len(above)) - np.repeat(np.cumsum(touching) - touching, touching)
    below += np.repeat(lowest, touching)
    roots = np.arange(count)
    while True:
        a, b = roots[above], roots[below]
        apart = a != b
        if not apart.any():
            break
        np.minimum.at(roots, np.maximum(a[apart], b[apart]), np.minimum(a[apart], b[apart]))
        while (roots[roots] != roots).any():
            roots = roots[roots]
    found, numbers = np.unique(roots, return_inverse=True)
    labels = np.zeros((height, width), np.int32)
    labels[mask.astype(bool)] = np.repeat(numbers.reshape(-1) + 1, ends - starts)
    return len(found) + 1, labels


def soften(values: np.ndarray) -> np.ndarray:
    """Binomial blur over 3 x 3 pixels of `(H, W, ...)`, in float32; edges mirror what is inside."""
    values = values.astype(np.float32)
    for axis in (0, 1):
        values = np.moveaxis(values, axis, 0)
        out = 2 * values
        out[1:] += values[:-1]
        out[:-1] += values[1:]
        inner = min(1, len(values) - 1)
        out[0] += values[inner]
        out[-1] += values[-1 - inner]
        out *= np.float32(0.25)
        values = np.moveaxis(out, 0, axis)
    return values
