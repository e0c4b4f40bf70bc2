# SPDX-License-Identifier: Apache-2.0
"""A texture from one picture and no network: what the picture shows is laid onto the mesh, the
other side of a symmetric object is its mirror image, and the rest takes the colours next to it.

Honest limits: light and shadow of the picture stay in the texture, and what the picture does not
show is only guessed from its surroundings. Numpy and the mesh kernel do it all, in a second or two.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import back_sampling, bake, inpaint
from .find_view import FoundView, find_view
from .render import PreparedMesh, ViewRaster
from .surface_fill import fill

StageProgress = Callable[[str, int, int], object]

_ANGLE_LIMIT = 82.0  # one picture has to do: take more slanted surfaces than the six views do
_MIRROR_TOLERANCE = 0.03  # how far from the mirror image's place a surface may be; radius 0.575
_MIRROR_WEIGHT = 0.02
_LARGEST_VIEW = 2048
_SURE_ALPHA = 250  # below it a pixel has some of the background's colour
_EXPONENT = 2


@dataclass(frozen=True, eq=False)
class Painted:
    """A texture and how it came about.

    Parameters
    ----------
    colour : (H, W, 3) uint8, sRGB
    view : from where the picture was laid on
    shown, mirrored : shares of the texels with a face that took the picture's colour directly, and
        as a mirror image
    """

    colour: np.ndarray
    view: FoundView
    shown: float
    mirrored: float


def look_for_view(
    mesh: PreparedMesh,
    picture: np.ndarray,
    elevation: float | None = None,
    azimuth: float | None = None,
    progress: StageProgress | None = None,
) -> FoundView:
    """From where `picture`, (H, W, 4) uint8, shows the mesh; angles (degrees) that are given stay.

    `progress` is called with a stage's name, step and total; what it raises ends the work.
    """
    report = progress or _ignore
    report("find view", 0, 100)
    return find_view(
        mesh,
        picture[..., 3],
        elevation,
        azimuth,
        lambda fraction: report("find view", round(100 * fraction), 100),
    )


def paint_from_picture(
    mesh: PreparedMesh,
    picture: np.ndarray,
    texture_size: int,
    view: FoundView | None = None,
    progress: StageProgress | None = None,
) -> Painted:
    """The texture of a mesh that `picture`, (H, W, 4) uint8 with its background cut out, shows.

    Without a `view` it is looked for. `progress` as in `look_for_view`.
    """
    report = progress or _ignore
    if view is None:
        view = look_for_view(mesh, picture, progress=report)
    report("lay picture on", 0, 3)
    cropped = without_background(crop(picture))
    size = min(_LARGEST_VIEW, max(512, texture_size))
    raster = ViewRaster(mesh, view.matrix, (size, size), view.projection)
    radius = max(1, bake.unreliable_radius(size) // 2)
    image = stretch(cropped, (size, size))
    report("lay picture on", 1, 3)
    texels = back_sampling.texel_table(mesh, texture_size)
    seen = back_sampling.sample_view(
        texels, raster, image, radius, angle_limit=_ANGLE_LIMIT, two_sided=True
    )
    report("lay picture on", 2, 3)
    mirrored = back_sampling.sample_view(
        _mirror_image(texels), raster, image, radius, _MIRROR_TOLERANCE, _ANGLE_LIMIT, True
    )
    direct = seen.cosines > 0
    texture, painted = bake.merge([seen, mirrored], [1.0, _MIRROR_WEIGHT], _EXPONENT)
    report("fill", 0, 100)
    colour = fill(
        mesh, texture, painted, lambda fraction: report("fill", round(100 * fraction), 100)
    )
    count = max(len(texels.faces), 1)
    return Painted(
        colour,
        view,
        np.count_nonzero(direct) / count,
        np.count_nonzero(painted & ~direct) / count,
    )


def crop(picture: np.ndarray) -> np.ndarray:
    """`picture` (H, W, 4) cut to the box of what is opaque."""
    rows, columns = (np.flatnonzero((picture[..., 3] > 127).any(axis=axis)) for axis in (1, 0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def without_background(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3): the opaque pixels' colours, spread to where the background shows through."""
    sure = picture[..., 3] >= _SURE_ALPHA
    if not sure.any():
        sure = picture[..., 3] > 127
    return inpaint.fill_smoothly(picture[..., :3], sure)


def stretch(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, C) uint8 resized linearly; shrinking by halves first, so that nothing is skipped."""
    while min(image.shape[0] / size[0], image.shape[1] / size[1]) >= 2:
        height, width = (side // 2 * 2 for side in image.shape[:2])
        parts = image[:height, :width].reshape(height // 2, 2, width // 2, 2, -1)
        image = np.rint(parts.mean(axis=(1, 3), dtype=np.float32)).astype(np.uint8)
    rows = (np.arange(size[0]) + 0.5) * image.shape[0] / size[0] - 0.5
    columns = (np.arange(size[1]) + 0.5) * image.shape[1] / size[1] - 0.5
    y, x = np.meshgrid(rows, columns, indexing="ij")
    values = back_sampling.sample_bilinearly(
        image, np.clip(x, 0, None).ravel(), np.clip(y, 0, None).ravel()
    )
    return np.rint(values.reshape(*size, -1) * 255).astype(np.uint8)


def _mirror_image(texels: back_sampling.Texels) -> back_sampling.Texels:
    """The texels at their places' mirror images, left for right."""
    flip = np.float32([-1, 1, 1])
    return back_sampling.Texels(
        texels.places, texels.positions * flip, texels.normals * flip, texels.faces, texels.size
    )


def _ignore(stage: str, step: int, total: int) -> None:
    pass
