# SPDX-License-Identifier: Apache-2.0
"""The views that the painting network sees: drawn once, read off for it and for baking."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import bake
from .mesh_render import MeshRender
from .render import to_bytes


@dataclass(frozen=True, eq=False)
class DrawnViews:
    """Normals and positions of each view, (H, W, 3) uint8, and where its pixels belong."""

    normals: list[np.ndarray]
    positions: list[np.ndarray]
    geometries: list[bake.ViewGeometry]

    @property
    def bytes(self) -> int:
        maps = sum(image.nbytes for image in (*self.normals, *self.positions))
        return maps + sum(g.pixels.nbytes + g.places.nbytes * 2 for g in self.geometries)


def draw_views(
    render: MeshRender, elevations: Sequence[float], azimuths: Sequence[float]
) -> DrawnViews:
    """One raster pass for each view of the mesh that `render` holds."""
    normals, positions, geometries = [], [], []
    for elevation, azimuth in zip(elevations, azimuths, strict=True):
        raster = render.raster_view(elevation, azimuth)
        colours = (raster.normals(absolute=True) + np.float32(1)) * np.float32(0.5)
        normals.append(to_bytes(colours))
        positions.append(to_bytes(raster.positions(render.scale_factor)))
        geometries.append(
            bake.view_geometry(raster, render.bake_unreliable_kernel_size, render.bake_angle_thres)
        )
    return DrawnViews(normals, positions, geometries)


def bake_views(
    geometries: Sequence[bake.ViewGeometry],
    pictures: Sequence[np.ndarray],
    weights: Sequence[float],
    texture_size: int,
    exponent: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Texture (H, W, 3) float32 and where it is painted, (H, W) bool, from the views' pictures."""
    views = [
        bake.bake_view(geometry, picture, texture_size)
        for geometry, picture in zip(geometries, pictures, strict=True)
    ]
    return bake.merge(views, weights, exponent)
