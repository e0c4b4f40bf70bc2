# SPDX-License-Identifier: Apache-2.0
"""Pictures of views back onto the texture: what can be trusted, scattering, merging.

`ViewGeometry` depends only on the mesh and the camera, so it is made while the pictures are still
being painted; `bake_view` then puts a picture through it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians

import numpy as np

from ..mesh.native import loader as kernel
from .edges import spread
from .render import ViewRaster, lengths

ANGLE_LIMIT = 75.0  # degrees between the surface and the view; beyond it a view is not trusted
BAKE_EXPONENT = 4
KNOWN_SHARE = 0.99  # a view that sees hardly anything new is left out


@dataclass(frozen=True, eq=False)
class ViewGeometry:
    """Where the pixels of a view belong on the texture.

    Parameters
    ----------
    size : (height, width) of the view
    pixels : (N,) int64 numbers of the pixels that can be used, row by row
    places : (N, 2) float32 their (row, column) in the texture, in [0, 1]
    cosines : (N,) float32 how squarely the surface faces the view; 0: too slanted to trust
    """

    size: tuple[int, int]
    pixels: np.ndarray
    places: np.ndarray
    cosines: np.ndarray


@dataclass(frozen=True, eq=False)
class BakedView:
    """One view on the texture: colour (H, W, C) and cosines (H, W), both 0 where nothing is."""

    colour: np.ndarray
    cosines: np.ndarray


def unreliable_radius(resolution: int) -> int:
    """Pixels along silhouettes and depth jumps that are not trusted at this resolution."""
    return int(2 / 512 * resolution)


def view_geometry(
    raster: ViewRaster, radius: int, angle_limit: float = ANGLE_LIMIT, edges: bool = True
) -> ViewGeometry:
    """What of a view can be trusted, and where on the texture it is.

    Pixels within `radius` of the background or of a jump in depth are left out: there a picture and
    the mesh disagree by a little, and the wrong surface would be painted. `edges=False` skips the
    jumps in depth.
    """
    normals = raster.normals(absolute=False, background=0.0)
    length = lengths(normals.reshape(-1, 3)).reshape(normals.shape[:2])
    cosine = -normals[..., 2] / np.maximum(length, np.float32(1e-8))
    cosine[cosine < cos(radians(angle_limit))] = 0
    doubtful = ~raster.visible
    near = spread(doubtful, radius)
    if edges:
        near |= spread(raster.depth_edges(), radius)
    usable = np.flatnonzero(~near)
    uvs = raster.uvs().reshape(-1, 2)[usable]
    return ViewGeometry(
        size=raster.numbers.shape,
        pixels=usable,
        places=np.ascontiguousarray(uvs[:, ::-1]),
        cosines=cosine.reshape(-1)[usable].astype(np.float32),
    )


def bake_view(geometry: ViewGeometry, image: np.ndarray, texture_size: int) -> BakedView:
    """An image (H, W, C) in 0..1, or bytes, of the view's size, scattered onto the texture."""
    values = image.reshape(-1, image.shape[-1])[geometry.pixels]
    if image.dtype == np.uint8:
        values = values.astype(np.float32) / np.float32(255)
    values = np.concatenate([values, geometry.cosines[:, None]], axis=1)
    result, _ = scatter(geometry.places, values, (texture_size, texture_size))
    return BakedView(colour=result[..., :-1], cosines=result[..., -1])


def scatter(
    places: np.ndarray, values: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means of the values (N, C) that fall next to each texel, (H, W, C), and the weights.

    `places` (N, 2) are (row, column) in [0, 1]; each value goes to the four texels around its
    place, bilinearly. Texels that nothing reaches are 0.
    """
    height, width = size
    places = np.ascontiguousarray(places, np.float32)
    values = np.ascontiguousarray(values, np.float32)
    sums = np.zeros((height, width, values.shape[1]), np.float32)
    weights = np.zeros((height, width), np.float32)
    if kernel.native_available():
        kernel.splat(places, values, sums, weights)
    else:
        scatter_with_numpy(places, values, sums, weights)
    np.divide(sums, weights[..., None], out=sums, where=weights[..., None] > 0)
    return sums, weights


def scatter_with_numpy(places, values, sums: np.ndarray, weights: np.ndarray) -> None:
    """Adds to `sums` (H, W, C) and `weights` (H, W), as the kernel does."""
    height, width, channels = sums.shape
    at = places * np.float32([height - 1, width - 1])
    low = np.clip(at.astype(np.int64), 0, [max(height - 2, 0), max(width - 2, 0)])
    share = at - low
    for down in (0, 1):
        for right in (0, 1):
            part = (share[:, 0] if down else 1 - share[:, 0]) * (
                share[:, 1] if right else 1 - share[:, 1]
            )
            texel = (low[:, 0] + down) * width + low[:, 1] + right
            weights += np.bincount(texel, part, height * width).reshape(height, width)
            for c in range(channels):
                added = np.bincount(texel, part * values[:, c], height * width)
                sums[..., c] += added.reshape(height, width)


def merge(
    views: Sequence[BakedView], weights: Sequence[float], exponent: float = BAKE_EXPONENT
) -> tuple[np.ndarray, np.ndarray]:
    """One texture (H, W, C) float32 and where it is painted, (H, W) bool.

    In order; a view whose texels are nearly all painted already is left out.
    """
    total = np.zeros_like(views[0].colour)
    trust = np.zeros(views[0].cosines.shape, np.float32)
    for view, weight in zip(views, weights, strict=True):
        # In double precision, then rounded, the power has the last bits of the recorded ones.
        power = (view.cosines.astype(np.float64) ** exponent).astype(np.float32)
        strength = np.float32(weight) * power
        paints = strength > 0
        count = np.count_nonzero(paints)
        if count and np.count_nonzero(paints & (trust > 0)) / count > KNOWN_SHARE:
            continue
        total += view.colour * strength[..., None]
        trust += strength
    return total / np.maximum(trust, 1e-8)[..., None], trust > 1e-8
