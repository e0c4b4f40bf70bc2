# SPDX-License-Identifier: Apache-2.0
"""Pillow's bicubic resizing on tensors of any device, byte for byte.

Pictures of views change their size between the renderer and the network; on a GPU they need not
come back for that. Weights are Pillow's: whole numbers of 22 bits, rows first, bytes in between.
"""

from functools import lru_cache
from math import ceil

import numpy as np
import torch
from torch import Tensor

_BITS = 22
_SUPPORT = 2.0  # pixels to either side, of the smaller of both pictures


def resize_bicubic(images: Tensor, size: int) -> Tensor:
    """(N, H, W, C) uint8 -> (N, size, size, C) uint8, as `PIL.Image.resize` gives it."""
    if images.shape[1:3] == (size, size):
        return images
    # One by one: numbers of 32 bits take four times the room.
    return torch.stack([_along(_along(image, 1, size), 0, size) for image in images])


def _along(image: Tensor, axis: int, size: int) -> Tensor:
    if image.shape[axis] == size:
        return image
    places, weights = _table_on(image.shape[axis], size, image.device)
    shape = [1, 1, 1]
    shape[axis] = size
    total: Tensor | int = 1 << (_BITS - 1)
    for place, weight in zip(places, weights, strict=True):
        total = image.index_select(axis, place).int() * weight.view(shape) + total
    assert isinstance(total, Tensor)
    return (total >> _BITS).clamp(0, 255).to(torch.uint8)


@lru_cache(maxsize=16)
def _table_on(source: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):
        places, weights = (torch.from_numpy(table) for table in _table(source, size))
        return places.to(device), weights.to(device)


def _table(source: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """For each of the K pixels that count: where it is, (K, size), and its weight, (K, size)."""
    scale = source / size
    stretch = max(scale, 1.0)
    support = _SUPPORT * stretch
    count = ceil(support) * 2 + 1
    places = np.zeros((count, size), np.int64)
    weights = np.zeros((count, size), np.int32)
    for i in range(size):
        middle = (i + 0.5) * scale
        first = max(int(middle - support + 0.5), 0)
        last = min(int(middle + support + 0.5), source)
        parts = [_bicubic((x - middle + 0.5) / stretch) for x in range(first, last)]
        total = sum(parts)
        for k, part in enumerate(parts):
            places[k, i] = first + k
            exact = part / total * (1 << _BITS)
            weights[k, i] = int(exact - 0.5) if exact < 0 else int(exact + 0.5)
    return places, weights


def _bicubic(x: float) -> float:
    """Source: Keys 1981, with the slope -0.5."""
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0
