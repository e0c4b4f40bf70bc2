# SPDX-License-Identifier: Apache-2.0
"""Carries colours, UVs and other attributes of a trimesh mesh over to its reduced surface.

Values are looked up where the new surface comes closest to the old one. That is exact for the
values (colours between two vertices are the old surface's there) and approximate for places: near
a seam of the UV map, where the new edges need not follow the old ones, the texture is stretched or
cut by about the distance between the two. No new triangle spans two charts of the UV map, or the
two sides of a seam within one.

It knows nothing about how the surface was reduced, so it is for engines that tell nothing about it;
our own do, and need no search (`trimesh_attributes.py`).
"""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .cleanup import component_labels
from .nearest import NearestFaces
from .row_keys import row_keys
from .triangle_mesh import TriangleMesh
from .trimesh_attributes import arrays_of, attach, keys_of

if TYPE_CHECKING:
    import trimesh

Progress = Callable[[float], object]

_CELLS = 8  # along each side of a chart
_JUMP = 4.0  # times farther in the UV map than the stretch there explains: across a seam


def with_appearance_of(
    original: "trimesh.Trimesh",
    surface: TriangleMesh,
    reduced: TriangleMesh,
    progress: Progress | None = None,
) -> "trimesh.Trimesh":
    """`reduced` as a trimesh mesh that looks like `original`, whose triangles are `surface`.

    Kept: vertex or face colours, UVs with their material, vertex and face attributes that are
    numbers, metadata. Where charts meet, vertices are doubled, with normals that hide the seam.

    Parameters
    ----------
    surface, reduced : in the same unit and place; `surface` has the faces of `original`
    """
    import trimesh

    per_vertex, per_face = arrays_of(original)
    vertices, faces, normals = reduced.vertices, reduced.faces, None
    if per_vertex or per_face:
        told = progress or (lambda _: None)
        charts = Charts(original, per_vertex)
        told(0.0)  # a chance to stop between two long steps
        tree = NearestFaces(surface, charts.cells)
        told(0.0)
        share = len(faces) / (len(faces) + (len(vertices) if per_vertex else 0))
        middles = reduced.vertices[reduced.faces].mean(axis=1, dtype=np.float64)
        nearest, places = tree.query(middles, progress=_part(progress, 0.0, share))
        per_face = {name: values[nearest] for name, values in per_face.items()}
        if per_vertex:
            # One vertex for each chart that its faces lie in.
            ranges = [np.repeat(ends[:, None], 3, 1) for ends in charts.range_of(nearest)]
            source, corners, of_vertex = _split(reduced.faces, *ranges)
            on_old = tree.query(
                reduced.vertices[source], *of_vertex, progress=_part(progress, share, 1.0)
            )
            # Corners that landed across a seam of their own chart look nearer to their middle.
            for narrower in charts.neighbourhoods(nearest) if charts.uvs is not None else ():
                wrong = charts.on_other_side(
                    *(middles, (nearest, places)), reduced.vertices[reduced.faces], on_old, corners
                )
                if not wrong.any():
                    break
                for ends, narrow in zip(ranges, narrower, strict=True):
                    ends[wrong] = np.repeat(narrow[:, None], 3, 1)[wrong]
                source, corners, of_vertex = _split(reduced.faces, *ranges)
                on_old = tree.query(reduced.vertices[source], *of_vertex)
            old_corners, weights = np.asarray(original.faces)[on_old[0]], on_old[1]
            per_vertex = {
                name: _blend(values[old_corners], weights) for name, values in per_vertex.items()
            }
            vertices, faces = reduced.vertices[source], corners
            if len(vertices) > len(reduced.vertices):
                normals = reduced.vertex_normals[source]
    result = trimesh.Trimesh(
        np.asarray(vertices, np.float64),
        faces,
        vertex_normals=normals,
        process=False,
        metadata=copy.deepcopy(original.metadata),
    )
    attach(original, result, per_vertex, per_face)
    return result


# --- charts ---------------------------------------------------------------------------------------


class Charts:
    """The patches of a mesh within which its attributes are continuous, cut into cells.

    A chart can meet itself at a seam, as the two ends of an unrolled cylinder do. Its cells are the
    squares of a grid over its UVs, small enough that none reaches from one end to the other.

    Attributes
    ----------
    cells : (F,) the cell of each face, numbered chart by chart
    uvs : (F, 3, 2) float64, or None where the mesh has no UV map
    """

    def __init__(self, mesh: Any, per_vertex: dict[str, np.ndarray]) -> None:
        faces = np.asarray(mesh.faces)
        chart = np.zeros(len(faces), np.int64)
        if per_vertex:
            joined = keys_of(mesh, per_vertex)[faces]
            corners = np.zeros((int(joined.max()) + 1, 3))
            chart = component_labels(TriangleMesh(corners, joined)).astype(np.int64)
        self.cells = chart
        self._cells_per_chart = 1
        self.uvs = None
        if (uv := per_vertex.get("visual/uv")) is not None and uv.ndim == 2:
            self.uvs = uv[:, :2].astype(np.float64)[faces]
            self._stretch = _stretch(np.asarray(mesh.vertices, np.float64)[faces], self.uvs)
            self._cells_per_chart = _CELLS * _CELLS
            self.cells = chart * self._cells_per_chart + _cells_in_chart(chart, self.uvs)

    def range_of(self, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and last cell number of the charts that `faces` lie in."""
        first = self.cells[faces] // self._cells_per_chart * self._cells_per_chart
        return first, first + self._cells_per_chart - 1

    def neighbourhoods(self, faces: np.ndarray):
        """Ever narrower ranges of cells around `faces`: three columns of the grid, one cell."""
        first, last = self.range_of(faces)
        cell = self.cells[faces]
        column = first + (cell - first) // _CELLS * _CELLS
        yield np.maximum(first, column - _CELLS), np.minimum(last, column + 2 * _CELLS - 1)
        yield cell, cell

    def on_other_side(self, middles, at_middles, points, at_vertices, corners) -> np.ndarray:
        """(N, 3) True for corners whose UV lies much farther from the middle's than the place."""
        found, weights = at_vertices
        corner_uvs = np.einsum("ij,ijk->ik", weights, self.uvs[found])[corners]
        middle_uvs = np.einsum("ij,ijk->ik", at_middles[1], self.uvs[at_middles[0]])
        jump = np.linalg.norm(corner_uvs - middle_uvs[:, None], axis=2)
        distance = np.linalg.norm(points - middles[:, None], axis=2)
        stretch = np.maximum(self._stretch[found][corners], self._stretch[at_middles[0]][:, None])
        return jump > _JUMP * stretch * distance


def _stretch(corners: np.ndarray, uvs: np.ndarray) -> np.ndarray:
    """(F,) the greatest length in the UV map of one unit of length along the faces' edges."""
    largest = np.zeros(len(uvs))
    for i in range(3):
        in_map, in_space = uvs[:, i] - uvs[:, i - 1], corners[:, i] - corners[:, i - 1]
        in_map = np.einsum("ij,ij->i", in_map, in_map)
        in_space = np.einsum("ij,ij->i", in_space, in_space)
        ratio = np.divide(in_map, in_space, out=np.zeros_like(in_map), where=in_space > 0)
        np.maximum(largest, ratio, out=largest)
    return np.sqrt(largest)


def _cells_in_chart(chart: np.ndarray, uvs: np.ndarray) -> np.ndarray:
    """(F,) 0 … _CELLS^2 - 1: the square of the chart's bounding box that a face's middle is in."""
    middle = (uvs[:, 0] + uvs[:, 1] + uvs[:, 2]) / 3
    low = np.full((chart.max() + 1, 2), np.inf)
    high = -low
    np.minimum.at(low, chart, middle)
    np.maximum.at(high, chart, middle)
    size = np.where(high > low, high - low, 1)
    square = np.clip((middle - low[chart]) / size[chart] * _CELLS, 0, _CELLS - 1).astype(np.int64)
    return square[:, 0] * _CELLS + square[:, 1]


def _split(faces: np.ndarray, first: np.ndarray, last: np.ndarray):
    """Vertices doubled where their faces' ranges differ.

    Returns (W,) the vertex each comes from, (N, 3) the faces, and each one's range.
    """
    first, last = (
        np.broadcast_to(ends if ends.ndim == 2 else ends[:, None], faces.shape).ravel()
        for ends in (first, last)
    )
    keys = row_keys(np.column_stack([faces.ravel(), first, last]).astype(np.float64))
    _, where = np.unique(keys, return_index=True)
    return faces.ravel()[where], keys.reshape(-1, 3), (first[where], last[where])


def _blend(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, 3, …) corner values and (N, 3) weights -> (N, …) of the same dtype."""
    blended = np.einsum("ij,ij...->i...", weights, values.astype(np.float64))
    if values.dtype.kind == "f":
        return blended.astype(values.dtype)
    return np.rint(blended).astype(values.dtype)


def _part(progress: Progress | None, start: float, end: float) -> Progress | None:
    """Turns shares of the work between `start` and `end` into its fraction."""
    if progress is None:
        return None
    done = 0.0

    def add(share: float) -> None:
        nonlocal done
        done += share
        progress(start + (end - start) * min(done, 1.0))

    return add
