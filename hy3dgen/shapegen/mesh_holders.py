# SPDX-License-Identifier: Apache-2.0
"""Every type that holds a mesh, and how to put a changed mesh into its like.

==================================  =============================================
given                               comes back
==================================  =============================================
TriangleMesh                        TriangleMesh
trimesh.Trimesh                     trimesh.Trimesh with its visuals
trimesh.Scene                       trimesh.Scene, every mesh changed in its place
an object with mesh_v and mesh_f    one of its type (Latent2MeshOutput)
pymeshlab.MeshSet                   a new MeshSet, its current mesh changed
path of a mesh file                 trimesh.Trimesh, all meshes of the file joined
==================================  =============================================
"""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InvalidMeshError, InvalidSettingError
from ..mesh.files import as_one_mesh, load_mesh
from ..mesh.pymeshlab_exchange import is_mesh_set, pymeshlab2trimesh, replaced_in_set
from ..mesh.triangle_mesh import TriangleMesh


def apply(
    mesh: Any,
    on_triangles: Callable[[TriangleMesh], TriangleMesh],
    on_trimesh: Callable[[Any], Any],
    on_scene: Callable[[Any], Any],
) -> Any:
    """What the fitting function makes of `mesh`, in a holder of the same type.

    A function that gives back its input means: nothing to change; `mesh` itself comes back.
    """
    kind = kind_of(mesh)
    if kind == "triangles":
        return on_triangles(mesh)
    if kind == "trimesh":
        return on_trimesh(mesh)
    if kind == "scene":
        return on_scene(mesh)
    if kind == "path":
        return on_trimesh(as_one_mesh(load_mesh(Path(mesh))))
    if kind == "mesh set":
        given = pymeshlab2trimesh(mesh)
        changed = on_trimesh(given)
        return mesh if changed is given else replaced_in_set(mesh, changed)
    triangles = TriangleMesh(mesh.mesh_v, mesh.mesh_f)
    result = on_triangles(triangles)
    return mesh if result is triangles else with_arrays(mesh, result)


def kind_of(mesh: Any) -> str:
    """Which row of the table `mesh` is, or one sentence on what is wanted."""
    if isinstance(mesh, TriangleMesh):
        return "triangles"
    if isinstance(mesh, str | os.PathLike):
        return "path"
    if is_mesh_set(mesh):
        return "mesh set"
    if hasattr(mesh, "mesh_v") and hasattr(mesh, "mesh_f"):
        return "arrays"
    if any(kind.__module__.startswith("trimesh") for kind in type(mesh).__mro__):
        if hasattr(mesh, "faces") and hasattr(mesh, "visual"):
            return "trimesh"
        if hasattr(mesh, "geometry") and hasattr(mesh, "graph"):
            return "scene"
    if mesh is None:
        raise InvalidMeshError(
            "None was given instead of a mesh; did the surface extraction before it fail?"
        )
    raise InvalidSettingError(
        f"A {type(mesh).__name__} was given, but a TriangleMesh, a trimesh mesh or scene, a "
        "Latent2MeshOutput, a pymeshlab.MeshSet or the path of a mesh file is wanted."
    )


def with_arrays(holder: Any, mesh: TriangleMesh) -> Any:
    """A copy of `holder` (mesh_v, mesh_f) that holds `mesh`."""
    result = copy.copy(holder)
    result.mesh_v, result.mesh_f = mesh.vertices, mesh.faces
    return result
