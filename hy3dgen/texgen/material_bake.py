# SPDX-License-Identifier: Apache-2.0
"""Views of two materials, as Hunyuan3D-Paint 2.1 paints them, baked into a PBR texture.

Its network is not here (see docs/textures.md); whoever has such views gets their maps: colours
("albedo") and, in one picture ("mr"), metallic in red and roughness in green.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InvalidImageError
from . import bake, cameras
from .back_sampling import sample_view, texel_table
from .inpaint import fill_along_mesh, fill_rest, way_to_fill
from .materials import TextureMaps
from .render import PreparedMesh, ViewRaster

NAMES = ALBEDO, METALLIC_ROUGHNESS = "albedo", "mr"


def bake_materials(
    mesh: PreparedMesh,
    pictures: Mapping[str, Sequence[np.ndarray]],
    views: Sequence[cameras.View] = cameras.STANDARD_VIEWS,
    texture_size: int = 2048,
    exponent: float = bake.BAKE_EXPONENT,
    progress: Callable[[str, int, int], object] | None = None,
    radius: int | None = None,
    device: Any = None,
) -> TextureMaps:
    """Both materials on the texture of `mesh`, gaps filled.

    Parameters
    ----------
    mesh : as `render.prepare_mesh` makes it
    pictures : "albedo" and "mr", for each view (H, W, 3) uint8, all of one size
    progress : gets ("bake", view, views) and ("fill", percent, 100); what it raises ends the work
    radius : pixels near outlines and jumps in depth that are not trusted; None fits the pictures
    device : a torch device that does it in tensors; None: the processor, in arrays

    Raises
    ------
    InvalidImageError
        There is not one picture of one size of each material for each view.
    """
    report = progress or (lambda stage, step, total: None)
    sides = _check(pictures, len(views))
    radius = bake.unreliable_radius(max(sides)) if radius is None else radius
    images = [np.concatenate(both, axis=-1) for both in zip(*map(pictures.get, NAMES), strict=True)]

    def count(number: int) -> None:
        report("bake", number, len(views))

    def fill(done: float) -> None:
        report("fill", round(100 * done), 100)

    if device is None:
        baked = bake_in_arrays(mesh, images, views, texture_size, exponent, radius, count)
        return _fill_in_arrays(mesh, *baked, fill)
    from .fill_on_device import fill_along_mesh_on_device, fill_rest_on_device, find_gaps
    from .materials_on_device import bake_on_device

    texture, painted = bake_on_device(
        mesh, images, views, texture_size, exponent, radius, device, count
    )
    surface = mesh.caller_positions, mesh.faces
    gaps = find_gaps(painted, *surface, mesh.caller_uvs, device, lambda: fill(0), mesh.uv_faces)
    maps = []
    for number, channels in enumerate(texture.split(3, dim=-1)):
        one = channels.contiguous()
        mask = fill_along_mesh_on_device(one, gaps, *surface, _part(fill, 2 * number))
        maps.append(fill_rest_on_device(one, mask, gaps, _part(fill, 2 * number + 1)))
    return TextureMaps(*maps)


def bake_in_arrays(
    mesh: PreparedMesh,
    images: Sequence[np.ndarray],
    views: Sequence[cameras.View],
    texture_size: int,
    exponent: float,
    radius: int,
    report: Callable[[int], object],
) -> tuple[np.ndarray, np.ndarray]:
    """See `materials_on_device.bake_on_device`."""
    texels = texel_table(mesh, texture_size)
    baked = []
    for number, (view, image) in enumerate(zip(views, images, strict=True)):
        report(number)
        matrix = cameras.view_matrix(view.elevation, view.azimuth)
        raster = ViewRaster(mesh, matrix, (image.shape[0], image.shape[1]))
        baked.append(sample_view(texels, raster, image, radius))
    return bake.merge(baked, [view.weight for view in views], exponent)


def _fill_in_arrays(
    mesh: PreparedMesh,
    texture: np.ndarray,
    painted: np.ndarray,
    report: Callable[[float], object],
) -> TextureMaps:
    mask = painted.astype(np.uint8) * np.uint8(255)
    surface = mesh.caller_positions, mesh.faces, mesh.caller_uvs, mesh.uv_faces
    maps, way = [], None
    for number, channels in enumerate((slice(0, 3), slice(3, 6))):
        along = fill_along_mesh(texture[..., channels], mask, *surface, _part(report, 2 * number))
        way = way_to_fill(along[1]) if way is None else way  # the same for both
        maps.append(fill_rest(*along, _part(report, 2 * number + 1), way))
    return TextureMaps(*maps)


def _part(report: Callable[[float], object], number: int) -> Callable[[float], object]:
    """What is done of all, told by one of four parts."""
    return lambda done: report((number + done) / 4)


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
