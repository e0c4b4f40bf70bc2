# SPDX-License-Identifier: Apache-2.0
"""The way from a mesh and a picture to a textured mesh, stage by stage."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import Cancelled, InvalidImageError, InvalidSettingError
from ..mesh import TriangleMesh, reduce_faces
from ..mesh.native.loader import March
from ..mesh.uv_map import UVMap, from_corners
from ..model_folders import locate_folders
from ..pictures import load_picture
from ..shapegen.devices import default_dtype, pick_device
from ..shapegen.offload import Offload
from ..worker.unwrap import SECONDS, unwrap
from . import cameras
from .config import TURBO_FOLDER, Hunyuan3DTexGenConfig
from .delight import LightShadowRemover
from .hunyuanpaint.pipeline import GUIDANCE, STEPS, HunyuanPaintPipeline
from .inpaint import fill_along_mesh, fill_rest, way_to_fill
from .materials import set_texture
from .mesh_render import MeshRender
from .reference_image import recenter_image
from .stage_cache import StageCache, digest
from .standard_views import DrawnViews, bake_views, draw_views
from .super_resolution import SuperResolution
from .transfer import to_full_detail
from .uv_overlap import NOTICED, overlapping_share, sentence
from .views_on_device import (
    Baking,
    ViewsOnDevice,
    bake_views_on_device,
    draw_views_on_device,
    plan_baking,
)

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int], object]
DELIGHT_FOLDER = "hunyuan3d-delight-v2-0"
# Never read, and large.
_SKIP = (
    *("*.py", "*.ckpt", "*/image_encoder/*", "hunyuan3d-paint*/text_encoder/*"),
    *("*/unet/*.bin", "hunyuan3d-delight*/*.bin"),
)


class Hunyuan3DPaintPipeline:
    """Paints a mesh in the colours of a picture.

    Attributes
    ----------
    models : "delight_model" and "multiview_model"
    render : `MeshRender` with the mesh of the last call
    super_resolution : a `SuperResolution` that makes views larger; None, as published: by
        interpolation
    cache : results of stages, for a second texture of the same mesh or picture
    """

    def __init__(
        self,
        config: Hunyuan3DTexGenConfig,
        models: dict[str, Any] | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """`models` are given to be used instead of loading those of the config."""
        self.config = config
        usual = config.device == "cuda" and not torch.cuda.is_available()
        self.device = pick_device(None if usual else config.device)
        self.render = MeshRender(
            default_resolution=config.render_size, texture_size=config.texture_size
        )
        self.cache = StageCache()
        self.super_resolution: SuperResolution | None = None
        self._offload: Offload | None = None
        self._weights = (str(config.light_remover_ckpt_path), str(config.multiview_ckpt_path))
        self.models = models if models is not None else self._load(dtype)

    @classmethod
    def from_pretrained(
        cls,
        model_path: str | os.PathLike[str],
        subfolder: str = TURBO_FOLDER,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        local_files_only: bool = False,
    ) -> "Hunyuan3DPaintPipeline":
        """Load a model folder, or a repository of the Hugging Face hub.

        See `hy3dgen.model_folders.locate_folders` for where it is looked for.

        Parameters
        ----------
        subfolder : "hunyuan3d-paint-v2-0-turbo", or "hunyuan3d-paint-v2-0" for 30 guided steps
        device : None picks a GPU if there is one, else the CPU
        dtype : None is float16 on a GPU and float32 on the CPU
        local_files_only : never download
        """
        Hunyuan3DTexGenConfig("", "", subfolder)  # an unknown name is told before any download
        delight, paint = locate_folders(
            model_path,
            (DELIGHT_FOLDER, subfolder),
            local_files_only=local_files_only,
            skip=_SKIP,
        )
        config = Hunyuan3DTexGenConfig(delight, paint, subfolder)
        config.device = str(pick_device(device))
        return cls(config, dtype=dtype)

    def _load(self, dtype: torch.dtype | None) -> dict[str, Any]:
        dtype = dtype or default_dtype(self.device)
        turbo = self.config.pipe_name.endswith("turbo")
        delight, paint = (Path(path) for path in self._weights)
        return {
            "delight_model": LightShadowRemover.from_folder(delight, self.device, dtype),
            "multiview_model": HunyuanPaintPipeline.from_folder(paint, turbo, self.device, dtype),
        }

    def enable_model_cpu_offload(
        self, gpu_id: int | None = None, device: str | torch.device = "cuda"
    ) -> None:
        """Keep networks in host memory; each moves to the device while it is used.

        Views then go through the autoencoder one by one: this is the mode for little memory.
        """
        where = pick_device(device)
        self.device = torch.device(where.type, gpu_id) if gpu_id is not None else where
        models = list(self.models.values())
        for model in models:
            model.save_memory()
        networks = [network for model in models for network in model.networks]
        self._offload = Offload(networks, self.device)
        for model in models:
            model.on_use = self._offload.use

    def __call__(
        self,
        mesh: Any,
        image: Any,
        *,
        seed: int = 0,
        num_inference_steps: int = STEPS,
        guidance_scale: float = GUIDANCE,
        delight: bool = True,
        unwrap_method: str = "auto",
        unwrap_seconds: float = SECONDS,
        face_count: int | None = None,
        full_detail: bool = False,
        progress: Progress | None = None,
        preview: Callable[[Any], None] | None = None,
    ) -> Any:
        """`mesh` itself, a trimesh mesh, with UVs and a texture; of a scene, its meshes as one.

        Where charts meet, its vertices are split.

        Parameters
        ----------
        mesh : trimesh mesh or scene, y up, facing +z
        image : picture, or a list of pictures of the same object: PIL image, path or array
        seed : of the painting; the same seed gives the same texture
        num_inference_steps, guidance_scale : of the base model; the turbo model has its own
        delight : take light and shadow out of the picture first
        unwrap_method : "auto" or "xatlas" for xatlas within `unwrap_seconds`, "box" for six
            sides, "keep" for the mesh's own UVs
        face_count : reduce the mesh to so many faces first
        full_detail : where the mesh was reduced, bring the texture back to all of its faces, which
            then get charts from six sides
        progress : `progress(stage, step, total)` with stages "delight", "unwrap", "draw views",
            "paint views", "bake", "fill" and "transfer"; what it raises ends the call, with `mesh`
            as it was
        preview : called with each painted view, a PIL image
        """
        report = progress or (lambda stage, step, total: None)
        pictures = self._references(image)
        target = mesh.to_mesh() if hasattr(mesh, "geometry") else mesh
        work = TriangleMesh(np.asarray(target.vertices), np.asarray(target.faces))
        work.require_faces("painting")
        original = work
        if face_count is not None and len(work.faces) > face_count and unwrap_method != "keep":
            work = reduce_faces(work, face_count, "quality")
        with _beside(
            lambda check: self._unwrap(target, work, unwrap_method, unwrap_seconds, check)
        ) as unwrapped:
            references = [self.delight(one, report) for one in pictures] if delight else pictures
            report("unwrap", 0, 1)
            uv_map = unwrapped.result()
        vertices = work.vertices[uv_map.vertices]
        texture = self.paint(
            vertices, uv_map.faces, uv_map.uvs, references,
            seed=seed, num_inference_steps=num_inference_steps, guidance_scale=guidance_scale,
            progress=report, preview=preview,
        )  # fmt: skip
        if full_detail and work is not original:
            texture, uv_map = to_full_detail(
                work, uv_map, texture, original, lambda done: report("transfer", done, 100)
            )
            vertices = original.vertices[uv_map.vertices]
        target.vertices = vertices
        target.faces = uv_map.faces
        set_texture(target, uv_map.uvs, texture)
        return target

    def paint(
        self,
        vertices: np.ndarray,
        faces: np.ndarray,
        uvs: np.ndarray,
        references: Sequence[Any],
        *,
        seed: int = 0,
        num_inference_steps: int = STEPS,
        guidance_scale: float = GUIDANCE,
        texture_size: int | None = None,
        progress: Progress | None = None,
        preview: Callable[[Any], None] | None = None,
    ) -> np.ndarray:
        """(S, S, 3) uint8, the texture of a mesh whose vertices have one UV each.

        `references` are RGB PIL images with light and shadow gone.
        """
        config = self.config
        report = progress or (lambda stage, step, total: None)
        size = texture_size or config.texture_size
        self.render.set_default_texture_resolution(size)
        self.render.set_mesh(vertices, faces, uvs)
        report("draw views", 0, 1)
        views = self._draw(vertices, faces, uvs)
        baking = self._plan_baking(views, size)
        with _beside(lambda check: self._way_to_fill(baking, check)) as way:
            pictures = self._paint_views(
                references, views, report, preview, seed=seed,
                num_inference_steps=num_inference_steps, guidance_scale=guidance_scale,
            )  # fmt: skip
            report("bake", 0, 1)
            texture, painted = self._bake(views, pictures, baking, size)
            report("fill", 0, 100)
            filled = fill_along_mesh(
                texture,
                painted.astype(np.uint8) * np.uint8(255),
                *self.render.get_mesh(),
                lambda fraction: report("fill", round(50 * fraction), 100),
            )
            return fill_rest(
                *filled,
                lambda fraction: report("fill", round(50 + 50 * fraction), 100),
                way.result(),
            )

    # --- the stages -------------------------------------------------------------------------------

    def _references(self, image: Any) -> list[Any]:
        pictures = list(image) if isinstance(image, (list, tuple)) else [image]
        if not pictures or any(picture is None for picture in pictures):
            raise InvalidImageError("no picture was given; pass a path, a PIL image or an array")
        return [self.recenter_image(_as_pil(picture)) for picture in pictures]

    def delight(self, picture: Any, progress: Progress | None = None) -> Any:
        """A recentred PIL picture in RGB with light and shadow gone, or what is kept of that."""
        report = progress or (lambda stage, step, total: None)
        model = self.models["delight_model"]
        report("delight", 0, 1)
        pixels = np.asarray(picture)
        options = {"progress": report} if isinstance(model, LightShadowRemover) else {}
        return self.cache.get(
            digest("delight", self._weights[0], pixels),
            lambda: model(picture, **options),
            lambda result: np.asarray(result).nbytes,
        )

    def _unwrap(
        self,
        target: Any,
        work: TriangleMesh,
        method: str,
        seconds: float,
        check: Callable[[], None],
    ) -> UVMap:
        if method == "keep":
            uvs = getattr(target.visual, "uv", None)
            if uvs is None:
                raise InvalidSettingError(
                    'the mesh has no UVs to keep; choose unwrap_method="auto"'
                )
            from_corners(np.asarray(uvs)[work.faces.ravel()], work.faces)  # raises if they don't do
            share = overlapping_share(np.clip(uvs, 0, 1), work.faces)
            if share > NOTICED:
                logger.warning(sentence(share))
            everyone = np.arange(len(work.vertices), dtype=np.int32)
            return UVMap(np.asarray(uvs, np.float32), work.faces, everyone)
        return self.cache.get(
            digest("unwrap", method, work.vertices, work.faces),
            lambda: unwrap(work, method, seconds, lambda fraction: check())[0],
            lambda found: found.uvs.nbytes + found.faces.nbytes + found.vertices.nbytes,
        )

    def _draw(
        self, vertices: np.ndarray, faces: np.ndarray, uvs: np.ndarray
    ) -> DrawnViews | ViewsOnDevice:
        elevations, azimuths = self._cameras()
        model = self.models["multiview_model"]
        size = model.size if isinstance(model, HunyuanPaintPipeline) else None
        on_device = self.device.type == "cuda"

        def draw() -> DrawnViews | ViewsOnDevice:
            if on_device:
                return draw_views_on_device(self.render, elevations, azimuths, self.device, size)
            return draw_views(self.render, elevations, azimuths)

        sizes = self.config.render_size, size if on_device else None
        return self.cache.get(
            digest("views", vertices, faces, uvs, elevations, azimuths, *sizes),
            draw,
            lambda views: views.bytes,
        )

    def _plan_baking(self, views: DrawnViews | ViewsOnDevice, size: int) -> Baking | None:
        """None for baking in arrays, which plans nothing."""
        if not isinstance(views, ViewsOnDevice):
            return None
        weights = self.config.candidate_view_weights
        return plan_baking(views.geometries, weights, size, self.config.bake_exp)

    def _way_to_fill(self, baking: Baking | None, check: Callable[[], None]) -> March | None:
        """In which order gaps will be filled: where they are is known before their colours."""
        if baking is None:
            return None
        mask = baking.painted.astype(np.uint8) * np.uint8(255)
        mesh = self.render.get_mesh()
        return self.cache.get(
            digest("gaps", mask, *mesh),
            lambda: way_to_fill(
                fill_along_mesh(
                    np.zeros((*mask.shape, 3), np.float32), mask, *mesh, lambda _: check()
                )[1],
                lambda _: check(),
            ),
            lambda way: 0 if way is None else sum(array.nbytes for array in way),
        )

    def _bake(
        self,
        views: DrawnViews | ViewsOnDevice,
        pictures: Sequence[np.ndarray],
        baking: Baking | None,
        size: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Texture (S, S, 3) float32 and where it is painted, (S, S) bool."""
        if isinstance(views, ViewsOnDevice):
            assert baking is not None
            return bake_views_on_device(views.geometries, pictures, baking), baking.painted
        weights = self.config.candidate_view_weights
        return bake_views(views.geometries, pictures, weights, size, self.config.bake_exp)

    def _paint_views(
        self,
        references: Sequence[Any],
        views: DrawnViews | ViewsOnDevice,
        report: Progress,
        preview: Callable[[Any], None] | None,
        **settings: Any,
    ) -> list[np.ndarray]:
        """Each view's picture, (S, S, 3) uint8; for baking in arrays as large as the view."""
        from PIL import Image

        model = self.models["multiview_model"]
        numbers = [cameras.camera_number(*view) for view in zip(*self._cameras(), strict=True)]
        controls = [Image.fromarray(image) for image in (*views.normals, *views.positions)]
        if isinstance(model, HunyuanPaintPipeline):
            settings |= {"progress": report, "preview": preview}
        else:
            settings = {}  # a model of the caller's has the published arguments only
        pictures = model(list(references), controls, numbers, **settings)
        if self.super_resolution is not None:
            pictures = [
                Image.fromarray(self.super_resolution(np.asarray(picture.convert("RGB"))))
                for picture in pictures
            ]
        if isinstance(views, ViewsOnDevice):
            return [np.asarray(picture.convert("RGB")) for picture in pictures]
        side = (self.config.render_size,) * 2
        return [np.asarray(picture.resize(side).convert("RGB")) for picture in pictures]

    def _cameras(self) -> tuple[list[float], list[float]]:
        return self.config.candidate_camera_elevs, self.config.candidate_camera_azims

    # --- the published methods --------------------------------------------------------------------

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


def _as_pil(picture: Any) -> Any:
    """A PIL image; paths and arrays are read as every picture here, PIL images stay."""
    from PIL import Image

    if isinstance(picture, Image.Image):
        return picture
    pixels = load_picture(picture)
    return Image.fromarray(pixels if (pixels[..., 3] < 255).any() else pixels[..., :3].copy())


@contextmanager
def _beside(function: Callable[[Callable[[], None]], Any]) -> Iterator[Future]:
    """Runs `function(check)` in a thread; `check` raises once the block has ended with an error."""
    stopped = threading.Event()

    def check() -> None:
        if stopped.is_set():
            raise Cancelled("the texture was given up")

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(function, check)
        try:
            yield future
        except BaseException:
            stopped.set()
            raise
