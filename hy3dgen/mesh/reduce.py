# SPDX-License-Identifier: Apache-2.0
"""Face reduction, also known as decimation."""

from collections.abc import Callable
from numbers import Integral

from ..errors import InvalidMeshError, InvalidSettingError
from .native import loader
from .triangle_mesh import TriangleMesh


def reduce_faces(
    mesh: TriangleMesh,
    target_faces: int,
    method: str = "quality",
    progress: Callable[[float], object] | None = None,
    threads: int | None = None,
) -> TriangleMesh:
    """Collapse edges, cheapest first, until at most `target_faces` faces remain.

    Separate parts, holes and handles are kept, and borders keep their course, so the result can
    have more faces than asked for. Seams (open edges whose ends lie at equal positions, as flat
    shading and UV islands leave them) are joined first.

    Parameters
    ----------
    mesh : V vertices in any length unit, F faces
    target_faces : at least 1
    method : "fast"; "quality", which then flips edges and moves vertices towards the surface of
        `mesh`: 8 to 20 % less error for some five times the time; or "preview", the fast one in
        fewer rounds, with more error on flat shapes (docs/reduction.md)
    progress : called with a fraction 0..1, at most 50 times a second; raising
        `hy3dgen.errors.Cancelled`, or anything else, from it stops the work
    threads : at most so many; as many as the machine runs at once by default. The result does not
        depend on it.

    Returns
    -------
    TriangleMesh
        Unused vertices removed. Small enough already: `mesh` itself.

    Source: Garland & Heckbert 1997, section 4; departures are told in docs/reduction.md.
    """
    check_settings(mesh, target_faces, method, threads)
    if len(mesh.faces) <= target_faces:
        return mesh
    arrays = loader.reduce(
        *(mesh.vertices, mesh.faces, int(target_faces), method, progress),
        threads=min(int(threads), loader.MAX_THREADS) if threads else 0,
    )
    return checked_result(mesh, arrays, target_faces, progress)


def check_settings(mesh: TriangleMesh, target_faces: int, method: str, threads: int | None) -> None:
    """Refuse what `reduce_faces` cannot work with, in one sentence."""
    whole = isinstance(target_faces, Integral) and not isinstance(target_faces, bool)
    if not whole or target_faces < 1:
        raise InvalidSettingError(
            f"target_faces is {target_faces!r}, but a whole number of at least 1 is wanted."
        )
    if method not in loader.METHODS:
        raise InvalidSettingError(
            f"method is {method!r}, but one of {', '.join(map(repr, loader.METHODS))} is wanted."
        )
    whole = isinstance(threads, Integral) and not isinstance(threads, bool)
    if threads is not None and (not whole or threads < 1):
        raise InvalidSettingError(
            f"threads is {threads!r}, but None or a whole number of at least 1 is wanted."
        )
    mesh.require_faces("reducing faces")


def checked_result(
    mesh: TriangleMesh,
    arrays: loader.Arrays,
    target_faces: int,
    progress: Callable[[float], object] | None,
) -> TriangleMesh:
    """What came out of the kernel for `mesh`, if something did."""
    reduced = TriangleMesh(*arrays)
    if len(reduced.faces) == 0 or (len(reduced.faces) > target_faces and reduced.area == 0):
        raise InvalidMeshError(
            f"All {len(mesh.faces)} faces of the mesh have no area, so there is no surface to "
            "reduce; was it scaled to nothing?"
        )
    if progress is not None:
        progress(1.0)
    return reduced
