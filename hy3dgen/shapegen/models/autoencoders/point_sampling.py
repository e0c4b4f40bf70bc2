# SPDX-License-Identifier: Apache-2.0
"""Farthest point sampling, batched, on any device, without an extension library."""

import math

import numpy as np
import torch
from torch import Tensor


def farthest_points(points: Tensor, count: int, start: Tensor | None = None) -> Tensor:
    """Indices `(B, count)` of points that are far apart, the first one being `start`.

    Each next point has the largest squared distance to those chosen so far; among equal ones the
    first wins (on the CPU). Distances are float32 whatever the input is.

    Parameters
    ----------
    points : (B, N, 3)
    count : at most N
    start : (B,) first indices; point 0 of every cloud if None
    """
    points = points.detach().float()
    batch, total, _ = points.shape
    chosen = torch.empty(batch, count, dtype=torch.long, device=points.device)
    nearest = torch.full((batch, total), math.inf, device=points.device)
    current = torch.zeros(batch, dtype=torch.long, device=points.device) if start is None else start
    rows = torch.arange(batch, device=points.device)
    for i in range(count):
        chosen[:, i] = current
        newest = points[rows, current][:, None, :]  # (B, 1, 3)
        nearest = torch.minimum(nearest, (points - newest).square().sum(-1))
        current = nearest.argmax(dim=1)
    return chosen


def sample_count(total: int, ratio: float) -> int:
    """How many points a sampling `ratio` keeps: the ceiling of a float32 product."""
    return math.ceil(np.float32(total) * np.float32(ratio))


def fps(
    src: Tensor,
    batch: Tensor,
    ratio: float,
    random_start: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Farthest points of several clouds in one list, as indices into the flattened points.

    Parameters
    ----------
    src : (P, 3) points of all clouds
    batch : (P,) ascending cloud numbers
    ratio : share of each cloud's points to keep
    random_start : start at a random point of each cloud instead of its first
    """
    parts = []
    offset = 0
    for size in torch.unique_consecutive(batch, return_counts=True)[1].tolist():
        start = None
        if random_start:
            where = src.device if generator is None else generator.device
            start = torch.randint(size, (1,), generator=generator, device=where).to(src.device)
        cloud = src[offset : offset + size][None]
        parts.append(farthest_points(cloud, sample_count(size, ratio), start)[0] + offset)
        offset += size
    return torch.cat(parts)
