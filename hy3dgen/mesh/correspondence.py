# SPDX-License-Identifier: Apache-2.0
"""Where the corners, faces and edges of a reduced mesh take their values on the mesh before."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .attributes import Attribute, blended


@dataclass(frozen=True, eq=False)
class Correspondence:
    """What `reduce_with_correspondence` knows about a mesh of V' vertices and F' faces.

    A wedge is a vertex as it is seen from one side of the seams and borders that meet in it; its W
    wedges are numbered vertex by vertex. Where nothing meets, a vertex has one.

    Parameters
    ----------
    corners : (F', 3) int32, the wedge of each corner
    wedge_vertices : (W,) int32, ascending, the vertex that each wedge is a part of
    wedge_faces, wedge_weights : (W,) int32 and (W, 3) float32, a place on the surface before: a
        face, and the shares of its corners
    faces : (F',) int32, the face before that is nearest to a face's middle, on its side
    edges : (F', 3) int32, row 3f + i of an edge before that the edge stands for; -1 where it is on
        no seam, border or marked edge
    scattered : names of attributes that jump nearly everywhere, so that their seams were not kept
    source_faces : (F, 3) int32, the faces before
    """

    corners: np.ndarray
    wedge_vertices: np.ndarray
    wedge_faces: np.ndarray
    wedge_weights: np.ndarray
    faces: np.ndarray
    edges: np.ndarray
    scattered: tuple[str, ...]
    source_faces: np.ndarray

    def carry(self, attribute: Attribute) -> Attribute:
        """The attribute on the reduced mesh, in the same domain and of the same dtype."""
        values = attribute.values
        if attribute.domain == "face":
            return attribute.with_values(values[self.faces])
        if attribute.domain == "edge":
            rows = self.edges.reshape(-1)
            kept = values[np.maximum(rows, 0)]
            kept[rows < 0] = 0
            return attribute.with_values(kept)
        if attribute.domain == "corner":
            return attribute.with_values(self.at_wedges(attribute)[self.corners.reshape(-1)])
        first = self._first_wedges
        rows = self.source_faces[self.wedge_faces[first]]
        return attribute.with_values(blended(values, rows, self.wedge_weights[first], attribute))

    def at_wedges(self, attribute: Attribute) -> np.ndarray:
        """(W, …) values of an attribute by corner, one for each wedge."""
        rows = 3 * self.wedge_faces[:, None].astype(np.int64) + np.arange(3)
        return blended(attribute.values, rows, self.wedge_weights, attribute)

    @cached_property
    def _first_wedges(self) -> np.ndarray:
        return np.flatnonzero(np.diff(self.wedge_vertices, prepend=-1))
