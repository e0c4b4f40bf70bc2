# SPDX-License-Identifier: Apache-2.0
"""The compiled kernel that fills a picture's gaps on a CUDA device, and how it is launched."""

import torch
from torch import Tensor

from .fused_reduce import Kernels
from .tried_kernels import TriedKernels, of_sources

SOURCES = ("gaps",)
KERNELS = TriedKernels(of_sources(*SOURCES), "Gaps of textures are filled by the processor")
_WARPS = 1056  # pixels in work at once; more would only wait for each other
_THERE = 1 << 24  # in a word: its colours are there


def gap_kernels(device: torch.device) -> Kernels | None:
    """Compiled at the first call for a device; None where the processor has to do it."""
    return KERNELS.on(device)


def in_order(ranks: Tensor, order: Tensor, levels: Tensor) -> Tensor:
    """The pixels of `order` as `fill_gaps` wants them: after all that they look at, and those that
    do not wait for each other together.

    `levels` (G,) int32 are those of `mesh.native.loader.march`.
    """
    pixels = torch.empty_like(order)
    pixels[ranks.view(-1)[order.long()].long() - 1] = order
    return pixels[levels.argsort()]


def fill_gaps(kernels: Kernels, pixels: Tensor, ranks: Tensor, order: Tensor) -> Tensor:
    """`pixels` (H, W, 3) uint8 with gaps filled as `mesh.native.loader.inpaint` does.

    Parameters
    ----------
    ranks : (H + 2, W + 2) int32, when a pixel is reached, from 1; 0: it is no gap
    order : (G,) int32 the gaps' numbers in `ranks`, from `in_order`
    """
    height, width = pixels.shape[:2]
    given = pixels.contiguous()
    words = torch.full_like(ranks, _THERE)
    shades = given.int()
    words[1:-1, 1:-1] += shades[..., 0] | shades[..., 1] << 8 | shades[..., 2] << 16
    words.masked_fill_(ranks > 0, 0)  # -1: no front reaches it
    ticket = torch.zeros(1, dtype=torch.int32, device=pixels.device)
    count = len(order)
    kernels.launch(
        "fill_gaps",
        32 * min(count, _WARPS),
        count,
        order,
        ranks,
        given,
        words,
        ticket,
        height,
        width,
    )
    filled = words[1:-1, 1:-1]
    return torch.stack([filled >> 8 * c & 255 for c in range(3)], dim=-1).to(torch.uint8)
