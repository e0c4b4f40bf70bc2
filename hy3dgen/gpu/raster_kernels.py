# SPDX-License-Identifier: Apache-2.0
"""The compiled kernels that draw faces on a CUDA device, and how they are launched."""

import ctypes

import torch
from torch import Tensor

from .fused_reduce import Kernels
from .tried_kernels import TriedKernels, of_sources

SOURCES = ("raster",)
KERNELS = TriedKernels(of_sources(*SOURCES), "Faces are drawn by plain torch")
_PIECE = 512  # pixels of a face's box that a warp looks at, as in the source
_NOTHING = torch.iinfo(torch.int64).max


def raster_kernels(device: torch.device) -> Kernels | None:
    """Compiled at the first call for a device; None where plain torch has to draw."""
    return KERNELS.on(device)


def draw_faces(
    kernels: Kernels,
    points: Tensor,
    faces: Tensor,
    boxes: Tensor,
    size: tuple[int, int],
    prior: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Face numbers (H, W) int32, from 1, and weights (H, W, 3); see `texgen.rasterizer`.

    Parameters
    ----------
    points : (V, 4) float32 column, row, depth, w
    faces : (F, 3)
    boxes : (F, 4) the first column and row that a face may cover, and how many of each
    prior : (H, W) float32, see `texgen.rasterizer.rasterize`
    """
    height, width = size
    device = points.device
    points, faces, boxes = points.contiguous(), faces.int().contiguous(), boxes.int().contiguous()
    pieces = (boxes[:, 2].long() * boxes[:, 3] + _PIECE - 1) // _PIECE
    owners = torch.repeat_interleave(torch.arange(len(faces), device=device), pieces)
    before = pieces.cumsum(0) - pieces
    starts = (torch.arange(len(owners), device=device) - before[owners]) * _PIECE
    pixels = height * width
    keys = torch.full((pixels,), _NOTHING, device=device)
    nearest = ctypes.c_void_p() if prior is None else prior.contiguous()
    kernels.launch(
        "draw_faces", 32 * len(owners), len(owners), owners.int(), starts.int(), points, faces,
        boxes, nearest, keys, width,
    )  # fmt: skip
    numbers = torch.empty(size, dtype=torch.int32, device=device)
    weights = torch.empty(*size, 3, device=device)
    kernels.launch("read_faces", pixels, pixels, keys, points, faces, width, numbers, weights)
    return numbers, weights
