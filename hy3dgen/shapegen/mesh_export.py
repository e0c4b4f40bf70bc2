# SPDX-License-Identifier: Apache-2.0
"""Turns extracted surfaces into arrays or trimesh objects whose faces look outwards."""

from typing import TYPE_CHECKING

import numpy as np

from .models.autoencoders.surface_extractors import Latent2MeshOutput

if TYPE_CHECKING:
    import trimesh


def export_to_arrays(mesh: Latent2MeshOutput) -> tuple[np.ndarray, np.ndarray]:
    """Vertices `(V, 3) float32` and faces `(F, 3) int32`, counter-clockwise seen from outside."""
    faces = np.ascontiguousarray(mesh.mesh_f[:, ::-1], dtype=np.int32)
    return np.ascontiguousarray(mesh.mesh_v, dtype=np.float32), faces


def export_to_trimesh(
    mesh_output: Latent2MeshOutput | list[Latent2MeshOutput | None] | None,
) -> "trimesh.Trimesh | list[trimesh.Trimesh | None] | None":
    """The same as trimesh objects, equal vertices merged; None stays None."""
    import trimesh

    if isinstance(mesh_output, list):
        return [export_to_trimesh(item) for item in mesh_output]
    if mesh_output is None:
        return None
    return trimesh.Trimesh(*export_to_arrays(mesh_output))
