# SPDX-License-Identifier: Apache-2.0
"""Between `TriangleMesh` and trimesh, which is imported when one of these is called."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidMeshError, MissingDependencyError
from .triangle_mesh import TriangleMesh

if TYPE_CHECKING:
    import trimesh


def to_trimesh(mesh: TriangleMesh) -> "trimesh.Trimesh":
    """A `trimesh.Trimesh` with the same vertices and faces, nothing merged or reordered."""
    return _import_trimesh().Trimesh(mesh.vertices.copy(), mesh.faces.copy(), process=False)


def from_trimesh(mesh: "trimesh.Trimesh | trimesh.Scene") -> TriangleMesh:
    """Vertices and faces of a trimesh mesh, or of all meshes of a scene where they stand in it."""
    trimesh = _import_trimesh()
    if isinstance(mesh, trimesh.Scene):
        parts = [part for part in mesh.dump() if isinstance(part, trimesh.Trimesh)]
        if not parts:
            raise InvalidMeshError("The scene has no triangle mesh in it; was the right file read?")
        offsets = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
        return TriangleMesh(
            np.concatenate([part.vertices for part in parts]),
            np.concatenate(
                [part.faces + offset for part, offset in zip(parts, offsets, strict=True)]
            ),
        )
    if not isinstance(mesh, trimesh.Trimesh):
        raise InvalidMeshError(
            f"A {type(mesh).__name__} was given, but a trimesh.Trimesh or trimesh.Scene is wanted."
        )
    return TriangleMesh(mesh.vertices, mesh.faces)


def load_trimesh(path: Path) -> "trimesh.Trimesh | trimesh.Scene":
    """What trimesh reads from a mesh file (GLB, OBJ, PLY, STL, …)."""
    if not path.is_file():
        raise InvalidMeshError(f"There is no mesh file {path}; is the path complete?")
    trimesh = _import_trimesh()
    try:
        return trimesh.load(path)
    except Exception as error:  # trimesh's readers raise whatever their format's parser raises
        raise InvalidMeshError(
            f"The mesh file {path} could not be read ({type(error).__name__}: {error}); "
            "give a GLB, OBJ, PLY or STL file."
        ) from error


def _import_trimesh():
    try:
        import trimesh
    except ImportError as error:
        raise MissingDependencyError(
            "trimesh is not installed; install it with `pip install trimesh`."
        ) from error
    return trimesh
