# SPDX-License-Identifier: Apache-2.0
"""UVs by the xatlas library, in this process.

Call it in a process of its own (`hy3dgen.worker.unwrap` does): its time grows steeply with the
number of faces, and it can be neither asked how far it is nor stopped.
"""

import numpy as np

from ..errors import MissingDependencyError
from .triangle_mesh import TriangleMesh
from .uv_map import UVMap


def xatlas_unwrap(mesh: TriangleMesh) -> UVMap:
    """UVs with the library's default options, which are those of Hunyuan3D-2."""
    mesh.require_faces("unwrapping")
    try:
        import xatlas
    except ImportError as error:
        raise MissingDependencyError(
            "xatlas is not installed; install it with `pip install xatlas`, or choose the unwrap "
            '"box"'
        ) from error
    vertices, faces, uvs = xatlas.parametrize(mesh.vertices, mesh.faces.astype(np.uint32))
    return UVMap(
        np.clip(np.asarray(uvs, np.float32), 0, 1),
        np.asarray(faces).astype(np.int32),
        np.asarray(vertices).astype(np.int32),
    )
