# SPDX-License-Identifier: Apache-2.0
"""From where a picture shows a mesh: the view whose outline fits the picture's best.

Views in front of the object are tried, then finer steps around the best, with several lenses. Each
outline is stretched to the picture's box before it is compared, so that a shape which is only
nearly right still meets the picture's edges; too much stretching counts against a view.

An outline cannot tell a view from the one behind it, nor left from right on a symmetric object; of
equals the one nearer to the front wins.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import exp, log, radians, tan

import numpy as np

from ..errors import InvalidImageError, InvalidMeshError
from . import cameras
from .render import PreparedMesh, ViewRaster

Progress = Callable[[float], object]
Candidate = tuple[float, float, float]  # elevation, azimuth, lens
Scored = tuple[float, Candidate, float]  # how well it fits all told, the view, the overlap

SECONDS = 20.0  # for large faces that cover each other a thousandfold
SIZE = 96  # pixels a side of the outlines
_AZIMUTHS = (0, -15, 15, -30, 30, -45, 45, -60, 60, -75, 75)
_ELEVATIONS = (0, 10, 20, 30, 40)
_STEPS = (7, 3, 1)  # degrees of the finer searches
_LENSES = (0.0, 20.0, 35.0, 50.0)  # vertical field of view in degrees; 0: orthographic
_FIRST_LENS = 25.0
_FEW_FACES = 20_000  # up to so many, outlines are drawn of the mesh as it is
_CELLS = SIZE // 2  # a side, for larger ones
# What counts against a view, in shares of the outline: stretching by a factor of e, a view from the
# side or from 45 degrees above.
_STRETCH_COST, _SIDE_COST, _ABOVE_COST = 0.35, 0.04, 0.02


@dataclass(frozen=True, eq=False)
class FoundView:
    """A view of a mesh whose frame is the picture's box.

    Parameters
    ----------
    elevation, azimuth : degrees, as in `cameras.View`
    lens : vertical field of view in degrees, 0 for orthographic
    overlap : share of the two outlines together that they have in common, without stretching
    matrix, projection : for `ViewRaster`
    """

    elevation: float
    azimuth: float
    lens: float
    overlap: float
    matrix: np.ndarray
    projection: np.ndarray


def find_view(
    mesh: PreparedMesh,
    alpha: np.ndarray,
    elevation: float | None = None,
    azimuth: float | None = None,
    progress: Progress | None = None,
    seconds: float = SECONDS,
) -> FoundView:
    """The view from which `alpha` (H, W), cut to its box, shows the mesh.

    An `elevation` or `azimuth` that is given is kept. `progress` gets the fraction done, may raise.
    After `seconds` the best view so far is taken.

    Raises
    ------
    InvalidImageError
        Nothing is opaque.
    """
    outline, aspect = _outline(alpha)
    coarse = _coarse(mesh)
    tried = 0

    def score(candidate: Candidate) -> Scored:
        nonlocal tried
        tried += 1
        if progress is not None:
            progress(min(tried / 90, 1.0))
        return _score(coarse, outline, aspect, *candidate)

    elevations = _ELEVATIONS if elevation is None else (elevation,)
    azimuths = _AZIMUTHS if azimuth is None else (azimuth,)
    end = time.monotonic() + seconds

    def best_of(candidates: Iterable[Candidate], *known: Scored) -> Scored:
        scored = list(known)
        for candidate in candidates:
            if not scored or time.monotonic() < end:
                scored.append(score(candidate))
        return max(scored, key=lambda one: one[0])

    # From the front first: where time is short, that is what most pictures show.
    first = sorted(((e, a, _FIRST_LENS) for a in azimuths for e in elevations), key=_turned)
    best = best_of(first)
    for step in _STEPS:
        up, side, lens = best[1]
        moves = [
            (up + e * step, side + a * step, lens)
            for e, a in ((0, -1), (0, 1), (-1, 0), (1, 0))
            if (e == 0 or elevation is None) and (a == 0 or azimuth is None)
        ]
        moves += [(up, side, other) for other in _LENSES if other != lens]
        best = best_of(moves, best)
    _, (up, side, lens), overlap = best
    matrix, projection, _ = framed_camera(mesh, up, side, lens)
    return FoundView(up, side, lens, overlap, matrix, projection)


def _turned(candidate: Candidate) -> float:
    elevation, azimuth, _ = candidate
    return abs(elevation) + abs(azimuth)


def _coarse(mesh: PreparedMesh) -> PreparedMesh:
    """The mesh with vertices about two pixels of an outline apart put together."""
    if len(mesh.faces) <= _FEW_FACES:
        return mesh
    low = mesh.positions.min(axis=0)
    cell = np.floor((mesh.positions - low) * (_CELLS / np.ptp(mesh.positions, axis=0).max()))
    keys = (cell @ np.float64([1, 1 << 10, 1 << 20])).astype(np.int64)
    _, first, places = np.unique(keys, return_index=True, return_inverse=True)
    faces = places.reshape(-1)[mesh.faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (a != c)]
    # The same triangle many times over changes no outline.
    corners = np.sort(faces, axis=1) @ np.int64([1, 1 << 21, 1 << 42])
    faces = faces[np.unique(corners, return_index=True)[1]].astype(np.int32)
    if not len(faces):
        return mesh
    return PreparedMesh(mesh.positions[first], faces, np.zeros((len(first), 2), np.float32), faces)


def _outline(alpha: np.ndarray) -> tuple[np.ndarray, float]:
    """The opaque part stretched to (SIZE, SIZE) bool, and its width by its height."""
    rows, columns = (np.flatnonzero((alpha > 127).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise InvalidImageError("the picture is transparent everywhere, so it shows no object")
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    step = (np.arange(SIZE) + 0.5) / SIZE
    inside = alpha[
        (rows[0] + step * height).astype(int)[:, None], (columns[0] + step * width).astype(int)
    ]
    return inside > 127, width / height


def _score(mesh, outline, aspect, elevation, azimuth, lens) -> Scored:
    """How well the view fits all told, the view, and the share of the outlines in common."""
    matrix, projection, box_aspect = framed_camera(mesh, elevation, azimuth, lens)
    shown = ViewRaster(mesh, matrix, (SIZE, SIZE), projection).visible
    union = np.count_nonzero(shown | outline)
    overlap = np.count_nonzero(shown & outline) / max(union, 1)
    stretched = abs(log(box_aspect / aspect))
    cost = _STRETCH_COST * stretched
    cost += _SIDE_COST * (azimuth / 90) ** 2 + _ABOVE_COST * (elevation / 45) ** 2
    # Unstretched, of two boxes around one middle one reaches out of the other by that factor.
    return overlap - cost, (elevation, azimuth, lens), overlap * exp(-stretched)


def framed_camera(
    mesh: PreparedMesh, elevation: float, azimuth: float, lens: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """View matrix, a projection in which the mesh just fills the frame, and its box's aspect."""
    if lens:
        distance = cameras.HALF_EXTENT / tan(radians(lens) / 2) + cameras.HALF_EXTENT
        projection = cameras.perspective(lens, near=0.01)
    else:
        distance, projection = cameras.DISTANCE, cameras.standard_projection()
    matrix = cameras.view_matrix(elevation, azimuth, distance)
    clip = cameras.transform(cameras.transform(mesh.positions[_used(mesh)], matrix), projection)
    flat = clip[:, :2] / clip[:, 3:]
    low, high = flat.min(axis=0), flat.max(axis=0)
    size = np.maximum(high - low, 1e-9)
    stretch = np.eye(4, dtype=np.float32)
    stretch[0, 0], stretch[1, 1] = 2 / size
    stretch[:2, 3] = -(low + high) / size
    # The shift is a share of w, which is 1 or, with a lens, what the projection's last row gives.
    shift = np.outer(stretch[:, 3] * (1, 1, 0, 0), projection[3])
    stretch[:2, 3] = 0
    return matrix, (stretch @ projection + shift).astype(np.float32), float(size[0] / size[1])


def _used(mesh: PreparedMesh) -> np.ndarray:
    used = np.zeros(len(mesh.positions), bool)
    used[mesh.faces.ravel()] = True
    if not used.any():
        raise InvalidMeshError("the mesh has no faces, so no view shows it")
    return used
