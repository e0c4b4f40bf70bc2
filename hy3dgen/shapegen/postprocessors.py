# SPDX-License-Identifier: Apache-2.0
"""What is done to a generated mesh before it is used: floaters, degenerate faces, face reduction.

The public names and call arguments of Hunyuan3D-2's postprocessors, on top of `hy3dgen.mesh`; no
torch and no files. Which types are taken, and what comes back for each, stands in `mesh_holders`;
a Scene stays a Scene. Inputs are never changed, and nothing to do gives the input itself back.
"""

import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidMeshError, InvalidSettingError
from ..mesh import files
from ..mesh.cleanup import select_faces, weld
from ..mesh.convert import to_trimesh
from ..mesh.face_target import TargetNotReachedWarning, check_target, tell_if_short
from ..mesh.native import loader
from ..mesh.pymeshlab_exchange import is_mesh_set, pymeshlab2trimesh, trimesh2pymeshlab
from ..mesh.triangle_mesh import TriangleMesh
from ..mesh.trimesh_changes import (
    Engine,
    KernelEngine,
    change_scene,
    floater_masks,
    reduce_scene,
    reduce_trimesh,
    remove_degenerate,
    remove_floaters_of,
)
from ..worker.pymeshlab_reduce import reduce_with_pymeshlab
from .mesh_holders import apply, kind_of, with_arrays

if TYPE_CHECKING:
    import pymeshlab
    import trimesh

__all__ = [
    "DegenerateFaceRemover",
    "FaceReducer",
    "FloaterRemover",
    "MeshSimplifier",
    "TargetNotReachedWarning",
    "export_mesh",
    "import_mesh",
    "load_mesh",
    "mesh_normalize",
    "pymeshlab2trimesh",
    "reduce_face",
    "reduce_face_trimesh",
    "remove_floater",
    "trimesh2pymeshlab",
]

Progress = Callable[[float], object]

METHODS = (*loader.METHODS, "pymeshlab")
_NORMALISED_RADIUS = 0.6  # of MeshSimplifier and mesh_normalize


class FaceReducer:
    """Reduces a mesh to at most `max_facenum` faces; a mesh with fewer stays as it is.

    Parameters
    ----------
    use_fast_method : take the method "fast" where a call names none, instead of "quality"
    """

    def __init__(self, use_fast_method: bool = False) -> None:
        self.use_fast_method = use_fast_method

    def __call__(
        self,
        mesh: Any,
        max_facenum: int = 40000,
        method: str | None = None,
        progress: Progress | None = None,
    ) -> Any:
        """`mesh` reduced, in a holder of the same type.

        A shape whose parts, holes and borders keep it from getting so small gives what could be
        reached and a TargetNotReachedWarning. Trimesh objects keep colours, UVs, textures,
        materials, normals and attributes (`hy3dgen.mesh.trimesh_attributes`).

        Parameters
        ----------
        mesh : see `mesh_holders`
        method : those of `hy3dgen.mesh.reduce_faces`, or "pymeshlab", where that is installed: it
            runs in a process of its own
        progress : called with a fraction 0..1; what it raises stops the work
        """
        max_facenum = check_target(max_facenum)
        method = method or ("fast" if self.use_fast_method else "quality")
        engine = _engine(method)
        result = apply(
            mesh,
            lambda triangles: engine(triangles, max_facenum, progress),
            lambda one: reduce_trimesh(one, max_facenum, engine, progress),
            lambda scene: reduce_scene(
                # The meshes share the cores among themselves.
                *(scene, max_facenum, _engine(method, 1 if len(scene.geometry) > 1 else None)),
                progress,
            ),
        )
        tell_if_short(max_facenum, face_count(result))
        return result


class FloaterRemover:
    """Removes parts with fewer faces than a ratio, 0.005, of the largest part's.

    Faces that meet at equal positions belong together, so UV seams make no floaters.
    """

    def __call__(self, mesh: Any, min_component_ratio: float = 0.005) -> Any:
        def on_triangles(triangles: TriangleMesh) -> TriangleMesh:
            (keep,) = floater_masks([triangles], min_component_ratio)
            return triangles if keep.all() else select_faces(triangles, keep)

        def on_meshes(meshes: list[Any]) -> list[Any]:
            return remove_floaters_of(meshes, min_component_ratio)

        return apply(
            mesh,
            on_triangles,
            lambda one: on_meshes([one])[0],
            lambda scene: change_scene(scene, on_meshes),
        )


class DegenerateFaceRemover:
    """Merges vertices at equal positions and removes the faces that use one of them twice.

    Vertices with different UVs or colours stay apart. Faces with three different vertices on one
    line stay: dropping them would open the surface.
    """

    def __call__(self, mesh: Any) -> Any:
        return apply(
            mesh,
            weld,
            remove_degenerate,
            lambda scene: change_scene(scene, lambda meshes: list(map(remove_degenerate, meshes))),
        )


class MeshSimplifier:
    """Reduces a mesh and normalises it as `mesh_normalize` does.

    Parameters
    ----------
    executable : the external program of old. It is not run any more; naming one warns.
    """

    def __init__(self, executable: str | os.PathLike | None = None) -> None:
        if executable is not None:
            warnings.warn(
                f"{executable} is not run: hy3dgen reduces meshes itself now; leave it out.",
                DeprecationWarning,
                stacklevel=2,
            )

    def __call__(
        self,
        mesh: Any,
        max_facenum: int = 40000,
        method: str = "quality",
        progress: Progress | None = None,
    ) -> Any:
        """Arguments as for `FaceReducer`."""
        return mesh_normalize(FaceReducer()(mesh, max_facenum, method, progress))


# --- functions ------------------------------------------------------------------------------------


def reduce_face(mesh: Any, max_facenum: int = 200000) -> Any:
    """`mesh` reduced with the method "quality"; see `FaceReducer`."""
    return FaceReducer()(mesh, max_facenum)


def reduce_face_trimesh(mesh: Any, max_facenum: int = 200000) -> Any:
    """`mesh` reduced with the method "fast"; see `FaceReducer`."""
    return FaceReducer(use_fast_method=True)(mesh, max_facenum)


def remove_floater(mesh: Any) -> Any:
    """`mesh` without floaters; see `FloaterRemover`."""
    return FloaterRemover()(mesh)


def load_mesh(path: str | os.PathLike) -> "trimesh.Trimesh":
    """The meshes of a file as one, with their visuals."""
    return files.as_one_mesh(files.load_mesh(path))


def import_mesh(mesh: Any) -> "pymeshlab.MeshSet":
    """`mesh`, of any type of `mesh_holders`, as a pymeshlab.MeshSet; one already: itself."""
    kind = kind_of(mesh)
    if kind == "mesh set":
        return mesh
    return trimesh2pymeshlab(mesh if kind == "triangles" else _as_trimesh(mesh))


def export_mesh(input: Any, output: Any) -> Any:
    """`output`, of any type of `mesh_holders`, as the type of `input`; neither is changed.

    A path as `input` stands for a trimesh.Trimesh, a Scene for a Scene with one mesh.
    """
    wanted, found = kind_of(input), kind_of(output)
    if wanted == found and wanted not in ("path", "arrays"):
        return output
    if wanted == "mesh set":
        return import_mesh(output)
    mesh = output if found in ("triangles", "trimesh") else _as_trimesh(output)
    if wanted in ("triangles", "arrays"):
        triangles = TriangleMesh(mesh.vertices, mesh.faces)
        return triangles if wanted == "triangles" else with_arrays(input, triangles)
    mesh = to_trimesh(mesh) if found == "triangles" else mesh
    if wanted == "scene":
        import trimesh

        return trimesh.Scene(mesh)
    return mesh


def mesh_normalize(mesh: Any) -> Any:
    """`mesh` moved to the middle of its bounding box and scaled to the sphere of radius 0.6."""

    def on_triangles(triangles: TriangleMesh) -> TriangleMesh:
        vertices = triangles.vertices.astype(np.float64)
        matrix = _normalising(vertices[np.unique(triangles.faces)])
        return TriangleMesh(vertices @ matrix[:3, :3].T + matrix[:3, 3], triangles.faces)

    def on_trimesh(one: Any) -> Any:
        TriangleMesh(one.vertices, one.faces)  # the check
        return one.copy().apply_transform(_normalising(one.vertices[np.unique(one.faces)]))

    def on_scene(scene: Any) -> Any:
        joined = files.as_one_mesh(scene)
        matrix = _normalising(joined.vertices[np.unique(joined.faces)])
        return scene.copy().apply_transform(matrix)

    return apply(mesh, on_triangles, on_trimesh, on_scene)


def _normalising(points: np.ndarray) -> np.ndarray:
    """(4, 4) the move and scale for (N, 3) points."""
    if len(points) == 0:
        raise InvalidMeshError("The mesh has no faces, so it has no size to be normalised by.")
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    radius = float(np.linalg.norm(points - middle, axis=1).max())
    if radius == 0:
        raise InvalidMeshError(
            "All vertices of the mesh lie at one place, so it cannot be scaled; was it scaled to "
            "nothing?"
        )
    matrix = np.eye(4) * (_NORMALISED_RADIUS / radius)
    matrix[:3, 3] = -middle * (_NORMALISED_RADIUS / radius)
    matrix[3, 3] = 1
    return matrix


def _engine(method: str, threads: int | None = None) -> Engine:
    if method not in METHODS:
        raise InvalidSettingError(
            f"method is {method!r}, but one of {', '.join(map(repr, METHODS))} is wanted."
        )
    if method == "pymeshlab":
        return _pymeshlab_engine
    return KernelEngine(method, threads)


def _pymeshlab_engine(
    mesh: TriangleMesh, target_faces: int, progress: Progress | None
) -> TriangleMesh:
    if len(mesh.faces) <= target_faces:
        return mesh
    return reduce_with_pymeshlab(mesh, target_faces, progress)


def _as_trimesh(mesh: Any) -> Any:
    kind = kind_of(mesh)
    if kind == "arrays":
        return to_trimesh(TriangleMesh(mesh.mesh_v, mesh.mesh_f))
    if is_mesh_set(mesh):
        return pymeshlab2trimesh(mesh)
    if kind == "path":
        return load_mesh(mesh)
    return files.as_one_mesh(mesh)


def face_count(mesh: Any) -> int:
    """Faces of `mesh`, of any type of `mesh_holders` but a path; in a scene each use counts."""
    kind = kind_of(mesh)
    if kind == "arrays":
        return len(mesh.mesh_f)
    if kind == "mesh set":
        return mesh.current_mesh().face_number()
    if kind == "scene":
        return sum(
            len(getattr(mesh.geometry[mesh.graph[node][1]], "faces", ()))
            for node in mesh.graph.nodes_geometry
        )
    return len(mesh.faces)
