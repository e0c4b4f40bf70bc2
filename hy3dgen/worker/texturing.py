# SPDX-License-Identifier: Apache-2.0
"""The task `texture`: a mesh and a picture in, UVs and the painted texture out."""

from typing import TYPE_CHECKING, Any

import numpy as np

from hy3dgen.errors import InvalidMeshError
from hy3dgen.mesh import TriangleMesh
from hy3dgen.mesh.uv_map import UVMap, from_corners
from hy3dgen.worker import unwrap
from hy3dgen.worker.engines import Engine
from hy3dgen.worker.machine import peak_memory_mb
from hy3dgen.worker.parameters import Parameter, check_arrays, check_parameters
from hy3dgen.worker.server import TaskContext
from hy3dgen.worker.stages import Stages, choose_picture

if TYPE_CHECKING:
    from hy3dgen.texgen.from_picture import Painted

Arrays = dict[str, np.ndarray]
Values = dict[str, Any]

_TEXTURE = {
    "picture": Parameter(str, high=4096),
    "texture_size": Parameter(int, 64, 8192, default=1024),
    "unwrap": Parameter(str, choices=("box", "xatlas", "keep"), default="box"),
    "unwrap_seconds": Parameter(float, 0.1, 3600, default=unwrap.SECONDS),
    # From where the picture shows the mesh, in degrees; left out: found by its outline.
    "elevation": Parameter(float, -90, 90),
    "azimuth": Parameter(float, -360, 360),
}


class Texturer:
    """The task, with the engine that reads pictures in this Python."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(
        self, params: Values, arrays: Arrays, context: TaskContext
    ) -> tuple[Values, Arrays]:
        """`colour` (H, W, 3) uint8 and `uvs` (3 F, 2), v up, for `vertices` and `faces`.

        The picture comes as the file `picture` or the array `image`; with the unwrap "keep" the
        mesh's own `uvs` (3 F, 2) are used. Faces that are parts of one polygon carry its number
        in `polygons` (F,) int32; polygons stay whole.
        """
        settings = check_parameters(params, _TEXTURE)
        check_arrays(arrays, ("vertices", "faces"), optional=("image", "uvs", "polygons"))
        mesh = TriangleMesh(arrays["vertices"], arrays["faces"])
        mesh.require_faces("painting")
        stages = Stages(context)
        source = choose_picture(settings["picture"], arrays.get("image"))
        stages.progress("prepare picture", 0, 1)
        picture = np.asarray(self._engine.cut_out(source))
        uv_map, how = _unwrap(mesh, arrays, settings, stages)
        view = settings["elevation"], settings["azimuth"]
        painted = _paint(mesh, uv_map, picture, settings["texture_size"], stages, *view)
        values = {
            "stages": stages.finish(),
            "unwrap": how,
            "elevation": float(painted.view.elevation),
            "azimuth": float(painted.view.azimuth),
            "overlap": round(float(painted.view.overlap), 4),
            "shown": round(float(painted.shown), 4),
            "mirrored": round(float(painted.mirrored), 4),
            "peak_memory": peak_memory_mb(),
        }
        return values, {"uvs": uv_map.corners, "colour": painted.colour}


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
) -> "Painted":
    from hy3dgen.texgen.from_picture import paint_from_picture
    from hy3dgen.texgen.render import prepare_mesh

    prepared = prepare_mesh(mesh.vertices, mesh.faces, uv_map.uvs, uv_map.faces)
    return paint_from_picture(prepared, picture, texture_size, elevation, azimuth, stages.progress)


def _unwrap(
    mesh: TriangleMesh, arrays: Arrays, settings: Values, stages: Stages
) -> tuple[UVMap, str]:
    stages.progress("unwrap", 0, 100)
    if settings["unwrap"] == "keep":
        if "uvs" not in arrays:
            raise InvalidMeshError("the mesh has no UVs to keep; choose another unwrap")
        return from_corners(arrays["uvs"], mesh.faces), "keep"
    return unwrap.unwrap(
        mesh,
        settings["unwrap"],
        settings["unwrap_seconds"],
        lambda fraction: stages.progress("unwrap", round(100 * fraction), 100),
        _check_polygons(arrays.get("polygons"), mesh),
    )


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
