# SPDX-License-Identifier: Apache-2.0
"""The look-up of `back_sampling.py` on tensors of a GPU: views of two materials baked and merged.

The same steps; on a GPU the last bit of a product may differ, as `views_on_device.py` says.
"""

from collections.abc import Callable, Sequence
from math import cos, radians
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import cameras
from .back_sampling import DEPTH_TOLERANCE
from .bake import ANGLE_LIMIT, KNOWN_SHARE
from .rasterizer_torch import rasterize_tensors
from .render import SCALE, PreparedMesh
from .views_on_device import MeshOnDevice, ViewOnDevice, spread_on_device


@torch.inference_mode()
def bake_on_device(
    mesh: PreparedMesh,
    images: Sequence[np.ndarray],
    views: Sequence[cameras.View],
    texture_size: int,
    exponent: float,
    radius: int,
    device: torch.device,
    report: Callable[[int], object],
) -> tuple[Tensor, np.ndarray]:
    """Texture (S, S, C) float32 on the device, and where it is painted, (S, S) bool.

    `images` (H, W, C) uint8 are of one size; `report` gets the number of each view.
    """
    on_device = MeshOnDevice(mesh, SCALE, device)
    texels = _Texels.of(on_device, texture_size)
    total = torch.zeros(len(texels.numbers), images[0].shape[2], device=device)
    trust = torch.zeros(len(texels.numbers), device=device)
    for number, (view, image) in enumerate(zip(views, images, strict=True)):
        report(number)
        matrix = cameras.view_matrix(view.elevation, view.azimuth)
        size = image.shape[0], image.shape[1]
        drawn = ViewOnDevice(on_device, matrix, cameras.standard_projection(), size)
        kept, cosines, x, y = _seen_in(texels, drawn, radius)
        strength = view.weight * (cosines.double() ** exponent).float()
        count, known = torch.stack(
            [(strength > 0).sum(), ((strength > 0) & (trust[kept] > 0)).sum()]
        ).tolist()
        if count and known / count > KNOWN_SHARE:
            continue
        colours = _sample_bilinearly(torch.from_numpy(np.array(image)).to(device), x, y)
        total[kept] += colours * strength[:, None]
        trust[kept] += strength
    texture = torch.zeros(texture_size * texture_size, total.shape[1], device=device)
    texture[texels.numbers] = total / trust.clamp(min=1e-8)[:, None]
    painted = torch.zeros(texture_size * texture_size, dtype=torch.bool, device=device)
    painted[texels.numbers] = trust > 1e-8
    shape = texture_size, texture_size
    return texture.view(*shape, -1), painted.view(shape).cpu().numpy()


class _Texels(NamedTuple):
    """The N texels that belong to a face: their numbers, and (N, 3) where in space they are."""

    numbers: Tensor
    positions: Tensor

    @classmethod
    def of(cls, mesh: MeshOnDevice, texture_size: int) -> "_Texels":
        clip = torch.zeros(len(mesh.uvs), 4, device=mesh.device)
        clip[:, :2] = mesh.uvs * 2 - 1
        clip[:, 3] = 1
        faces, weights = rasterize_tensors(clip, mesh.uv_faces, (texture_size, texture_size))
        numbers = faces.view(-1).nonzero()[:, 0]
        weights = weights.view(-1, 3)[numbers]
        corners = mesh.faces[faces.view(-1)[numbers].long() - 1]
        return cls(numbers, mesh.interpolate(mesh.positions, corners, weights))


def _seen_in(texels: _Texels, view: ViewOnDevice, radius: int) -> tuple[Tensor, ...]:
    """Which texels a view shows, how squarely, and where in it: (K,) each."""
    height, width = view.size
    pixels = height * width
    device = texels.positions.device
    doubtful = torch.ones(pixels, dtype=torch.bool, device=device)
    doubtful[view.shown] = False
    edges = view.depth_edges()
    if edges is not None:
        doubtful |= edges.view(-1)
    near = spread_on_device(doubtful.view(height, width), radius).view(-1)
    facing = -_through(view.mesh.face_normals, view.matrix[:3, :3])[:, 2]
    cosines, depth = torch.zeros(2, pixels, device=device).unbind(0)
    cosines[view.shown] = facing[view.face]
    cosines[(cosines < cos(radians(ANGLE_LIMIT))) | near] = 0
    depth[view.shown] = view.camera_depth()

    in_camera = _through(_with_one(texels.positions), view.matrix)
    clip = _through(in_camera, view.projection)
    x = (clip[:, 0] / clip[:, 3] * 0.5 + 0.5) * width
    y = (clip[:, 1] / clip[:, 3] * 0.5 + 0.5) * height
    kept = ((x >= 0) & (x < width) & (y >= 0) & (y < height)).nonzero()[:, 0]
    x, y = x[kept], y[kept]
    at = y.long() * width + x.long()
    seen = cosines[at]
    good = (seen > 0) & ((in_camera[kept, 2] - depth[at]).abs() < DEPTH_TOLERANCE)
    return kept[good], seen[good], x[good], y[good]


def _with_one(points: Tensor) -> Tensor:
    return torch.cat([points, torch.ones_like(points[:, :1])], dim=1)


def _through(points: Tensor, matrix: np.ndarray) -> Tensor:
    """(N, C) points through a (C, C) matrix, by plain sums: a GPU's products may be rounded."""
    rows = torch.from_numpy(np.ascontiguousarray(matrix.T)).to(points)
    total = points[:, :1] * rows[0]
    for k in range(1, len(rows)):
        total = total + points[:, k : k + 1] * rows[k]
    return total


def _sample_bilinearly(image: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """See `back_sampling.sample_bilinearly`; of bytes."""
    height, width = image.shape[:2]
    left, top = x.floor(), y.floor()
    right, down = (x - left)[:, None], (y - top)[:, None]
    columns = [(left.long() + i).clamp(0, width - 1) for i in (0, 1)]
    rows = [(top.long() + i).clamp(0, height - 1) for i in (0, 1)]
    upper, lower = (
        image[row, columns[0]] * (1 - right) + image[row, columns[1]] * right for row in rows
    )
    return (upper * (1 - down) + lower * down) / 255
