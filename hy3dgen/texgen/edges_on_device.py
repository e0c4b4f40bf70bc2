# SPDX-License-Identifier: Apache-2.0
"""Canny's edges on tensors of any device, the same whole numbers as `edges.find_edges`."""

import torch
import torch.nn.functional as F
from torch import Tensor

_TANGENT_22 = 13573  # of 22.5 degrees, in 15 bits


def find_edges_on_device(image: Tensor, low: int, high: int) -> Tensor:
    """(H, W) bool, set on edges of an (H, W) uint8 image."""
    rows, columns = image.shape
    p = F.pad(image[None, None].float(), (1, 1, 1, 1), mode="replicate")[0, 0].int()
    smooth = p[:-2] + 2 * p[1:-1] + p[2:]
    dx = smooth[:, 2:] - smooth[:, :-2]
    smooth = p[:, :-2] + 2 * p[:, 1:-1] + p[:, 2:]
    dy = smooth[2:] - smooth[:-2]
    magnitude = dx.abs() + dy.abs()
    # Only few pixels can be edges; the rest is done for those.
    weak = (magnitude > low).view(-1).nonzero()[:, 0]
    row, column = weak // columns, weak % columns
    padded = F.pad(magnitude, (1, 1, 1, 1)).view(-1)
    at = (row + 1) * (columns + 2) + column + 1
    here = padded[at]

    def beside(down: int, right: int) -> Tensor:
        return padded[at + down * (columns + 2) + right]

    dx, dy = dx.reshape(-1)[weak].long(), dy.reshape(-1)[weak].long()
    x, y = dx.abs(), dy.abs() << 15
    lower = x * _TANGENT_22
    flat = (here > beside(0, -1)) & (here >= beside(0, 1))
    steep = (here > beside(-1, 0)) & (here >= beside(1, 0))
    falling = (here > beside(-1, -1)) & (here > beside(1, 1))
    rising = (here > beside(-1, 1)) & (here > beside(1, -1))
    slanted = torch.where((dx ^ dy) < 0, rising, falling)
    largest = torch.where(y < lower, flat, torch.where(y > lower + (x << 16), steep, slanted))
    weak, here = weak[largest], here[largest]
    edges = torch.zeros(rows * columns, dtype=torch.bool, device=image.device)
    edges[weak] = _joined(weak, here > high, rows, columns)
    return edges.view(rows, columns)


def _joined(pixels: Tensor, sure: Tensor, rows: int, columns: int) -> Tensor:
    """Which of the N pixels are connected, by sides or corners, to one that is sure."""
    count = len(pixels)
    if not count:
        return sure
    numbers = torch.arange(count, device=pixels.device)
    places = torch.full(((rows + 2) * (columns + 2),), count, device=pixels.device)
    at = (pixels // columns + 1) * (columns + 2) + pixels % columns + 1
    places[at] = numbers
    steps = [d * (columns + 2) + r for d in (-1, 0, 1) for r in (-1, 0, 1) if d or r]
    beside = torch.stack([places[at + step] for step in steps], dim=1)  # (N, 8), `count` for none
    # Every pixel takes the largest number it hears of; roots pass it on, so that it spreads in
    # about as many rounds as the logarithm of a line's length.
    nothing = torch.full((1,), -1, device=pixels.device)
    labels = numbers
    while True:
        heard = torch.cat([labels, nothing])[beside].amax(1)
        new = torch.maximum(labels, heard)
        new = new.scatter_reduce(0, labels, torch.maximum(new, labels), "amax")
        new = new[new]
        if torch.equal(new, labels):
            break
        labels = new
    found = torch.zeros(count, dtype=torch.int32, device=pixels.device)
    found.scatter_reduce_(0, labels, sure.int(), "amax")
    return found[labels] > 0
