# SPDX-License-Identifier: Apache-2.0
"""`MeshRender`: the renderer under its public name, with the documented methods and defaults.

A thin layer: it holds one mesh and one texture and calls `render`, `bake` and `inpaint`. Arrays are
numpy; images come as arrays ("np"), tensors ("th") or PIL images ("pl").
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InvalidMeshError, InvalidSettingError
from . import bake, cameras, inpaint
from .rasterizer import interpolate
from .render import SCALE, PreparedMesh, ViewRaster, prepare_mesh, to_bytes, uv_raster

_PERSPECTIVE = (49.13, 0.01, 100.0)  # field of view in degrees, near, far


class MeshRender:
    """Draws views of a mesh and bakes pictures of them back onto its texture.

    `use_antialias`, `max_mip_level`, `filter_mode`, `raster_mode` and `device` are accepted for
    compatibility and change nothing: there is one rasteriser, and it runs on the processor.
    """

    def __init__(
        self,
        camera_distance: float = cameras.DISTANCE,
        camera_type: str = "orth",
        default_resolution: int | Sequence[int] = 1024,
        texture_size: int | Sequence[int] = 1024,
        use_antialias: bool = True,
        max_mip_level: int | None = None,
        filter_mode: str = "linear",
        bake_mode: str = "linear",
        raster_mode: str = "cr",
        device: Any = "cpu",
    ) -> None:
        if camera_type not in ("orth", "perspective"):
            raise InvalidSettingError(
                f"camera_type is '{camera_type}'; choose 'orth' or 'perspective'"
            )
        if bake_mode != "linear":
            raise InvalidSettingError(f"bake_mode is '{bake_mode}'; only 'linear' exists")
        self.camera_distance = camera_distance
        self.camera_type = camera_type
        self.bake_angle_thres = bake.ANGLE_LIMIT
        self.set_default_render_resolution(default_resolution)
        self.set_default_texture_resolution(texture_size)
        # Fixed here: a later change of the resolution leaves it alone.
        self.bake_unreliable_kernel_size = bake.unreliable_radius(max(self.default_resolution))
        self.scale_factor = SCALE
        self.tex: np.ndarray | None = None
        self._mesh: PreparedMesh | None = None

    # --- mesh and texture -------------------------------------------------------------------------

    def set_default_render_resolution(self, default_resolution: int | Sequence[int]) -> None:
        self.default_resolution = _pair(default_resolution)

    def set_default_texture_resolution(self, texture_size: int | Sequence[int]) -> None:
        self.texture_size = _pair(texture_size)

    def to(self, device: Any) -> "MeshRender":
        return self

    def load_mesh(self, mesh: Any, scale_factor: float = SCALE, auto_center: bool = True) -> None:
        """Take a trimesh mesh, or a scene's meshes together, with UVs."""
        if hasattr(mesh, "to_mesh") and hasattr(mesh, "geometry"):
            mesh = mesh.to_mesh()
        uvs = getattr(mesh.visual, "uv", None)
        if uvs is None:
            raise InvalidMeshError("the mesh has no UVs; unwrap it first (hy3dgen.texgen.unwrap)")
        self.set_mesh(
            mesh.vertices, mesh.faces, uvs, scale_factor=scale_factor, auto_center=auto_center
        )

    def set_mesh(
        self,
        vtx_pos: Any,
        pos_idx: Any,
        vtx_uv: Any = None,
        uv_idx: Any = None,
        scale_factor: float = SCALE,
        auto_center: bool = True,
    ) -> None:
        """Take a mesh in the caller's axes, y up; the arrays stay as they are."""
        vertices = _array(vtx_pos)
        uvs = np.zeros((len(vertices), 2), np.float32) if vtx_uv is None else _array(vtx_uv)
        uv_faces = None if uv_idx is None else _array(uv_idx)
        self.scale_factor = scale_factor
        self._mesh = prepare_mesh(
            vertices, _array(pos_idx), uvs, uv_faces, scale_factor, auto_center
        )

    @property
    def vtx_pos(self) -> np.ndarray:
        return self.prepared.positions

    @property
    def vtx_uv(self) -> np.ndarray:
        return self.prepared.uvs

    def get_mesh(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Positions in the caller's axes but scaled, faces, UVs with v up, UV faces."""
        mesh = self.prepared
        return mesh.caller_positions, mesh.faces, mesh.caller_uvs, mesh.uv_faces

    def set_texture(self, tex: Any) -> None:
        """Take a texture: bytes, floats in 0..1, or a PIL image; resized to `texture_size`."""
        from PIL import Image

        if not isinstance(tex, Image.Image):
            array = _array(tex)
            tex = Image.fromarray(array if array.dtype == np.uint8 else to_bytes(array))
        height, width = self.texture_size
        pixels = np.asarray(tex.resize((width, height)).convert("RGB"))
        self.tex = pixels.astype(np.float32) / np.float32(255)

    def get_texture(self) -> np.ndarray:
        """(H, W, 3) float32 in 0..1."""
        if self.tex is None:
            raise InvalidSettingError("no texture has been set; call set_texture first")
        return self.tex

    def save_mesh(self) -> Any:
        """A trimesh mesh with the texture and a material that is not metallic."""
        from .materials import textured_trimesh

        vertices, faces, uvs, uv_faces = self.get_mesh()
        if uv_faces is not faces:
            vertices, faces, uvs = _split(vertices, faces, uvs, uv_faces)
        return textured_trimesh(vertices, faces, uvs, to_bytes(self.get_texture()))

    # --- views ------------------------------------------------------------------------------------

    def raster_view(
        self,
        elev: float,
        azim: float,
        camera_distance: float | None = None,
        center: Sequence[float] | None = None,
        resolution: int | Sequence[int] | None = None,
    ) -> ViewRaster:
        """One pass of a view; every map can be read off it."""
        size = self.default_resolution if resolution is None else _pair(resolution)
        distance = self.camera_distance if camera_distance is None else camera_distance
        matrix = cameras.view_matrix(elev, azim, distance, center)
        return ViewRaster(self.prepared, matrix, size, self.projection(size))

    def projection(self, size: tuple[int, int]) -> np.ndarray:
        """(4, 4) from camera to clip space, for pictures of this (height, width)."""
        if self.camera_type == "perspective":
            field, near, far = _PERSPECTIVE
            return cameras.perspective(field, size[1] / size[0], near, far)
        return cameras.standard_projection()

    def render_normal(
        self,
        elev: float,
        azim: float,
        camera_distance: float | None = None,
        center: Sequence[float] | None = None,
        resolution: int | Sequence[int] | None = None,
        bg_color: Sequence[float] = (1, 1, 1),
        use_abs_coor: bool = False,
        normalize_rgb: bool = True,
        return_type: str = "th",
    ) -> Any:
        """Normals, of the mesh (`use_abs_coor`) or as the camera sees them; (H, W, 3)."""
        raster = self.raster_view(elev, azim, camera_distance, center, resolution)
        normals = raster.normals(use_abs_coor, background=0.0)
        normals[~raster.visible] = np.asarray(bg_color, np.float32)
        if normalize_rgb:
            normals = (normals + np.float32(1)) * np.float32(0.5)
        return _as_type(normals, return_type)

    def render_position(
        self,
        elev: float,
        azim: float,
        camera_distance: float | None = None,
        center: Sequence[float] | None = None,
        resolution: int | Sequence[int] | None = None,
        bg_color: Sequence[float] = (1, 1, 1),
        return_type: str = "th",
    ) -> Any:
        """Places on the object as colours, (H, W, 3)."""
        raster = self.raster_view(elev, azim, camera_distance, center, resolution)
        positions = raster.positions(self.scale_factor)
        positions[~raster.visible] = np.asarray(bg_color, np.float32)
        return _as_type(positions, return_type)

    def render_depth(
        self,
        elev: float,
        azim: float,
        camera_distance: float | None = None,
        center: Sequence[float] | None = None,
        resolution: int | Sequence[int] | None = None,
        return_type: str = "th",
    ) -> Any:
        """From 0, far, to 1, near; (H, W, 1)."""
        raster = self.raster_view(elev, azim, camera_distance, center, resolution)
        return _as_type(raster.depth[..., None], return_type)

    def render_sketch_from_depth(self, depth_image: Any) -> np.ndarray:
        """Lines of a depth image (H, W, 1), as 0 and 1 in float32."""
        from .edges import find_edges

        depth = to_bytes(_array(depth_image)[..., 0])
        return find_edges(depth, 30, 80).astype(np.float32)[..., None]

    def render_sketch_from_geometry(self, elev: float, azim: float, **view: Any) -> np.ndarray:
        """Lines where depth jumps or the surface turns sharply, (H, W, 1) float32."""
        raster = self.raster_view(elev, azim, **view)
        lines = np.maximum(raster.depth_edges(), raster.normal_edges())
        return lines.astype(np.float32)[..., None]

    def convert_normal_map(self, image: Any) -> Any:
        """A rendered normal image (PIL, or bytes) in the convention where blue is the front."""
        from PIL import Image

        pixels = np.array(image)
        background = (pixels == 255).all(axis=-1)
        normals = pixels.astype(np.float32) / 255 * 2 - 1
        x, y, z = np.moveaxis(normals, -1, 0)
        turned = np.stack([-x, z, -y], axis=-1)
        result = ((turned + 1) / 2 * 255).astype(np.uint8)
        result[background] = (127, 127, 255)
        return Image.fromarray(result)

    def uv_feature_map(self, vert_feat: Any) -> np.ndarray:
        """(H, W, C) attributes of vertices (V, C) at the texels of their faces; 0 elsewhere."""
        mesh = self.prepared
        numbers, weights = uv_raster(mesh, max(self.texture_size))
        return interpolate(_array(vert_feat), numbers, weights, mesh.faces)

    def render_uvpos(self, return_type: str = "th") -> Any:
        """(H, W, 3) places of the texels in the renderer's axes, -1..1 as 0..1; 0 outside."""
        return _as_type(self.uv_feature_map(self.prepared.positions / 2 + 0.5), return_type)

    # --- baking -----------------------------------------------------------------------------------

    def back_project(
        self,
        image: Any,
        elev: float,
        azim: float,
        camera_distance: float | None = None,
        center: Sequence[float] | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A picture of a view on the texture: colour, cosines (H, W, 1), and a map of zeros."""
        pixels = np.asarray(image) if hasattr(image, "convert") else _array(image)
        size = pixels.shape[:2]
        raster = self.raster_view(elev, azim, camera_distance, center, size)
        geometry = bake.view_geometry(
            raster, self.bake_unreliable_kernel_size, self.bake_angle_thres
        )
        baked = bake.bake_view(geometry, pixels, max(self.texture_size))
        cosines = baked.cosines[..., None]
        return baked.colour, cosines, np.zeros_like(cosines)

    def fast_bake_texture(
        self, textures: Sequence[Any], cos_maps: Sequence[Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Merged colour (H, W, C) and where it is painted, (H, W, 1) bool.

        `cos_maps` are cosines that have been weighted and raised to their power already.
        """
        views = [
            bake.BakedView(_array(texture), _array(cosines).reshape(np.shape(texture)[:2]))
            for texture, cosines in zip(textures, cos_maps, strict=True)
        ]
        texture, painted = bake.merge(views, [1.0] * len(views), exponent=1)
        return texture, painted[..., None]

    def uv_inpaint(self, texture: Any, mask: Any) -> np.ndarray:
        """(H, W, 3) uint8: the texture with everything filled that `mask` (0 or 255) lacks."""
        texture, mask = _array(texture), _array(mask)
        vertices, faces, uvs, uv_faces = self.get_mesh()
        mask = mask.reshape(mask.shape[:2])
        filled = inpaint.fill_along_mesh(texture, mask, vertices, faces, uvs, uv_faces)
        return inpaint.fill_rest(*filled)

    @property
    def prepared(self) -> PreparedMesh:
        """The mesh in the renderer's axes and scale."""
        if self._mesh is None:
            raise InvalidMeshError("no mesh has been loaded; call load_mesh first")
        return self._mesh


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(size, (int, np.integer)):
        return int(size), int(size)
    height, width = size
    return int(height), int(width)


def _array(value: Any) -> np.ndarray:
    """A numpy array of an array, a list, or a tensor on any device."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def _as_type(image: np.ndarray, return_type: str) -> Any:
    if return_type == "np":
        return image
    if return_type == "th":
        import torch

        return torch.from_numpy(image)
    if return_type == "pl":
        from PIL import Image

        return Image.fromarray(
            to_bytes(image).squeeze(-1) if image.shape[-1] == 1 else to_bytes(image)
        )
    raise InvalidSettingError(f"return_type is '{return_type}'; choose 'np', 'th' or 'pl'")


def _split(vertices, faces, uvs, uv_faces) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A mesh whose vertices have one uv each, from corners that name the two apart."""
    pairs = np.stack([faces.ravel(), uv_faces.ravel()], axis=1)
    unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
    return (
        vertices[unique[:, 0]],
        inverse.reshape(-1, 3).astype(np.int32),
        uvs[unique[:, 1]],
    )
