# SPDX-License-Identifier: Apache-2.0
"""The filling of `inpaint.py` for a texture that lies on a GPU, so that bytes alone leave it.

Where gaps are and in which order they are filled is known before any colour; that is found on the
processor while pictures are painted. Vertices are coloured there too: it is one after the other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..gpu.gap_kernels import fill_gaps, gap_kernels, in_order
from ..mesh.native import loader
from .inpaint import (
    CornerTexels,
    Progress,
    colour_corners,
    corner_texels,
    fill_rest,
    way_to_fill,
)


@dataclass(frozen=True, eq=False)
class Gaps:
    """What a texture lacks.

    Parameters
    ----------
    painted : (S, S) bool
    corners : of the faces, and their texels
    march : the order on the processor, None without the mesh kernel
    ranks, order : of `gap_kernels.fill_gaps`, on the device; None where it cannot fill
    """

    painted: np.ndarray
    corners: CornerTexels
    march: loader.March | None
    ranks: Tensor | None = None
    order: Tensor | None = None

    @property
    def bytes(self) -> int:
        parts = [self.painted, *self.corners, *(self.march or ()), self.ranks, self.order]
        return sum(part.nbytes for part in parts if part is not None)


@torch.inference_mode()
def find_gaps(
    painted: np.ndarray,
    positions: np.ndarray,
    faces: np.ndarray,
    uvs: np.ndarray,
    device: torch.device,
    check: Callable[[], None],
    uv_faces: np.ndarray | None = None,
) -> Gaps:
    """Of a mesh as `inpaint.fill_along_mesh` takes it.

    `check` is called now and then; what it raises ends the work.
    """
    mask = painted.astype(np.uint8) * np.uint8(255)
    corners = corner_texels(mask, faces, uvs, uv_faces)
    nothing = np.zeros((int(corners.painted.sum()), 3), np.float32)
    texels, _ = colour_corners(corners, nothing, positions, faces, lambda _: check())
    mask.reshape(-1)[texels] = 255
    kernels = gap_kernels(device)
    march = way_to_fill(mask, lambda _: check(), levels=kernels is not None)
    if march is None or march.levels is None:
        return Gaps(painted, corners, march)
    count = march.starts[-1]
    ranks, order, levels = (
        torch.from_numpy(array.view(np.int32)).to(device)
        for array in (march.ranks, march.order[:count], march.levels[:count])
    )
    return Gaps(
        painted, corners, march._replace(levels=None), ranks, in_order(ranks, order, levels)
    )


@torch.inference_mode()
def fill_along_mesh_on_device(
    texture: Tensor,
    gaps: Gaps,
    positions: np.ndarray,
    faces: np.ndarray,
    progress: Progress | None = None,
) -> np.ndarray:
    """`inpaint.fill_along_mesh` of a texture (S, S, 3), in place; the mask (S, S) afterwards."""
    corners = gaps.corners
    rows = texture.view(-1, 3)
    asked = torch.from_numpy(corners.texels[corners.painted]).to(texture.device)
    texels, colours = colour_corners(corners, rows[asked].cpu().numpy(), positions, faces, progress)
    rows[torch.from_numpy(texels).to(texture.device)] = torch.from_numpy(colours).to(texture.device)
    mask = gaps.painted.astype(np.uint8) * np.uint8(255)
    mask.reshape(-1)[texels] = 255
    return mask


@torch.inference_mode()
def fill_rest_on_device(
    texture: Tensor, mask: np.ndarray, gaps: Gaps, progress: Progress | None = None
) -> np.ndarray:
    """(S, S, 3) uint8: `inpaint.fill_rest`, by the device where that can."""
    kernels = gap_kernels(texture.device)
    if kernels is None or gaps.ranks is None or gaps.order is None:
        return fill_rest(texture.cpu().numpy(), mask, progress, gaps.march)
    pixels = (texture.clamp(0, 1) * 255).to(torch.uint8)
    if len(gaps.order):
        pixels = fill_gaps(kernels, pixels, gaps.ranks, gaps.order)
    return pixels.cpu().numpy()
