# SPDX-License-Identifier: Apache-2.0
"""Welding, degenerate faces and floaters: what a raw surface needs before anything else."""

import numpy as np

from ..errors import InvalidMeshError, InvalidSettingError
from .native import loader
from .triangle_mesh import TriangleMesh


def weld(mesh: TriangleMesh, tolerance: float = 0.0) -> TriangleMesh:
    """`mesh` with vertices at one place merged into the first of them.

    Faces that use a merged vertex twice and vertices that no face uses are dropped. The order of
    the others stays.

    Parameters
    ----------
    tolerance : merge vertices up to this far apart, in the mesh's length unit; 0: equal positions
    """
    if not 0 <= tolerance < np.inf:
        raise InvalidSettingError(
            f"tolerance is {tolerance!r}, but a length of at least 0 is wanted."
        )
    reach = float(np.abs(mesh.bounds).max())
    if 0 < tolerance < reach * 1e-12:
        raise InvalidSettingError(
            f"tolerance is {tolerance:g}, too small for coordinates up to {reach:g}, which float32 "
            "keeps to 7 digits; use 0 to merge equal positions."
        )
    return TriangleMesh(*loader.weld(mesh.vertices, mesh.faces, tolerance))


def drop_degenerate_faces(mesh: TriangleMesh) -> TriangleMesh:
    """`mesh` without faces that use a vertex twice or repeat another; vertices stay as they are.

    Faces with three different vertices on one line stay: dropping them would open the surface.
    """
    return TriangleMesh(mesh.vertices, loader.drop_faces(mesh.faces, len(mesh.vertices)))


def component_labels(mesh: TriangleMesh) -> np.ndarray:
    """(F,) int32, the number of the component each face is in, counted from its first face.

    Faces that share an edge are in the same component; touching at one vertex does not connect.
    """
    return loader.components(mesh.faces, len(mesh.vertices))[0]


def components(mesh: TriangleMesh) -> list[TriangleMesh]:
    """The separate parts of `mesh`, largest face count first."""
    labels = component_labels(mesh)
    counts = np.bincount(labels)
    order = np.argsort(-counts, kind="stable")
    return [select_faces(mesh, labels == label) for label in order]


def remove_floaters(mesh: TriangleMesh, min_component_ratio: float = 0.005) -> TriangleMesh:
    """`mesh` without components of fewer than this ratio of the largest one's faces."""
    if not 0 <= min_component_ratio <= 1:
        raise InvalidSettingError(
            f"min_component_ratio is {min_component_ratio!r}, but a ratio from 0 to 1 is wanted."
        )
    if len(mesh.faces) == 0:
        return mesh
    labels = component_labels(mesh)
    counts = np.bincount(labels)
    keep = counts >= int(min_component_ratio * counts.max())
    return mesh if keep.all() else select_faces(mesh, keep[labels])


def select_faces(mesh: TriangleMesh, keep: np.ndarray) -> TriangleMesh:
    """The faces for which `keep`, (F,) bool, is true, with only the vertices they use."""
    faces = mesh.faces[keep]
    used = np.zeros(len(mesh.vertices), bool)
    used[faces] = True
    renumbered = np.cumsum(used, dtype=np.int32) - 1
    return TriangleMesh(mesh.vertices[used], renumbered[faces])


def clean(mesh: TriangleMesh, min_component_ratio: float = 0.005) -> TriangleMesh:
    """`mesh` welded, without degenerate or repeated faces, floaters and unused vertices.

    Raises
    ------
    InvalidMeshError
        If no face is given, or none is left.
    """
    mesh.require_faces("cleaning")
    cleaned = remove_floaters(drop_degenerate_faces(weld(mesh)), min_component_ratio)
    if len(cleaned.faces) == 0:
        raise InvalidMeshError(
            f"Each of the {len(mesh.faces)} faces of the mesh uses one position twice, so no "
            "surface is left after cleaning; was it scaled to nothing?"
        )
    return cleaned
