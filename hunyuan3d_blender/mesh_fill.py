# SPDX-License-Identifier: GPL-3.0-or-later
"""New geometry and everything that lies on it, in place of a mesh's old, in steps."""

from collections.abc import Mapping
from dataclasses import dataclass

import bmesh
import bpy
import numpy as np

from . import custom_normals, mesh_layers, shape_keys
from .geometry import Geometry, prepare
from .mesh_layers import NORMALS, Layer
from .mesh_write import geometry_steps
from .scene_read import MeshSnapshot
from .steps import Steps, Target
from .vertex_groups import WEIGHTS


@dataclass(frozen=True)
class Filling:
    """All that is written, worked out beforehand; knows nothing of the mesh that it is for."""

    before: MeshSnapshot
    geometry: Geometry
    rows: list[tuple[Layer, np.ndarray]]
    values: Mapping[str, np.ndarray]

    @classmethod
    def of(
        cls,
        before: MeshSnapshot,
        vertices: np.ndarray,
        faces: np.ndarray,
        values: Mapping[str, np.ndarray],
    ) -> "Filling":
        """Numpy only, so in any thread.

        Parameters
        ----------
        vertices, faces : (V', 3) float32 y up and (F', 3) int32
        values : rows of the attributes of `before`, by their names; one without rows is left out
        """
        geometry = prepare(vertices, faces, np.zeros(3, np.float32), None)
        rows = mesh_layers.rows_of(before.layers, values, geometry)
        return cls(before, geometry, rows, values)

    def write(self, target: Target) -> Steps:
        before, geometry, values = self.before, self.geometry, self.values
        _empty(target())
        yield None
        for step in geometry_steps(geometry):
            step(target())
            yield None
        yield from before.groups.write(target, values.get(WEIGHTS))
        for layer, rows in self.rows:
            yield from layer.write(target, rows)
        if before.keys:
            yield from shape_keys.write_shape_keys(target, before.keys, geometry.positions, values)
        if NORMALS in values and before.normals is not None:
            sharp = [self._written("sharp_edge"), self._written("sharp_face")]
            yield from custom_normals.write_normals(target, geometry, values[NORMALS], *sharp)
        elif before.normals is not None:
            custom_normals.shade_flat(target())
        yield None
        before.active.write(target())
        target().update()

    def _written(self, name: str) -> np.ndarray | None:
        return next((rows for layer, rows in self.rows if layer.name == name), None)


def _empty(mesh: bpy.types.Mesh) -> None:
    """What `clear_geometry` does, which would take the mesh's animation away as well."""
    nothing = bmesh.new()
    nothing.to_mesh(mesh)
    nothing.free()
