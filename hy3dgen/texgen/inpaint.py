# SPDX-License-Identifier: Apache-2.0
"""Colour for what no view has painted: along the mesh first, then across the texture.

Along the mesh each vertex takes the mean of its neighbours', so that colour does not jump between
charts which only happen to lie side by side.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..mesh.native import loader as kernel

Progress = Callable[[float], object]
_RADIUS = 3  # texels around one that its colour is taken from
VERTEX_SECONDS = 30.0


class _OutOfTime(Exception):
    """The vertex fill has had its time; what is done by then is kept."""


def fill_along_mesh(
    texture: np.ndarray,
    mask: np.ndarray,
    positions: np.ndarray,
    faces: np.ndarray,
    uvs: np.ndarray,
    uv_faces: np.ndarray | None = None,
    progress: Progress | None = None,
    seconds: float = VERTEX_SECONDS,
) -> tuple[np.ndarray, np.ndarray]:
    """The texture with single texels painted at vertices that no view saw, and the new mask.

    A vertex is known if the texel of one of its corners is painted. The others are averaged over
    their neighbours, weighted by 1 / distance^2, again and again until no new one is reached;
    parts of the mesh without any paint stay without. The order of the faces counts: it is a
    Gauss-Seidel sweep, and edges go from a face's corner to its next one only.

    Parameters
    ----------
    texture : (H, W, C) float32
    mask : (H, W) uint8, above 0 where painted
    positions, faces : (V, 3), (F, 3)
    uvs, uv_faces : (U, 2) with v up, (F, 3) or None if `faces` names them
    seconds : no more sweeps after that; the result is then less smooth
    """
    corners = corner_texels(mask, faces, uvs, uv_faces)
    size = texture.shape[2]
    texture = np.array(texture, np.float32).reshape(-1, size)
    mask, shape = np.array(mask, np.uint8).reshape(-1), mask.shape
    seen = texture[corners.texels[corners.painted]]
    texels, colours = colour_corners(corners, seen, positions, faces, progress, seconds)
    texture[texels] = colours
    mask[texels] = 255
    return texture.reshape(*shape, size), mask.reshape(shape)


class CornerTexels(NamedTuple):
    """Vertex and texel, by number, of each face's corners, (3 F,), and whether that is painted."""

    vertices: np.ndarray
    texels: np.ndarray
    painted: np.ndarray


def corner_texels(
    mask: np.ndarray, faces: np.ndarray, uvs: np.ndarray, uv_faces: np.ndarray | None = None
) -> CornerTexels:
    rows, columns = nearest_texels(uvs, mask.shape)
    vertices = np.ascontiguousarray(faces, np.int32).reshape(-1)
    texels = rows * mask.shape[1] + columns
    texels = texels[vertices if uv_faces is None else np.asarray(uv_faces).reshape(-1)]
    return CornerTexels(vertices, texels, mask.reshape(-1)[texels] > 0)


def colour_corners(
    corners: CornerTexels,
    seen: np.ndarray,
    positions: np.ndarray,
    faces: np.ndarray,
    progress: Progress | None = None,
    seconds: float = VERTEX_SECONDS,
) -> tuple[np.ndarray, np.ndarray]:
    """Texels at corners whose vertex has or gets a colour, each once, (N,), and those colours.

    `seen` are the colours of the painted corners' texels; the rest as in `fill_along_mesh`.
    """
    faces = np.ascontiguousarray(faces, np.int32)
    coloured = np.zeros(len(positions), np.uint8)
    colours = np.zeros((len(positions), seen.shape[1]), np.float32)
    coloured[corners.vertices[corners.painted]] = 1
    colours[corners.vertices[corners.painted]] = seen
    waiting = np.ascontiguousarray(corners.vertices[~corners.painted])
    end = time.monotonic() + seconds

    def watch(fraction: float) -> None:
        if progress is not None:
            progress(fraction)
        if time.monotonic() > end:
            raise _OutOfTime

    fill = kernel.fill_vertices if kernel.native_available() else fill_vertices_plainly
    try:
        positions = np.ascontiguousarray(positions, np.float32)
        fill(positions, faces, waiting, coloured, colours, watch)
    except _OutOfTime:
        pass
    known = np.flatnonzero(coloured[corners.vertices])
    # Of corners that share a texel the last one counts.
    texels = corners.texels[known]
    last = np.zeros(int(texels.max(initial=-1)) + 1, np.int64)
    last[texels] = np.arange(len(known))
    kept = np.flatnonzero(last[texels] == np.arange(len(known)))
    return texels[kept], colours[corners.vertices[known[kept]]]


def nearest_texels(uvs: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the texel nearest to each uv; UVs outside the texture go to its rim."""
    height, width = shape[:2]
    uvs = np.asarray(uvs, np.float32)
    columns = np.rint(uvs[:, 0] * np.float32(width - 1))
    rows = np.rint((np.float32(1) - uvs[:, 1]) * np.float32(height - 1))
    return (
        np.clip(rows, 0, height - 1).astype(np.int64),
        np.clip(columns, 0, width - 1).astype(np.int64),
    )


def fill_vertices_plainly(positions, faces, waiting, coloured, colours, progress) -> None:
    """What the kernel does, vertex by vertex: slow, and the plainest statement of it."""
    neighbours: list[list[int]] = [[] for _ in range(len(positions))]
    for face in faces.tolist():
        for i in range(3):
            neighbours[face[i]].append(face[(i + 1) % 3])
    weights: dict[int, np.ndarray] = {}
    for vertex in set(waiting.tolist()):
        offset = positions[neighbours[vertex]] - positions[vertex]
        distance = np.sqrt(np.einsum("ij,ij->i", offset, offset))
        weights[vertex] = 1 / np.maximum(distance, np.float32(1e-4)) ** 2
    patience, left_before = 2, 0
    while patience > 0:
        left = 0
        for number, vertex in enumerate(waiting.tolist()):
            if number % 256 == 0:
                progress(0.0)
            others = neighbours[vertex]
            weight = weights[vertex] * coloured[others]
            total = weight.sum()
            if total > 0:
                colours[vertex] = weight @ colours[others] / total
                coloured[vertex] = 1
            else:
                left += 1
        patience += -1 if left == left_before else 1
        left_before = left


def way_to_fill(
    mask: np.ndarray, progress: Progress | None = None, levels: bool = False
) -> kernel.March | None:
    """In which order `fill_rest` goes through what `mask` lacks; None without the kernel.

    It depends on the mask alone, so it can be found while the pictures are still being painted.
    `levels` are wanted by a GPU, see `gpu.gap_kernels`.
    """
    return kernel.march(_gaps(mask), progress, levels) if kernel.native_available() else None


def fill_rest(
    texture: np.ndarray,
    mask: np.ndarray,
    progress: Progress | None = None,
    way: kernel.March | None = None,
) -> np.ndarray:
    """(H, W, 3) uint8 without gaps, from a texture in 0..1 and where it is painted (above 0).

    By the kernel; where that is missing by OpenCV, with the same bytes, or else by `fill_smoothly`.
    `way` is what `way_to_fill` gave for the same mask.
    """
    pixels = (np.clip(texture, 0, 1) * np.float32(255)).astype(np.uint8)
    gaps = _gaps(mask)
    if not gaps.any():
        return pixels
    way = way_to_fill(mask, progress) if way is None else way
    if way is not None:
        kernel.inpaint(pixels, way, progress)
        return pixels
    try:
        import cv2
    except ImportError:
        return fill_smoothly(pixels, gaps == 0)
    return cv2.inpaint(pixels, gaps, _RADIUS, cv2.INPAINT_NS)


def _gaps(mask: np.ndarray) -> np.ndarray:
    return np.where(np.asarray(mask) > 0, np.uint8(0), np.uint8(255))


def fill_smoothly(pixels: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Every gap in the mean colour of what is around it: small gaps closely, large ones broadly.

    Source: push-pull filling by a pyramid of halved images, Gortler et al. 1996, section 3.4.
    """
    levels = [(pixels.astype(np.float32), painted.astype(np.float32)[..., None])]
    while max(levels[-1][0].shape[:2]) > 1:
        colour, weight = levels[-1]
        odd = [(0, side % 2) for side in colour.shape[:2]]
        weighted = np.pad(colour * weight, [*odd, (0, 0)])
        weight = np.pad(weight, [*odd, (0, 0)])
        weighted, total = (
            a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2] for a in (weighted, weight)
        )
        levels.append((weighted / np.maximum(total, 1e-6), np.minimum(total, 1)))
    filled = levels[-1][0]
    for colour, weight in levels[-2::-1]:
        above = _enlarge(filled, colour.shape[:2])
        filled = colour * weight + above * (1 - weight)
    return np.where(painted[..., None], pixels, np.clip(np.rint(filled), 0, 255)).astype(np.uint8)


def _enlarge(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Twice as large, linearly between the pixels' middles, cut to `size`."""
    for axis in (0, 1):
        first = np.concatenate([image.take([0], axis), image], axis)[
            (slice(None),) * axis + (slice(0, image.shape[axis]),)
        ]
        last = np.concatenate([image, image.take([-1], axis)], axis)[
            (slice(None),) * axis + (slice(1, None),)
        ]
        pair = np.stack([0.75 * image + 0.25 * first, 0.75 * image + 0.25 * last], axis + 1)
        shape = list(image.shape)
        shape[axis] *= 2
        image = pair.reshape(shape)
    return image[: size[0], : size[1]]
