# SPDX-License-Identifier: Apache-2.0
"""UVs by the xatlas library, in this process.

Call it in a process of its own (`hy3dgen.worker.unwrap` does): its time grows steeply with the
number of faces, and it can be neither asked how far it is nor stopped.
"""

import numpy as np

from ..errors import InvalidMeshError, MissingDependencyError
from .triangle_mesh import TriangleMesh
from .uv_map import UVMap


def xatlas_unwrap(mesh: TriangleMesh) -> UVMap:
    """UVs with the library's default options, which are those of Hunyuan3D-2.

    Raises
    ------
    InvalidMeshError
        The library gives places that are no numbers.
    """
    mesh.require_faces("unwrapping")
    try:
        import xatlas
    except ImportError as error:
        raise MissingDependencyError(
            "xatlas is not installed; install it with `pip install xatlas`, or choose the unwrap "
            '"box"'
        ) from error
    triangles = mesh.faces.astype(np.uint32)
    vertices, faces, uvs = xatlas.parametrize(mesh.vertices, triangles)
    if not np.isfinite(uvs).all():  # lengths below its tolerance: once more at the size of a unit
        low = mesh.vertices.min(axis=0)
        size = float(np.ptp(mesh.vertices, axis=0).max()) or 1.0
        vertices, faces, uvs = xatlas.parametrize((mesh.vertices - low) / size, triangles)
        if not np.isfinite(uvs).all():
            raise InvalidMeshError('xatlas finds no UVs for this mesh; choose the unwrap "box"')
    return UVMap(
        np.clip(np.asarray(uvs, np.float32), 0, 1),
        np.asarray(faces).astype(np.int32),
        np.asarray(vertices).astype(np.int32),
    )
