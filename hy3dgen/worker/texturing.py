# SPDX-License-Identifier: Apache-2.0
"""The task `texture`: a mesh and a picture in, UVs and the painted texture out."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hy3dgen.errors import InvalidMeshError, MissingDependencyError
from hy3dgen.mesh import TriangleMesh, reduce_faces
from hy3dgen.mesh.uv_map import UVMap, from_corners
from hy3dgen.texgen.beside import beside
from hy3dgen.texgen.stage_cache import StageCache, digest
from hy3dgen.texgen.transfer import REDUCED_FACES, to_full_detail
from hy3dgen.worker import unwrap
from hy3dgen.worker.engines import Engine
from hy3dgen.worker.machine import peak_memory_mb
from hy3dgen.worker.parameters import Parameter, check_arrays, check_parameters
from hy3dgen.worker.server import TaskContext
from hy3dgen.worker.stages import Stages, Views, choose_picture

if TYPE_CHECKING:
    from hy3dgen.texgen.find_view import FoundView
    from hy3dgen.texgen.from_picture import Painted
    from hy3dgen.texgen.materials import TextureMaps

Arrays = dict[str, np.ndarray]
Values = dict[str, Any]

_TEXTURE = {
    "picture": Parameter(str, high=4096),
    "texture_size": Parameter(int, 64, 8192, default=1024),
    "unwrap": Parameter(str, choices=("box", "xatlas", "keep"), default="box"),
    # A mesh that needs UVs and has more faces is painted as a reduced one; 0: never. That is the
    # result, as new `vertices` and `faces`, unless `full_detail` brings its texture to all faces.
    "reduce_above": Parameter(int, 0, 2**31, default=0),
    "reduced_faces": Parameter(int, 4, 2**31, default=REDUCED_FACES),
    "full_detail": Parameter(bool, default=False),
    "unwrap_seconds": Parameter(float, 0.1, 3600, default=unwrap.SECONDS),
    # From where the picture shows the mesh, in degrees; left out: found by its outline.
    "elevation": Parameter(float, -90, 90),
    "azimuth": Parameter(float, -360, 360),
    # A folder or repository with a painting network; left out: from the picture alone.
    "model": Parameter(str, high=4096),
    "subfolder": Parameter(str, high=256, default="hunyuan3d-paint-v2-0-turbo"),
    "seed": Parameter(int, 0, 2**53, default=0),
    "num_inference_steps": Parameter(int, 1, 1000),
    "guidance_scale": Parameter(float, 0, 100),
    "delight": Parameter(bool, default=True),
    # Left out: where a GPU, or `max_memory` bytes of it, has not what the usual way needs.
    "low_memory": Parameter(bool),
    "max_memory": Parameter(float, 1, 2**50),
    "allow_download": Parameter(bool, default=False),
}


class Texturer:
    """The task, with the engine that reads pictures in this Python."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.cache = StageCache()
        self._painter = Painter(self.cache)

    def __call__(
        self, params: Values, arrays: Arrays, context: TaskContext
    ) -> tuple[Values, Arrays]:
        """`colour` (H, W, 3) uint8 and `uvs` (3 F, 2), v up, for `vertices` and `faces`.

        The picture comes as the file `picture` or the array `image`; with the unwrap "keep" the
        mesh's own `uvs` (3 F, 2) are used, and the value `overlapping_uvs` tells which share of
        them lies on others. Faces that are parts of one polygon carry its number
        in `polygons` (F,) int32; polygons stay whole. A large mesh may be reduced first, see
        `reduce_above`: the value `faces` tells how many were painted.

        With a `model` its network paints six views; without, the picture is laid onto the mesh as
        it is. A network that paints them gives `metallic_roughness` (H, W, 3) uint8 too, linear
        and as in glTF: green roughness, blue metallic. Previews (see `stages.Views`) show the
        cut-out picture and each painted view.

        What depends on mesh or picture alone is kept for a second texture of the same.
        """
        settings = check_parameters(params, _TEXTURE)
        check_arrays(arrays, ("vertices", "faces"), optional=("image", "uvs", "polygons"))
        mesh = TriangleMesh(arrays["vertices"], arrays["faces"])
        mesh.require_faces("painting")
        stages = Stages(context)
        source = choose_picture(settings["picture"], arrays.get("image"))
        stages.progress("prepare picture", 0, 1)
        picture = np.asarray(self._engine.cut_out(source))
        views = Views(context)
        views.add(picture)
        original, polygons = mesh, _check_polygons(arrays.get("polygons"), mesh)
        mesh = reduced_if_large(mesh, settings, stages, self.cache)
        whole = polygons if mesh is original else None

        def unwrap_it(report: Callable[[float], object]) -> tuple[UVMap, str]:
            return _unwrap(mesh, whole, arrays, settings, report, self.cache)

        if settings["model"] is None:
            stages.progress("unwrap", 0, 100)
            uv_map, how = unwrap_it(lambda done: stages.progress("unwrap", round(100 * done), 100))
            maps, told = self._from_picture(mesh, uv_map, picture, settings, stages)
        else:
            with beside(lambda check: unwrap_it(lambda done: check())) as unwrapped:
                self._painter.load(settings, stages)
                if unwrapped.done():
                    unwrapped.result()  # tells what is wrong with UVs before it takes longer
                reference = self._painter.reference(picture, settings, stages, views)
                stages.progress("unwrap", 0, 1)
                uv_map, how = unwrapped.result()
            maps = self._painter.paint(mesh, uv_map, reference, settings, stages, views)
            told = {"seed": settings["seed"]}
        values: Values = {"unwrap": how, "faces": len(mesh.faces)}
        if how == "keep":
            values["overlapping_uvs"] = round(_overlap(uv_map), 4)
        found: Arrays = {}
        if mesh is not original and settings["full_detail"]:
            maps, uv_map = to_full_detail(
                mesh, uv_map, maps, original,
                lambda done: stages.progress("transfer", done, 100), polygons,
            )  # fmt: skip
        elif mesh is not original:
            found = {"vertices": mesh.vertices, "faces": mesh.faces}
        found |= {"uvs": uv_map.corners, "colour": maps.colour}
        if maps.metallic_roughness is not None:
            from hy3dgen.texgen.materials import as_gltf

            found["metallic_roughness"] = as_gltf(maps.metallic_roughness)
        values |= told | {"stages": stages.finish(), "peak_memory": peak_memory_mb()}
        return values, found

    def _from_picture(
        self,
        mesh: TriangleMesh,
        uv_map: UVMap,
        picture: np.ndarray,
        settings: Values,
        stages: Stages,
    ) -> tuple["TextureMaps", Values]:
        """The texture, and what is told of it."""
        from hy3dgen.texgen.materials import TextureMaps

        view = settings["elevation"], settings["azimuth"]
        size = settings["texture_size"]
        painted = _paint(mesh, uv_map, picture, size, stages, *view, self.cache)
        return TextureMaps(painted.colour), {
            "elevation": float(painted.view.elevation),
            "azimuth": float(painted.view.azimuth),
            "overlap": round(float(painted.view.overlap), 4),
            "shown": round(float(painted.shown), 4),
            "mirrored": round(float(painted.mirrored), 4),
        }

    def clear_cache(
        self, params: Values, arrays: Arrays, context: TaskContext
    ) -> tuple[Values, Arrays]:
        """The task `clear_cache`: what was kept for a second texture is gone; its `bytes`."""
        check_parameters(params, {})
        check_arrays(arrays, ())
        freed = self.cache.bytes
        self.cache.clear()
        return {"bytes": freed}, {}


class Painter:
    """The painting network of one model, kept loaded."""

    def __init__(self, cache: StageCache) -> None:
        self._cache = cache
        self._key: tuple | None = None
        self._pipeline: Any = None

    def reference(self, picture: np.ndarray, settings: Values, stages: Stages, views: Views) -> Any:
        """The RGB PIL image to paint from, with light and shadow gone if that is asked for."""
        from PIL import Image

        reference = self._pipeline.recenter_image(Image.fromarray(picture))
        if not settings["delight"]:
            return over_white(reference)
        reference = self._pipeline.delight(reference, stages.progress)
        views.add(np.asarray(reference.convert("RGB")))
        return reference

    def paint(
        self,
        mesh: TriangleMesh,
        uv_map: UVMap,
        reference: Any,
        settings: Values,
        stages: Stages,
        views: Views,
    ) -> "TextureMaps":
        """The texture, S pixels a side."""
        asked = {
            name: settings[name]
            for name in ("num_inference_steps", "guidance_scale")
            if settings[name] is not None
        }
        return self._pipeline.paint_maps(
            mesh.vertices[uv_map.vertices],
            uv_map.faces,
            uv_map.uvs,
            [reference],
            seed=settings["seed"],
            texture_size=settings["texture_size"],
            progress=stages.progress,
            preview=lambda view: views.add(np.asarray(view.convert("RGB"))),
            **asked,
        )

    def load(self, settings: Values, stages: Stages) -> None:
        """The model that is asked for, unless it is there."""
        stages.progress("load model", 0, 1)
        wishes = (settings[name] for name in ("model", "subfolder", "low_memory", "max_memory"))
        key = *wishes, _stamps(settings["model"], settings["subfolder"])
        if key != self._key:
            try:
                from hy3dgen.texgen.model_loading import memory_is_short
                from hy3dgen.texgen.pipelines import Hunyuan3DPaintPipeline
            except ImportError as error:
                raise MissingDependencyError(
                    f"the Python at {sys.executable} cannot load PyTorch ({error}), and painting "
                    "with a model needs it; choose a Python with PyTorch, or texture from the "
                    "picture only"
                ) from error

            self._key = self._pipeline = None  # make room before loading
            pipeline = Hunyuan3DPaintPipeline.from_pretrained(
                settings["model"],
                settings["subfolder"],
                local_files_only=not settings["allow_download"],
            )
            little = settings["low_memory"]
            if little is None:
                little = memory_is_short(pipeline.device, settings["max_memory"])
            if little:
                pipeline.enable_model_cpu_offload(device=pipeline.device)
            pipeline.cache = self._cache
            self._key, self._pipeline = key, pipeline


def _stamps(model: str, subfolder: str) -> tuple:
    """Change when files of a model's folders do; empty for a repository."""
    from hy3dgen.texgen.config import DELIGHT_FOLDER
    from hy3dgen.texgen.stage_cache import stamp_of

    return tuple(stamp_of(Path(model, name)) for name in (DELIGHT_FOLDER, subfolder))


def over_white(image: Any) -> Any:
    """An RGB PIL image of one that may be transparent."""
    from PIL import Image

    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image, mask=image.getchannel("A"))
    return white


def paint_new_mesh(
    mesh: TriangleMesh, picture: np.ndarray, texture_size: int, stages: Stages
) -> Arrays:
    """`colour` and `uvs`, as the task gives them, of a mesh that has no UVs yet."""
    stages.progress("unwrap", 0, 100)
    uv_map, _ = unwrap.unwrap(mesh, "box")
    painted = _paint(mesh, uv_map, picture, texture_size, stages)
    return {"uvs": uv_map.corners, "colour": painted.colour}


def _paint(
    mesh: TriangleMesh,
    uv_map: UVMap,
    picture: np.ndarray,
    texture_size: int,
    stages: Stages,
    elevation: float | None = None,
    azimuth: float | None = None,
    cache: StageCache | None = None,
) -> "Painted":
    from hy3dgen.texgen.from_picture import look_for_view, paint_from_picture
    from hy3dgen.texgen.render import prepare_mesh

    prepared = prepare_mesh(mesh.vertices, mesh.faces, uv_map.uvs, uv_map.faces)

    def look() -> "FoundView":
        return look_for_view(prepared, picture, elevation, azimuth, stages.progress)

    if cache is None:
        view = look()
    else:
        angles = elevation, azimuth
        key = digest("view", mesh.vertices, mesh.faces, picture[..., 3], angles)
        view = cache.get(key, look, lambda found: found.matrix.nbytes + found.projection.nbytes)
    return paint_from_picture(prepared, picture, texture_size, view, stages.progress)


def reduced_if_large(
    mesh: TriangleMesh, settings: Values, stages: Stages, cache: StageCache
) -> TriangleMesh:
    """The mesh that is painted; see `reduce_above`."""
    if settings["unwrap"] == "keep" or not 0 < settings["reduce_above"] < len(mesh.faces):
        return mesh
    stages.progress("reduce", 0, 100)
    # The shape of a mesh that only carries the texture over need not be the best.
    wish = settings["reduced_faces"], "fast" if settings["full_detail"] else "quality"
    return cache.get(
        digest("reduce", wish, mesh.vertices, mesh.faces),
        lambda: reduce_faces(
            mesh, *wish, lambda done: stages.progress("reduce", round(100 * done), 100)
        ),
        lambda found: found.vertices.nbytes + found.faces.nbytes,
    )


def _unwrap(
    mesh: TriangleMesh,
    polygons: np.ndarray | None,
    arrays: Arrays,
    settings: Values,
    report: Callable[[float], object],
    cache: StageCache,
) -> tuple[UVMap, str]:
    """UVs, and how they were made; `report` is called now and then and may raise."""
    if settings["unwrap"] == "keep":
        if "uvs" not in arrays:
            raise InvalidMeshError("the mesh has no UVs to keep; choose another unwrap")
        return from_corners(arrays["uvs"], mesh.faces), "keep"
    wish = settings["unwrap"], settings["unwrap_seconds"]
    whole = np.empty(0) if polygons is None else polygons
    return cache.get(
        digest("unwrap with polygons", wish, mesh.vertices, mesh.faces, whole),
        lambda: unwrap.unwrap(mesh, *wish, report, polygons),
        lambda found: found[0].uvs.nbytes + found[0].faces.nbytes + found[0].vertices.nbytes,
    )


def _overlap(uv_map: UVMap) -> float:
    from hy3dgen.texgen.uv_overlap import overlapping_share

    return overlapping_share(uv_map.uvs, uv_map.faces)


def _check_polygons(polygons: np.ndarray | None, mesh: TriangleMesh) -> np.ndarray | None:
    if polygons is None:
        return None
    count = len(mesh.faces)
    if polygons.shape != (count,) or polygons.dtype.kind not in "iu":
        raise InvalidMeshError(
            f"polygons is {polygons.dtype} of shape {polygons.shape}; send one whole number for "
            f"each of the {count} faces"
        )
    if polygons.min() < 0 or polygons.max() >= count:
        raise InvalidMeshError(
            f"polygons are numbered {polygons.min()} to {polygons.max()}; with {count} faces the "
            f"numbers are 0 to {count - 1}"
        )
    return polygons.astype(np.int64)


def unwrap_here(params: Values, arrays: Arrays, context: TaskContext) -> tuple[Values, Arrays]:
    """The task `unwrap`: UVs of `vertices`, `faces`, in this very process and without a limit."""
    settings = check_parameters(
        params, {"method": Parameter(str, choices=("box", "xatlas"), default="box")}
    )
    check_arrays(arrays, ("vertices", "faces"))
    mesh = TriangleMesh(arrays["vertices"], arrays["faces"])
    context.progress("unwrap", 0, 100)
    if settings["method"] == "xatlas":
        from hy3dgen.mesh.xatlas_engine import xatlas_unwrap

        found = xatlas_unwrap(mesh)
    else:
        from hy3dgen.mesh.box_unwrap import box_unwrap

        found = box_unwrap(
            mesh, progress=lambda done: context.progress("unwrap", round(100 * done), 100)
        )
    return {}, {"uvs": found.uvs, "faces": found.faces, "vertices": found.vertices}
