# SPDX-License-Identifier: Apache-2.0
"""The way from a mesh and a picture to a textured mesh, stage by stage."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import torch

from ..mesh import TriangleMesh, reduce_faces
from ..shapegen.devices import pick_device
from ..shapegen.offload import Offload
from ..worker.unwrap import SECONDS
from . import cameras
from .beside import beside
from .charts import charts_of
from .config import TURBO_FOLDER, Hunyuan3DTexGenConfig
from .delight import LightShadowRemover
from .fill_on_device import (
    Gaps,
    fill_along_mesh_on_device,
    fill_rest_on_device,
    find_gaps,
)
from .hunyuanpaint.pipeline import GUIDANCE, STEPS, HunyuanPaintPipeline
from .inpaint import fill_along_mesh, fill_rest
from .material_bake import ALBEDO, METALLIC_ROUGHNESS, bake_materials
from .materials import TextureMaps, set_texture
from .mesh_render import MeshRender
from .model_loading import load_models, locate_model
from .published_methods import PublishedMethods
from .reference_image import references_of
from .stage_cache import StageCache, digest, stamp_of
from .standard_views import DrawnViews, bake_views, draw_views
from .super_resolution import SuperResolution
from .transfer import LARGE_MESH, REDUCED_FACES, to_full_detail
from .views_on_device import (
    Baking,
    ViewsOnDevice,
    bake_views_on_device,
    draw_views_on_device,
    plan_baking,
)

Progress = Callable[[str, int, int], object]


class Hunyuan3DPaintPipeline(PublishedMethods):
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
        delight = config.light_remover_ckpt_path
        self._delight_weights = str(delight), stamp_of(delight)
        self.models = load_models(config, self.device, dtype) if models is None else models

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
        config = locate_model(model_path, subfolder, local_files_only)
        config.device = str(pick_device(device))
        return cls(config, dtype=dtype)

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
        full_detail: bool | None = None,
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
        face_count : reduce the mesh to so many faces first; None: to 40,000 if it has more than
            200,000 and needs new charts, and then the result has all faces again
        full_detail : where the mesh was reduced, bring the texture back to all of its faces, which
            then get charts from six sides; None: if it was not asked for by a `face_count`
        progress : `progress(stage, step, total)` with stages "reduce", "delight", "unwrap",
            "draw views", "paint views", "bake", "fill" and "transfer"; what it raises ends the
            call, with `mesh` as it was
        preview : called with each painted view, a PIL image
        """
        report = progress or (lambda stage, step, total: None)
        pictures = references_of(image)
        target = mesh.to_mesh() if hasattr(mesh, "geometry") else mesh
        work = TriangleMesh(np.asarray(target.vertices), np.asarray(target.faces))
        work.require_faces("painting")
        original, own_uvs = work, getattr(target.visual, "uv", None)
        if full_detail is None:
            full_detail = face_count is None
        if face_count is None and len(work.faces) > LARGE_MESH:
            face_count = REDUCED_FACES
        if face_count is not None and len(work.faces) > face_count and unwrap_method != "keep":
            report("reduce", 0, 1)
            work = reduce_faces(work, face_count, "quality")
        with beside(
            lambda check: charts_of(work, own_uvs, unwrap_method, unwrap_seconds, self.cache, check)
        ) as unwrapped:
            references = [self.delight(one, report) for one in pictures] if delight else pictures
            report("unwrap", 0, 1)
            uv_map = unwrapped.result()
        vertices = work.vertices[uv_map.vertices]
        maps = self.paint_maps(
            vertices, uv_map.faces, uv_map.uvs, references,
            seed=seed, num_inference_steps=num_inference_steps, guidance_scale=guidance_scale,
            progress=report, preview=preview,
        )  # fmt: skip
        if full_detail and work is not original:
            maps, uv_map = to_full_detail(
                work, uv_map, maps, original, lambda done: report("transfer", done, 100)
            )
            vertices = original.vertices[uv_map.vertices]
        target.vertices = vertices
        target.faces = uv_map.faces
        set_texture(target, uv_map.uvs, *maps)
        return target

    def paint(
        self,
        vertices: np.ndarray,
        faces: np.ndarray,
        uvs: np.ndarray,
        references: Sequence[Any],
        **settings: Any,
    ) -> np.ndarray:
        """(S, S, 3) uint8, the colours alone of what `paint_maps` gives."""
        return self.paint_maps(vertices, faces, uvs, references, **settings).colour

    def paint_maps(
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
    ) -> TextureMaps:
        """The texture, S pixels a side, of a mesh whose vertices have one UV each.

        `references` are RGB PIL images with light and shadow gone. A model that gives a picture of
        each view has colours only; one that gives {"albedo": pictures, "mr": pictures} has metallic
        and roughness too.
        """
        config = self.config
        report = progress or (lambda stage, step, total: None)
        size = texture_size or config.texture_size
        self.render.set_default_texture_resolution(size)
        self.render.set_mesh(vertices, faces, uvs)
        report("draw views", 0, 1)
        views = self._draw(vertices, faces, uvs)
        baking = self._plan_baking(views, size)
        with beside(lambda check: self._find_gaps(baking, check)) as gaps:
            pictures = self._paint_views(
                references, views, report, preview, seed=seed,
                num_inference_steps=num_inference_steps, guidance_scale=guidance_scale,
            )  # fmt: skip
            report("bake", 0, 1)
            if METALLIC_ROUGHNESS in pictures:
                device = self.device if self.device.type == "cuda" else None
                return bake_materials(
                    self.render.prepared, pictures, self._views(), size, config.bake_exp, report,
                    device=device,
                )  # fmt: skip
            return TextureMaps(self._bake_and_fill(views, pictures[ALBEDO], baking, gaps, report))

    # --- the stages -------------------------------------------------------------------------------

    def delight(self, picture: Any, progress: Progress | None = None) -> Any:
        """A recentred PIL picture in RGB with light and shadow gone, or what is kept of that."""
        report = progress or (lambda stage, step, total: None)
        model = self.models["delight_model"]
        report("delight", 0, 1)
        pixels = np.asarray(picture)
        ours = isinstance(model, LightShadowRemover)
        options = {"progress": report} if ours else {}
        return self.cache.get(
            digest("delight", self._delight_weights, model.steps if ours else None, pixels),
            lambda: model(picture, **options),
            lambda result: np.asarray(result).nbytes,
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

        render = self.render
        settings = (
            *(str(self.device), size if on_device else None, elevations, azimuths),
            *(render.default_resolution, render.camera_distance, render.camera_type),
            *(render.bake_angle_thres, render.bake_unreliable_kernel_size),
        )
        return self.cache.get(
            digest("views", vertices, faces, uvs, settings),
            draw,
            lambda views: views.bytes,
        )

    def _plan_baking(self, views: DrawnViews | ViewsOnDevice, size: int) -> Baking | None:
        """None for baking in arrays, which plans nothing."""
        if not isinstance(views, ViewsOnDevice):
            return None
        weights = self.config.candidate_view_weights
        return plan_baking(views.geometries, weights, size, self.config.bake_exp)

    def _find_gaps(self, baking: Baking | None, check: Callable[[], None]) -> Gaps | None:
        """In which order gaps will be filled: where they are is known before their colours."""
        if baking is None:
            return None
        mesh = self.render.get_mesh()[:3]
        return self.cache.get(
            digest("gaps", str(self.device), baking.painted, *mesh),
            lambda: find_gaps(baking.painted, *mesh, self.device, check),
            lambda gaps: gaps.bytes,
        )

    def _bake_and_fill(
        self,
        views: DrawnViews | ViewsOnDevice,
        pictures: Sequence[np.ndarray],
        baking: Baking | None,
        gaps: Future,
        report: Progress,
    ) -> np.ndarray:
        """(S, S, 3) uint8."""

        def along(done: float) -> None:
            report("fill", round(50 * done), 100)

        def rest(done: float) -> None:
            report("fill", round(50 + 50 * done), 100)

        mesh = self.render.get_mesh()
        if isinstance(views, ViewsOnDevice):
            assert baking is not None
            texture = bake_views_on_device(views.geometries, pictures, baking)
            report("fill", 0, 100)
            known = gaps.result()
            mask = fill_along_mesh_on_device(texture, known, *mesh[:2], along)
            return fill_rest_on_device(texture, mask, known, rest)
        config = self.config
        size = self.render.texture_size[0]
        settings = config.candidate_view_weights, size, config.bake_exp
        in_arrays, painted = bake_views(views.geometries, pictures, *settings)
        report("fill", 0, 100)
        mask = painted.astype(np.uint8) * np.uint8(255)
        return fill_rest(*fill_along_mesh(in_arrays, mask, *mesh, along), rest)

    def _paint_views(
        self,
        references: Sequence[Any],
        views: DrawnViews | ViewsOnDevice,
        report: Progress,
        preview: Callable[[Any], None] | None,
        **settings: Any,
    ) -> dict[str, list[np.ndarray]]:
        """Each material's views, (S, S, 3) uint8; for baking in arrays as large as the view."""
        from PIL import Image

        model = self.models["multiview_model"]
        numbers = [cameras.camera_number(*view) for view in zip(*self._cameras(), strict=True)]
        controls = [Image.fromarray(image) for image in (*views.normals, *views.positions)]
        if isinstance(model, HunyuanPaintPipeline):
            settings |= {"progress": report, "preview": preview}
        else:
            settings = {}  # a model of the caller's has the published arguments only
        painted = model(list(references), controls, numbers, **settings)
        materials = painted if isinstance(painted, dict) else {ALBEDO: painted}

        def finish(picture: Any) -> np.ndarray:
            picture = picture.convert("RGB")
            if self.super_resolution is not None:
                picture = Image.fromarray(self.super_resolution(np.asarray(picture)))
            if isinstance(views, ViewsOnDevice) and len(materials) == 1:
                return np.asarray(picture)  # is made larger on the device
            return np.asarray(picture.resize((self.config.render_size,) * 2))

        return {name: [finish(one) for one in pictures] for name, pictures in materials.items()}

    def _views(self) -> list[cameras.View]:
        settings = zip(*self._cameras(), self.config.candidate_view_weights, strict=True)
        return [cameras.View(*one) for one in settings]

    def _cameras(self) -> tuple[list[float], list[float]]:
        return self.config.candidate_camera_elevs, self.config.candidate_camera_azims
