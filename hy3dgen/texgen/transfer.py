# SPDX-License-Identifier: Apache-2.0
"""A texture from one mesh to another of the same shape: from a reduced mesh to the full detail."""

from collections.abc import Callable

import numpy as np

from ..mesh import TriangleMesh
from ..mesh.box_unwrap import box_unwrap
from ..mesh.nearest import NearestFaces
from ..mesh.uv_map import UVMap
from . import inpaint
from .back_sampling import sample_bilinearly
from .materials import TextureMaps
from .rasterizer import interpolate
from .render import prepare_mesh, uv_raster

Progress = Callable[[float], object]

LARGE_MESH = 200_000  # faces; more are reduced before charts are made
REDUCED_FACES = 40_000


def to_full_detail(
    reduced: TriangleMesh,
    reduced_uvs: UVMap,
    maps: TextureMaps,
    original: TriangleMesh,
    progress: Callable[[int], object],
    polygons: np.ndarray | None = None,
) -> tuple[TextureMaps, UVMap]:
    """The textures of a reduced mesh for the original, which gets UVs from six sides.

    `progress` gets the percent done; `polygons` (F,) of the original stay whole.
    """
    uv_map = box_unwrap(
        original, progress=lambda done: progress(round(30 * done)), polygons=polygons
    )
    stacked = np.concatenate([one for one in maps if one is not None], axis=-1)
    moved = transfer_texture(
        reduced, reduced_uvs, stacked, original, uv_map,
        progress=lambda done: progress(round(30 + 70 * done)),
    )  # fmt: skip
    parts = np.split(moved, moved.shape[-1] // 3, axis=-1)
    return TextureMaps(*map(np.ascontiguousarray, parts)), uv_map


def transfer_texture(
    source: TriangleMesh,
    source_uvs: UVMap,
    texture: np.ndarray,
    target: TriangleMesh,
    target_uvs: UVMap,
    texture_size: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """(S, S, C) uint8, the texture of `target` in the colours of `source`.

    Each texel of the target takes the colour of the closest place of the source's surface.

    Parameters
    ----------
    texture : (H, W, C) uint8, row 0 at the top
    texture_size : S; None for the source's height
    progress : gets the fraction done; what it raises ends the work
    """
    size = texture_size or len(texture)
    report = progress or (lambda fraction: None)
    prepared = prepare_mesh(target.vertices, target.faces, target_uvs.uvs, target_uvs.faces)
    numbers, weights = uv_raster(prepared, size)
    inside = numbers > 0
    places = interpolate(target.vertices, numbers, weights, target.faces)[inside]
    done = 0.0

    def count(share: float) -> None:
        nonlocal done
        done += share
        report(0.9 * min(done, 1.0))

    faces, shares = NearestFaces(source).query(places, progress=count)
    uvs = np.einsum("nk,nkc->nc", shares, source_uvs.uvs[source_uvs.faces[faces]])
    height, width = texture.shape[:2]
    columns, rows = uvs[:, 0] * (width - 1), (1 - uvs[:, 1]) * (height - 1)
    pixels = np.zeros((size, size, texture.shape[2]), np.uint8)
    pixels[inside] = np.rint(sample_bilinearly(texture, columns, rows) * 255).astype(np.uint8)
    report(0.95)
    return inpaint.fill_smoothly(pixels, inside)
