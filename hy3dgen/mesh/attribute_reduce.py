# SPDX-License-Identifier: Apache-2.0
"""Face reduction with everything that a mesh carries."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from .attributes import Attribute, check_attributes
from .correspondence import Correspondence
from .native import loader
from .reduce import check_settings, checked_result
from .triangle_mesh import TriangleMesh

# Differences between two faces that are none: of components of normals, else of the whole range.
_NORMAL_TOLERANCE = 0.02
_TOLERANCE = 1e-5


def reduce_with_attributes(
    mesh: TriangleMesh,
    attributes: Iterable[Attribute],
    target_faces: int,
    method: str = "quality",
    progress: Callable[[float], object] | None = None,
    threads: int | None = None,
) -> "Reduced":
    """`mesh` reduced as by `reduce_faces`, and its attributes at the new corners and faces.

    Seams, borders between labels and marked edges (`Attribute.parts`) become curves of the new
    mesh, so no face of it lies on two sides of one. What vertices on both sides of an open seam
    share by their position is joined; values that jump there belong into the domain "corner". An
    attribute that jumps at more than a third of the edges, as flat shading by corner does, is
    carried over without keeping its seams.

    Parameters
    ----------
    mesh, target_faces, method, progress, threads : as for `reduce_faces`
    attributes : by vertex, corner, face or edge

    Returns
    -------
    Reduced
        The reduced mesh, the attributes in their order, and names of those whose seams were not
        kept. Small enough already: `mesh` itself with its own attributes.

    Raises
    ------
    InvalidMeshError, InvalidSettingError
    """
    attributes = check_attributes(mesh, attributes)
    check_settings(mesh, target_faces, method, threads)
    if len(mesh.faces) <= target_faces:
        return Reduced(mesh, attributes, ())
    reduced, found = reduce_with_correspondence(
        mesh, attributes, target_faces, method, progress, threads
    )
    return Reduced(reduced, [found.carry(one) for one in attributes], found.scattered)


class Reduced(NamedTuple):
    """What `reduce_with_attributes` gives."""

    mesh: TriangleMesh
    attributes: list[Attribute]
    scattered: tuple[str, ...]


def reduce_with_correspondence(
    mesh: TriangleMesh,
    attributes: Iterable[Attribute],
    target_faces: int,
    method: str = "quality",
    progress: Callable[[float], object] | None = None,
    threads: int | None = None,
) -> tuple[TriangleMesh, Correspondence]:
    """Like `reduce_with_attributes`, with the way to values instead of the values.

    `target_faces` must be less than the number of faces.
    """
    attributes = check_attributes(mesh, attributes)
    check_settings(mesh, target_faces, method, threads)
    parting = [attribute for attribute in attributes if attribute.parts]
    by_corner = [attribute for attribute in parting if attribute.domain == "corner"]
    by_face = [attribute for attribute in parting if attribute.domain == "face"]
    by_edge = [attribute for attribute in parting if attribute.domain == "edge"]
    labels = [array for attribute in by_face for array in _labels(attribute)]
    arrays, found = loader.reduce_with_curves(
        *(mesh.vertices, mesh.faces, int(target_faces), method, progress),
        threads=min(int(threads), loader.MAX_THREADS) if threads else 0,
        values=[_floats(attribute) for attribute in by_corner],
        tolerances=[_tolerance(attribute) for attribute in by_corner],
        labels=labels,
        edges=_edge_bits(by_edge) if by_edge else None,
    )
    names = [a.name for a in by_corner] + [a.name for a in by_face for _ in _labels(a)]
    scattered = {name for i, name in enumerate(names) if found.scattered >> loader.bit_of(i) & 1}
    scattered |= {a.name for i, a in enumerate(by_edge) if found.scattered >> (i % 8) & 1}
    reduced = checked_result(mesh, arrays, target_faces, progress)
    return reduced, Correspondence(
        found.corners,
        found.wedge_vertices,
        found.wedge_faces,
        found.wedge_weights,
        found.faces,
        found.edges,
        tuple(a.name for a in attributes if a.name in scattered),
        mesh.faces,
    )


def _floats(attribute: Attribute) -> np.ndarray:
    return np.ascontiguousarray(
        attribute.values.reshape(len(attribute.values), -1), dtype=np.float32
    )


def _tolerance(attribute: Attribute) -> float:
    if attribute.unit_length:
        return _NORMAL_TOLERANCE
    values = attribute.values
    if values.dtype.kind != "f":
        return 0.5
    return _TOLERANCE * float(np.ptp(values)) if values.size else 0.0


def _labels(attribute: Attribute) -> list[np.ndarray]:
    """int32 columns; floats by their bits, 64-bit integers in two halves."""
    values = np.ascontiguousarray(attribute.values.reshape(len(attribute.values), -1))
    if values.dtype.itemsize <= 4:
        kind = np.int32 if values.dtype.kind != "f" else np.float32
        values = values.astype(kind).view(np.int32)
    else:
        values = values.view(np.int32)
    return [np.ascontiguousarray(column) for column in values.T]


def _edge_bits(attributes: list[Attribute]) -> np.ndarray:
    bits = np.zeros(len(attributes[0].values), np.uint8)
    for i, attribute in enumerate(attributes):
        marked = attribute.values.reshape(len(bits), -1).any(axis=1)
        bits |= marked.astype(np.uint8) << np.uint8(i % 8)
    return bits
