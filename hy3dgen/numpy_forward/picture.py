# SPDX-License-Identifier: Apache-2.0
"""A cut-out object becomes a centred square picture on white: the twin of `ImageProcessorV2`.

Sizes change as OpenCV does it, which the model was trained with, up to rounding.
"""

import numpy as np

from ..errors import InvalidImageError


def square_picture(pixels: np.ndarray, size: int, border_ratio: float) -> np.ndarray:
    """`(size, size, 3)` bytes from `(H, W, 4)` bytes, straight alpha.

    The object's box is one pixel short on two sides and bytes cut off the fraction, as in training.
    """
    height, width, _ = pixels.shape
    visible = pixels[..., 3] > 0
    rows, columns = (np.flatnonzero(visible.any(axis=axis)) for axis in (1, 0))
    if len(rows) == 0:
        raise InvalidImageError(
            "the picture is fully transparent, so there is no object in it; choose another one."
        )
    top, bottom, left, right = rows[0], rows[-1], columns[0], columns[-1]
    side = max(height, width)
    longer = max(bottom - top, right - left)
    scale = int(side * (1 - border_ratio)) / max(longer, 1)
    new_height, new_width = int((bottom - top) * scale), int((right - left) * scale)
    if new_height == 0 or new_width == 0:
        raise InvalidImageError(
            f"the object is {right - left} x {bottom - top} pixels, too thin to be shown; "
            "choose a picture with a wider object."
        )
    y, x = (side - new_height) // 2, (side - new_width) // 2
    canvas = np.zeros((side, side, 4), np.uint8)
    canvas[y : y + new_height, x : x + new_width] = resize_area(
        pixels[top:bottom, left:right], new_height, new_width
    )
    alpha = canvas[..., 3:].astype(np.float32) / 255
    rgb = canvas[..., :3] * alpha + 255 * (1 - alpha)
    return resize_cubic(rgb.astype(np.uint8), size, size)


def resize_area(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Each new pixel is the mean of what it covers, as OpenCV's INTER_AREA.

    Where a side grows instead, both go from pixel to pixel in straight lines with steps, again as
    OpenCV has it.
    """
    shrinks = height <= pixels.shape[0] and width <= pixels.shape[1]
    step = _mean_along if shrinks else _stretch_along
    return _bytes(step(step(pixels.astype(np.float32), 0, height), 1, width))


def _mean_along(values: np.ndarray, axis: int, count: int) -> np.ndarray:
    values = np.moveaxis(values, axis, 0)
    sums = np.zeros((len(values) + 1, *values.shape[1:]))
    np.cumsum(values, axis=0, out=sums[1:])
    ends = np.arange(count + 1) * (len(values) / count)
    whole = np.minimum(ends.astype(np.intp), len(values) - 1)
    rest = (ends - whole).reshape(-1, *[1] * (values.ndim - 1))
    at_ends = sums[whole] + rest * values[whole]
    return np.moveaxis(np.diff(at_ends, axis=0) * (count / len(values)), 0, axis)


def _stretch_along(values: np.ndarray, axis: int, count: int) -> np.ndarray:
    values = np.moveaxis(values, axis, 0)
    scale = len(values) / count
    number = np.arange(count)
    first = np.floor(number * scale).astype(np.intp)
    share = (number + 1) - (first + 1) / scale
    share = np.where(share <= 0, 0, share - np.floor(share))
    last = len(values) - 1
    share = np.where(first >= last, 0, share).reshape(-1, *[1] * (values.ndim - 1))
    first, second = np.minimum(first, last), np.minimum(first + 1, last)
    mixed = values[first] * (1 - share) + values[second] * share
    return np.moveaxis(mixed, 0, axis)


def resize_cubic(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Four neighbours a side with Keys' weights and a = -0.75, as OpenCV's INTER_CUBIC."""
    values = pixels.astype(np.float32)
    for axis, count in ((0, height), (1, width)):
        values = np.moveaxis(values, axis, 0)
        place = (np.arange(count) + 0.5) * (len(values) / count) - 0.5
        first = np.floor(place)
        out = np.zeros((count, *values.shape[1:]), np.float32)
        for tap in range(-1, 3):
            taken = np.clip(first + tap, 0, len(values) - 1).astype(np.intp)
            weight = _keys(np.abs(place - first - tap)).astype(np.float32)
            out += values[taken] * weight.reshape(-1, *[1] * (values.ndim - 1))
        values = np.moveaxis(out, 0, axis)
    return _bytes(values)


def _keys(distance: np.ndarray, a: float = -0.75) -> np.ndarray:
    """Source: Keys 1981, "Cubic convolution interpolation for digital image processing"."""
    d = distance
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
