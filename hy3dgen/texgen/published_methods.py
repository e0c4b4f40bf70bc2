# SPDX-License-Identifier: Apache-2.0
"""The documented methods of the texture pipeline beside its call: views, baking, filling."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InvalidSettingError
from .config import Hunyuan3DTexGenConfig
from .mesh_render import MeshRender
from .reference_image import recenter_image


class PublishedMethods:
    """What scripts call on a pipeline that holds a mesh in `render`."""

    config: Hunyuan3DTexGenConfig
    render: MeshRender

    @staticmethod
    def recenter_image(image: Any, border_ratio: float = 0.2) -> Any:
        """See `reference_image.recenter_image`."""
        return recenter_image(image, border_ratio)

    def render_normal_multiview(
        self,
        camera_elevs: Sequence[float],
        camera_azims: Sequence[float],
        use_abs_coor: bool = True,
    ) -> list[Any]:
        """PIL images of the normals of the mesh that `render` holds."""
        return [
            self.render.render_normal(
                elevation, azimuth, use_abs_coor=use_abs_coor, return_type="pl"
            )
            for elevation, azimuth in zip(camera_elevs, camera_azims, strict=True)
        ]

    def render_position_multiview(
        self, camera_elevs: Sequence[float], camera_azims: Sequence[float]
    ) -> list[Any]:
        """PIL images of the positions of the mesh that `render` holds."""
        return [
            self.render.render_position(elevation, azimuth, return_type="pl")
            for elevation, azimuth in zip(camera_elevs, camera_azims, strict=True)
        ]

    def bake_from_multiview(
        self,
        views: Sequence[Any],
        camera_elevs: Sequence[float],
        camera_azims: Sequence[float],
        view_weights: Sequence[float],
        method: str = "fast",
    ) -> tuple[np.ndarray, np.ndarray]:
        """Texture (H, W, 3) float32 and where it is painted, (H, W, 1) bool."""
        if method != "fast":
            raise InvalidSettingError(f"the merge method is '{method}'; only 'fast' exists")
        textures, cosines = [], []
        for view, elevation, azimuth, weight in zip(
            views, camera_elevs, camera_azims, view_weights, strict=True
        ):
            texture, seen, _ = self.render.back_project(view, elevation, azimuth)
            textures.append(texture)
            power = seen.astype(np.float64) ** self.config.bake_exp
            cosines.append(np.float32(weight) * power.astype(np.float32))
        return self.render.fast_bake_texture(textures, cosines)

    def texture_inpaint(self, texture: Any, mask: Any) -> np.ndarray:
        """(H, W, 3) float32 in 0..1 without gaps; `mask` is 255 where it is painted."""
        return self.render.uv_inpaint(texture, mask).astype(np.float32) / np.float32(255)
