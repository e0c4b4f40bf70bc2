# SPDX-License-Identifier: Apache-2.0
"""Between `TriangleMesh` and trimesh, which is imported when one of these is called."""

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


def _import_trimesh():
    try:
        import trimesh
    except ImportError as error:
        raise MissingDependencyError(
            "trimesh is not installed; install it with `pip install trimesh`."
        ) from error
    return trimesh
