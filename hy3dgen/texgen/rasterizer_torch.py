# SPDX-License-Identifier: Apache-2.0
"""The rasteriser of `rasterizer.py` for tensors: plain torch on any device, with the same bits on a
CPU, and compiled kernels on CUDA, which are tried once and left if they give anything else.
"""

import logging
from functools import cache

import torch
from torch import Tensor

from ..gpu.fused_reduce import Kernels
from ..gpu.raster_kernels import draw_faces, raster_kernels
from .rasterizer import DEPTH_STEPS, FACE_LIMIT, check_work

logger = logging.getLogger(__name__)

_NOTHING = torch.iinfo(torch.int64).max
_CANDIDATES = 1 << 22  # pixels looked at in one go; about 200 bytes each


def rasterize_tensors(
    points: Tensor, faces: Tensor, size: tuple[int, int], prior: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """See `rasterizer.rasterize`; the results are on the device of `points`."""
    points = torch.as_tensor(points, dtype=torch.float32)
    kernels = None
    if points.is_cuda:
        kernels = tried_kernels(points.device)
    return rasterize_with(kernels, points, faces, size, prior)


@cache
def tried_kernels(device: torch.device) -> Kernels | None:
    """Those that draw what plain torch draws on this device; None where there are none."""
    kernels = raster_kernels(device)
    if kernels is None:
        return None
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(300, 4, generator=generator) * 2 - 1
    points[:, 3] = 1 + 0.2 * points[:, 3]
    prior = torch.full((96, 80), -0.5, device=device)
    for nearest in (None, prior):
        case = points.to(device), torch.arange(300).view(-1, 3), (96, 80), nearest
        (numbers, weights), (others, also) = (rasterize_with(by, *case) for by in (kernels, None))
        same = numbers == others
        close = (weights - also)[same].abs() < 1e-4
        if not (float(same.float().mean()) > 0.999 and bool(close.all())):
            logger.warning("Faces are drawn by plain torch: our kernel's pictures differ here.")
            return None
    return kernels


def rasterize_with(
    kernels: Kernels | None,
    points: Tensor,
    faces: Tensor,
    size: tuple[int, int],
    prior: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """By these kernels, or None for plain torch."""
    points = torch.as_tensor(points, dtype=torch.float32)
    faces = torch.as_tensor(faces, device=points.device).long()
    if prior is not None:
        prior = torch.as_tensor(prior, dtype=torch.float32, device=points.device).reshape(size)
    height, width = size
    w = points[:, 3]
    screen = torch.stack(
        [
            (points[:, 0] / w * 0.5 + 0.5) * (width - 1) + 0.5,
            (0.5 + 0.5 * points[:, 1] / w) * (height - 1) + 0.5,
            points[:, 2] / w * 0.49999 + 0.5,
            w,
        ],
        dim=1,
    )
    corners = screen[faces]  # (F, 3, 4)
    area = _doubled_area(corners[:, 0], corners[:, 1], corners[:, 2])
    drawn = ((area != 0) & area.isfinite()).nonzero()[:, 0]
    limit = torch.tensor([width, height], dtype=torch.float32, device=points.device)
    zero = torch.zeros_like(limit)
    box = corners[drawn, :, :2]
    first = box.amin(1).clamp(zero, limit).long()
    last = (box.amax(1) + 1).clamp(zero, limit).ceil().long()
    spans = (last - first).clamp(min=0)
    counts = spans[:, 0] * spans[:, 1]
    if kernels is not None:
        check_work(int(counts.sum()), size)
        boxes = torch.zeros(len(faces), 4, dtype=torch.int64, device=points.device)
        boxes[drawn] = torch.cat([first, spans], dim=1)
        return draw_faces(kernels, screen, faces, boxes, size, prior)
    ends = counts.cumsum(0).cpu()
    if len(ends):
        check_work(int(ends[-1]), size)

    inverse = (1.0 / area.double()).float()
    keys = torch.full((height * width,), _NOTHING, device=points.device)
    start, done = 0, 0
    while start < len(drawn):
        stop = max(int(torch.searchsorted(ends, done + _CANDIDATES, right=True)), start + 1)
        count = counts[start:stop]
        which = torch.repeat_interleave(torch.arange(start, stop, device=points.device), count)
        before = count.cumsum(0) - count
        offset = torch.arange(len(which), device=points.device) - before[which - start]
        row = first[which, 1] + offset // spans[which, 0]
        column = first[which, 0] + offset % spans[which, 0]
        face = drawn[which]
        weights = _weights(corners[face], inverse[face], column, row)
        depths = corners[face, :, 2]
        depth = weights[:, 0] * depths[:, 0] + weights[:, 1] * depths[:, 1]
        depth = depth + weights[:, 2] * depths[:, 2]
        pixel = row * width + column
        kept = ((weights >= 0) & (weights <= 1)).all(1) & (depth < 1e9)
        if prior is None:
            kept &= depth >= 0
        else:
            bound = prior.reshape(-1)[pixel] * 0.49999 + 0.5
            kept &= depth >= bound + 0.000001
        steps = (depth[kept] * DEPTH_STEPS).long()
        key = steps * FACE_LIMIT + face[kept] + 1
        keys.scatter_reduce_(0, pixel[kept], key, "amin")
        start, done = stop, int(ends[stop - 1])

    covered = (keys != _NOTHING).nonzero()[:, 0]
    numbers = torch.zeros(height * width, dtype=torch.int32, device=points.device)
    numbers[covered] = (keys[covered] % FACE_LIMIT).int()
    face = numbers[covered].long() - 1
    weights = _weights(corners[face], inverse[face], covered % width, covered // width)
    weights = weights / corners[face, :, 3]
    weights = weights * (1 / (weights[:, 0] + weights[:, 1] + weights[:, 2]))[:, None]
    spread = torch.zeros(height * width, 3, device=points.device)
    spread[covered] = weights
    return numbers.view(height, width), spread.view(height, width, 3)


def _doubled_area(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return (c[..., 0] - a[..., 0]) * (b[..., 1] - a[..., 1]) - (b[..., 0] - a[..., 0]) * (
        c[..., 1] - a[..., 1]
    )


def _weights(corners: Tensor, inverse: Tensor, column: Tensor, row: Tensor) -> Tensor:
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    middle = torch.stack([column, row], dim=1).float() + 0.5
    second = _doubled_area(a, middle, c) * inverse
    third = _doubled_area(a, b, middle) * inverse
    first = (1.0 - second.double() - third.double()).float()
    return torch.stack([first, second, third], dim=1)
