# SPDX-License-Identifier: Apache-2.0
"""Views of two materials, as Hunyuan3D-Paint 2.1 paints them, baked into a PBR texture.

Its network is not here (see docs/textures.md); whoever has such views gets their maps: colours
("albedo") and, in one picture ("mr"), metallic in red and roughness in green.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..errors import InvalidImageError
from . import bake, cameras
from .back_sampling import sample_view, texel_table
from .inpaint import fill_along_mesh, fill_rest
from .materials import TextureMaps
from .render import PreparedMesh, ViewRaster

ALBEDO, METALLIC_ROUGHNESS = "albedo", "mr"


def bake_materials(
    mesh: PreparedMesh,
    pictures: Mapping[str, Sequence[np.ndarray]],
    views: Sequence[cameras.View] = cameras.STANDARD_VIEWS,
    texture_size: int = 2048,
    exponent: float = bake.BAKE_EXPONENT,
    progress: Callable[[str, int, int], object] | None = None,
    radius: int | None = None,
) -> TextureMaps:
    """Both materials on the texture of `mesh`, gaps filled.

    Parameters
    ----------
    mesh : as `render.prepare_mesh` makes it
    pictures : "albedo" and "mr", for each view (H, W, 3) uint8, all of one size
    progress : gets ("bake", view, views) and ("fill", percent, 100); what it raises ends the work

    radius : pixels near outlines and jumps in depth that are not trusted; None fits the pictures

    Raises
    ------
    InvalidImageError
        There is not one picture of one size of each material for each view.
    """
    report = progress or (lambda stage, step, total: None)
    sides = _check(pictures, len(views))
    texels = texel_table(mesh, texture_size)
    radius = bake.unreliable_radius(max(sides)) if radius is None else radius
    baked = []
    for number, view in enumerate(views):
        report("bake", number, len(views))
        raster = ViewRaster(mesh, cameras.view_matrix(view.elevation, view.azimuth), sides)
        both = [pictures[name][number] for name in (ALBEDO, METALLIC_ROUGHNESS)]
        baked.append(sample_view(texels, raster, np.concatenate(both, axis=-1), radius))
    texture, painted = bake.merge(baked, [view.weight for view in views], exponent)
    mask = painted.astype(np.uint8) * np.uint8(255)
    surface = mesh.caller_positions, mesh.faces, mesh.caller_uvs, mesh.uv_faces

    def fill(channels: slice, start: int) -> np.ndarray:
        along = fill_along_mesh(
            texture[..., channels], mask, *surface,
            lambda done: report("fill", start + round(25 * done), 100),
        )  # fmt: skip
        return fill_rest(*along, lambda done: report("fill", start + round(25 + 25 * done), 100))

    return TextureMaps(fill(slice(0, 3), 0), fill(slice(3, 6), 50))


def _check(pictures: Mapping[str, Sequence[np.ndarray]], views: int) -> tuple[int, int]:
    """Height and width that all pictures have."""
    if set(pictures) != {ALBEDO, METALLIC_ROUGHNESS}:
        raise InvalidImageError(
            f"views of {' and '.join(sorted(pictures)) or 'nothing'} were given; give '{ALBEDO}' "
            f"and '{METALLIC_ROUGHNESS}'"
        )
    shapes = {np.shape(picture) for pictures_of in pictures.values() for picture in pictures_of}
    shape = next(iter(shapes), ())
    counts = {len(pictures_of) for pictures_of in pictures.values()}
    if counts != {views} or len(shapes) != 1 or len(shape) != 3 or shape[2] != 3:
        raise InvalidImageError(
            f"{sorted(counts)} pictures of the shapes {sorted(shapes)} were given for {views} "
            "views; give one (H, W, 3) picture of each material for each view, all of one size"
        )
    return shape[0], shape[1]
