# SPDX-License-Identifier: Apache-2.0
"""Each texel looks itself up in a view: baking without pinholes, as Hunyuan3D-Paint 2.1 does it.

The opposite of `bake.bake_view`, which scatters the view's pixels. A texel takes the colour of the
place where it would be drawn, if it is what is drawn there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians

import numpy as np

from . import cameras
from .bake import ANGLE_LIMIT, BakedView
from .edges import spread
from .rasterizer import interpolate
from .render import PreparedMesh, ViewRaster, uv_raster

DEPTH_TOLERANCE = 0.003  # how far before or behind what is drawn a texel may lie
_SELECTION_SIZE = 1024
_LEAST_GAIN = 0.01  # share of the surface that a further view must show first
MORE_VIEWS = tuple(
    cameras.View(elevation, azimuth, 0.01)
    for azimuth in range(0, 360, 30)
    for elevation in (20, -20)
)


@dataclass(frozen=True, eq=False)
class Texels:
    """The N texels that belong to a face.

    Parameters
    ----------
    places : (N, 2) int64 row and column
    positions, normals : (N, 3) float32 in the renderer's axes; normals are the faces' own
    faces : (N,) int64
    size : (height, width) of the texture
    """

    places: np.ndarray
    positions: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    size: tuple[int, int]


def texel_table(mesh: PreparedMesh, texture_size: int) -> Texels:
    """Where in space every texel of the mesh's charts is."""
    numbers, weights = uv_raster(mesh, texture_size)
    places = np.argwhere(numbers > 0)
    rows, columns = places.T
    positions = interpolate(mesh.positions, numbers, weights, mesh.faces)[rows, columns]
    faces = numbers[rows, columns].astype(np.int64) - 1
    return Texels(places, positions, mesh.face_normals[faces], faces, numbers.shape)


def sample_view(
    texels: Texels,
    raster: ViewRaster,
    image: np.ndarray,
    radius: int,
    depth_tolerance: float = DEPTH_TOLERANCE,
    angle_limit: float = ANGLE_LIMIT,
    two_sided: bool = False,
) -> BakedView:
    """An image (H, W, C) of a view, in 0..1 or bytes, on the texture.

    Parameters
    ----------
    texels : of the same mesh; their positions may have been moved, for a mirror image, say
    radius : pixels near the background or a jump in depth that are not trusted
    two_sided : take surfaces that show their inside too, as those of inside-out meshes do
    """
    height, width = raster.numbers.shape
    near = spread(~raster.visible, radius) | spread(raster.depth_edges(), radius)
    in_camera = cameras.transform(texels.positions, raster.matrix)
    clip = cameras.transform(in_camera, raster.projection)
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = clip[:, :2] / clip[:, 3:]
    x = (flat[:, 0] * 0.5 + 0.5) * width
    y = (flat[:, 1] * 0.5 + 0.5) * height
    # What is outside the picture, or at infinity, is not looked up.
    within = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    kept = np.flatnonzero(within)
    column, row = x[kept].astype(np.int64), y[kept].astype(np.int64)
    cosines = raster.flat_cosines(two_sided)
    cosines[(cosines < cos(radians(angle_limit))) | near] = 0
    seen = cosines[row, column]
    depth = raster.camera_depth[row, column]
    good = (seen > 0) & (np.abs(in_camera[kept, 2] - depth) < depth_tolerance)
    kept, seen = kept[good], seen[good]

    colour = np.zeros((*texels.size, image.shape[2]), np.float32)
    on_texture = np.zeros(texels.size, np.float32)
    rows, columns = texels.places[kept].T
    colour[rows, columns] = sample_bilinearly(image, x[kept], y[kept])
    on_texture[rows, columns] = seen
    return BakedView(colour, on_texture)


def sample_bilinearly(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N, C) float32 in 0..1; pixel i of a row is at x = i, the border is repeated."""
    height, width = image.shape[:2]
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, down = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
    columns = [np.clip(left + i, 0, width - 1) for i in (0, 1)]
    rows = [np.clip(top + i, 0, height - 1) for i in (0, 1)]
    values = (image[rows[0], columns[0]] * (1 - right) + image[rows[0], columns[1]] * right) * (
        1 - down
    )
    values += (image[rows[1], columns[0]] * (1 - right) + image[rows[1], columns[1]] * right) * down
    return values / np.float32(255) if image.dtype == np.uint8 else values.astype(np.float32)


def select_views(
    mesh: PreparedMesh,
    max_views: int,
    first: Sequence[cameras.View] = cameras.STANDARD_VIEWS,
    candidates: Sequence[cameras.View] = MORE_VIEWS,
    size: int = _SELECTION_SIZE,
) -> list[cameras.View]:
    """`first`, and then whichever candidate shows most surface that no view has shown yet.

    Ends at `max_views`, or when the best candidate shows less than a hundredth more.
    """
    corners = mesh.positions[mesh.faces].astype(np.float64)
    areas = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    total = areas.sum() or 1.0
    seen = np.zeros(len(mesh.faces), bool)

    def shown(view: cameras.View) -> np.ndarray:
        matrix = cameras.view_matrix(view.elevation, view.azimuth)
        numbers = np.unique(ViewRaster(mesh, matrix, (size, size)).numbers)
        return numbers[numbers > 0] - 1

    chosen = list(first)
    for view in chosen:
        seen[shown(view)] = True
    shows = {view: shown(view) for view in candidates}
    while len(chosen) < max_views and shows:
        gains = {view: areas[faces[~seen[faces]]].sum() / total for view, faces in shows.items()}
        best = max(gains, key=gains.__getitem__)
        if gains[best] <= _LEAST_GAIN:
            break
        seen[shows.pop(best)] = True
        chosen.append(best)
    return chosen
