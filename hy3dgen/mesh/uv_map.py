# SPDX-License-Identifier: Apache-2.0
"""UVs of a mesh, and the questions whether they can carry a texture."""

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidMeshError
from .row_keys import row_keys

_TOLERANCE = 1e-4  # UVs this far outside the square are rounding


@dataclass(frozen=True, eq=False)
class UVMap:
    """UVs of a mesh whose own vertices stay as they are.

    Parameters
    ----------
    uvs : (U, 2) float32 in [0, 1], v up
    faces : (F, 3) int32, which UV each corner of each face has
    vertices : (U,) int32, the mesh's vertex that a UV belongs to
    """

    uvs: np.ndarray
    faces: np.ndarray
    vertices: np.ndarray

    @property
    def corners(self) -> np.ndarray:
        """(3 F, 2) the UV of every corner, face by face, as Blender keeps them."""
        return self.uvs[self.faces.ravel()]


def from_corners(corners: np.ndarray, faces: np.ndarray) -> UVMap:
    """UVs given per corner, (3 F, 2), of the mesh's faces (F, 3); equal ones become one.

    Raises
    ------
    InvalidMeshError
        They are not finite, do not fit the faces, or leave the texture.
    """
    corners = np.ascontiguousarray(corners, np.float32)
    if corners.shape != (faces.size, 2):
        raise InvalidMeshError(
            f"the UVs have shape {corners.shape}, but {len(faces)} faces have {faces.size} "
            "corners; give one UV per corner"
        )
    if not np.isfinite(corners).all():
        raise InvalidMeshError("a UV is not a finite number; unwrap the mesh again")
    low, high = corners.min(axis=0), corners.max(axis=0)
    if (low < -_TOLERANCE).any() or (high > 1 + _TOLERANCE).any():
        raise InvalidMeshError(
            f"the UVs reach from ({low[0]:.2f}, {low[1]:.2f}) to ({high[0]:.2f}, {high[1]:.2f}), "
            "outside the texture's square from 0 to 1; pack the islands, or unwrap anew"
        )
    rows = np.column_stack([faces.ravel().astype(np.float64), np.clip(corners, 0, 1)])
    keys = row_keys(rows)
    _, first = np.unique(keys, return_index=True)
    return UVMap(
        np.clip(corners, 0, 1)[first],
        keys.reshape(-1, 3).astype(np.int32),
        faces.ravel()[first].astype(np.int32),
    )
