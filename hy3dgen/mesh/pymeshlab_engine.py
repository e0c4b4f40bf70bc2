# SPDX-License-Identifier: Apache-2.0
"""MeshLab's quadric edge collapse, in this process.

Call it in a process of its own (`hy3dgen.worker.pymeshlab_reduce` does): pymeshlab crashes when
two threads use it, cannot be interrupted, and may not be loaded beside Blender.
"""

import numpy as np

from ..errors import InvalidMeshError
from .cleanup import drop_degenerate_faces, weld
from .pymeshlab_exchange import import_pymeshlab
from .triangle_mesh import TriangleMesh

# The options of Hunyuan3D-2's FaceReducer.
_OPTIONS = {
    "qualitythr": 1.0,
    "preserveboundary": True,
    "boundaryweight": 3,
    "preservenormal": True,
    "preservetopology": True,
    "autoclean": True,
}
_SMALLEST = 4  # asked for fewer faces, MeshLab gives an empty mesh


def reduce_in_this_process(mesh: TriangleMesh, target_faces: int) -> TriangleMesh:
    """`mesh` reduced by MeshLab with the options that Hunyuan3D-2 uses.

    Seams are joined first, and the mesh is scaled to the unit cube meanwhile, because MeshLab's
    results get worse for very small units.
    """
    pymeshlab = import_pymeshlab()
    mesh.require_faces("reducing faces")
    if len(mesh.faces) <= target_faces:
        return mesh
    joined = drop_degenerate_faces(weld(mesh))
    low, high = joined.bounds.astype(np.float64)
    middle, size = (low + high) / 2, float((high - low).max()) or 1.0
    mesh_set = pymeshlab.MeshSet()
    mesh_set.add_mesh(pymeshlab.Mesh((joined.vertices - middle) / size, joined.faces), "mesh")
    mesh_set.meshing_decimation_quadric_edge_collapse(
        targetfacenum=max(int(target_faces), _SMALLEST), **_OPTIONS
    )
    mesh_set.meshing_remove_unreferenced_vertices()
    result = mesh_set.current_mesh()
    if result.face_number() == 0:
        raise InvalidMeshError(
            f"MeshLab left no face of the {len(mesh.faces)} that were given; reduce with the "
            'method "quality" instead.'
        )
    return TriangleMesh(result.vertex_matrix() * size + middle, result.face_matrix())
