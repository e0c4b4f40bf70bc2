# SPDX-License-Identifier: Apache-2.0
"""What is done to a generated mesh before it is used: floaters, degenerate faces, face reduction.

The public names and call arguments of Hunyuan3D-2's postprocessors, on top of `hy3dgen.mesh`; no
torch, no temporary files. A postprocessor takes and gives back

    TriangleMesh                            -> TriangleMesh
    trimesh.Trimesh                         -> trimesh.Trimesh, without visuals
    trimesh.Scene, path of a mesh file      -> trimesh.Trimesh, all meshes joined
    an object with `mesh_v` and `mesh_f`    -> one of the same type (Latent2MeshOutput)

Inputs are never changed.
"""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InvalidMeshError, InvalidSettingError
from ..mesh.cleanup import remove_floaters, weld
from ..mesh.convert import from_trimesh, load_trimesh, to_trimesh
from ..mesh.reduce import reduce_faces
from ..mesh.triangle_mesh import TriangleMesh


class FaceReducer:
    """Reduces a mesh to at most `max_facenum` faces; a mesh with fewer stays as it is."""

    def __call__(
        self,
        mesh: Any,
        max_facenum: int = 40000,
        method: str = "quality",
        progress: Callable[[float], object] | None = None,
    ) -> Any:
        """`method` and `progress` are those of `hy3dgen.mesh.reduce_faces`."""
        return _on_triangles(mesh, lambda m: reduce_faces(m, max_facenum, method, progress))


class FloaterRemover:
    """Removes parts with fewer faces than a ratio, 0.005, of the largest part's."""

    def __call__(self, mesh: Any, min_component_ratio: float = 0.005) -> Any:
        return _on_triangles(mesh, lambda m: remove_floaters(m, min_component_ratio))


class DegenerateFaceRemover:
    """Merges vertices at equal positions and removes the faces that use one of them twice.

    Faces with three different vertices on one line stay: dropping them would open the surface.
    """

    def __call__(self, mesh: Any) -> Any:
        return _on_triangles(mesh, weld)


def _on_triangles(mesh: Any, change: Callable[[TriangleMesh], TriangleMesh]) -> Any:
    """Apply `change` to whatever holds the mesh, and put the result into its like."""
    if isinstance(mesh, TriangleMesh):
        return change(mesh)
    if isinstance(mesh, str | os.PathLike):
        return to_trimesh(change(from_trimesh(load_trimesh(Path(mesh)))))
    if hasattr(mesh, "mesh_v") and hasattr(mesh, "mesh_f"):
        changed = change(TriangleMesh(mesh.mesh_v, mesh.mesh_f))
        result = copy.copy(mesh)
        result.mesh_v, result.mesh_f = changed.vertices, changed.faces
        return result
    if mesh is None:
        raise InvalidMeshError(
            "None was given instead of a mesh; did the surface extraction before it fail?"
        )
    if not type(mesh).__module__.startswith("trimesh"):
        raise InvalidSettingError(
            f"A {type(mesh).__name__} was given, but a TriangleMesh, a trimesh mesh or scene, a "
            "Latent2MeshOutput or the path of a mesh file is wanted."
        )
    return to_trimesh(change(from_trimesh(mesh)))
