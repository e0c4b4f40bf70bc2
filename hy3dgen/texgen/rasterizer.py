# SPDX-License-Identifier: Apache-2.0
"""Which face covers each pixel, and where in it: the one rasteriser of the texture pipeline.

Three implementations give the same bits on a processor: the mesh kernel, which travels in our
wheels (no compiler and no JIT on a user's machine), numpy where that kernel is missing, and torch
(`rasterizer_torch.py`) for tensors on any device; on CUDA compiled kernels do that one's work. On
GPUs the last bit of a product may differ, and with it which face owns a pixel on an edge.

The rule: a pixel's middle is covered if all three weights are in [0, 1], every edge included, from
either side. The nearest face wins at a depth in 262,144 steps, of equals the first.
"""

from typing import Any

import numpy as np

from ..errors import InvalidMeshError, InvalidSettingError
from ..mesh.native import loader as kernel

FACE_LIMIT = 2**31 - 1  # a pixel's key is depth * FACE_LIMIT + face number
DEPTH_STEPS = 262144
MAX_SIDE = 16384
BACKENDS = ("native", "numpy", "torch")
WORK_LIMIT = 20_000_000_000  # pixels looked at, of all faces; half a minute on two cores
_CANDIDATES = 1 << 21  # pixels that the numpy version looks at in one go


def rasterize(
    points: Any,
    faces: Any,
    size: tuple[int, int],
    prior: Any = None,
    backend: str | None = None,
) -> tuple[Any, Any]:
    """The face in front at each pixel, and the weights of its corners there.

    Parameters
    ----------
    points : (V, 4) float32 clip coordinates; array, or tensor on any device
    faces : (F, 3) int32
    size : (height, width); row 0 is at y = -1, the outermost pixels' middles at -1 and 1
    prior : (height, width) float32, depths (z / w) in front of which nothing is drawn
    backend : one of BACKENDS; None: torch for tensors that are not on the CPU, else the kernel,
        else numpy

    Returns
    -------
    (H, W) int32 face numbers from 1, 0 for none; (H, W, 3) float32 weights corrected for
    perspective, 0 where there is no face. Tensors if `points` is one.

    Raises
    ------
    InvalidMeshError
        A face names a vertex that does not exist, or the faces' boxes cover more than `WORK_LIMIT`
        pixels together: thousands of faces on top of each other.
    """
    height, width = (int(side) for side in size)
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise InvalidSettingError(
            f"a picture of {width} x {height} pixels was asked for; choose 1 to {MAX_SIDE} a side"
        )
    if backend not in (None, *BACKENDS):
        raise InvalidSettingError(
            f"there is no rasteriser '{backend}'; possible: {', '.join(BACKENDS)}"
        )
    is_tensor = hasattr(points, "device") and hasattr(points, "cpu")
    if backend == "torch" or (backend is None and is_tensor and points.device.type != "cpu"):
        from .rasterizer_torch import rasterize_tensors

        return rasterize_tensors(points, faces, (height, width), prior)
    arrays = [None if a is None else np.asarray(a) for a in (points, faces, prior)]
    result = _rasterize_arrays(*arrays, (height, width), backend)
    if is_tensor:
        import torch

        return torch.from_numpy(result[0]), torch.from_numpy(result[1])
    return result


def interpolate(
    attributes: np.ndarray,
    numbers: np.ndarray,
    weights: np.ndarray,
    faces: np.ndarray,
    background: float = 0.0,
) -> np.ndarray:
    """Vertex attributes (V, C) at each pixel, (H, W, C) float32.

    `numbers` and `weights` are what `rasterize` gave; `background` stands where no face is.
    """
    attributes = np.ascontiguousarray(attributes, np.float32)
    numbers = np.ascontiguousarray(numbers, np.int32)
    weights = np.ascontiguousarray(weights, np.float32)
    if kernel.native_available():
        faces = np.ascontiguousarray(faces, np.int32)
        return kernel.interpolate(attributes, faces, numbers, weights, background)
    values = np.full((*numbers.shape, attributes.shape[1]), background, np.float32)
    covered = numbers > 0
    corners = attributes[np.asarray(faces)[numbers[covered] - 1]]
    values[covered] = np.einsum("nk,nkc->nc", weights[covered], corners)
    return values


def _rasterize_arrays(points, faces, prior, size, backend) -> tuple[np.ndarray, np.ndarray]:
    points = np.ascontiguousarray(points, np.float32)
    faces = np.ascontiguousarray(faces, np.int32)
    if faces.size and (faces.min() < 0 or faces.max() >= len(points)):
        raise InvalidMeshError(
            f"faces name vertices {faces.min()} to {faces.max()}, but there are {len(points)}; "
            "was the vertex list filtered without remapping faces?"
        )
    if len(faces) * size[0] * size[1] > WORK_LIMIT:
        check_work(_candidates(points, faces, size), size)
    if prior is not None:
        prior = np.ascontiguousarray(prior, np.float32).reshape(size)
    if backend == "native" or (backend is None and kernel.native_available()):
        return kernel.rasterize(points, faces, size, prior)
    return rasterize_with_numpy(points, faces, size, prior)


def check_work(candidates: int, size: tuple[int, int]) -> None:
    """InvalidMeshError if faces have so many candidate pixels that drawing them would not end."""
    if candidates > WORK_LIMIT:
        times = candidates // (size[0] * size[1])
        raise InvalidMeshError(
            f"the faces cover a picture of {size[1]} x {size[0]} pixels {times:,} times over, too "
            "often to draw in time; if it is their UVs that lie on top of each other, make new "
            "ones, or else reduce the mesh or choose a smaller texture"
        )


def _candidates(points: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> int:
    """Pixels in the boxes around all faces, cut to the picture."""
    height, width = size
    with np.errstate(all="ignore"):  # points at infinity draw nothing
        flat = np.nan_to_num(_on_screen(points, height, width)[:, :2])
    boxes = []
    for axis, side in enumerate((width, height)):
        corners = [np.clip(flat[faces[:, i], axis], 0, side) for i in range(3)]
        boxes.append(np.maximum.reduce(corners) - np.minimum.reduce(corners) + 1)
    return int(np.dot(boxes[0].astype(np.float64), boxes[1].astype(np.float64)))


def rasterize_with_numpy(
    points: np.ndarray, faces: np.ndarray, size: tuple[int, int], prior: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The same as the kernel, slower: candidate pixels of many faces at once."""
    height, width = size
    with np.errstate(all="ignore"):  # points at infinity draw nothing
        screen = _on_screen(points, height, width)
        corners = screen[faces]  # (F, 3, 4)
        area = _doubled_area(corners[:, 0], corners[:, 1], corners[:, 2])
        drawn = np.flatnonzero((area != 0) & np.isfinite(area))
        inverse = (1.0 / area.astype(np.float64)).astype(np.float32)
        low = np.minimum.reduce([corners[:, i, :2] for i in range(3)])
        high = np.maximum.reduce([corners[:, i, :2] for i in range(3)])
        limit = np.array([width, height], np.float32)
        first = np.clip(low, 0, limit)[drawn].astype(np.int64)
        last = np.ceil(np.clip(high + np.float32(1), 0, limit)[drawn]).astype(np.int64)
        columns = np.maximum(last[:, 0] - first[:, 0], 0)
        counts = columns * np.maximum(last[:, 1] - first[:, 1], 0)

        keys = np.full(height * width, np.iinfo(np.int64).max)
        ends = np.cumsum(counts)
        start, done = 0, 0
        while start < len(drawn):
            stop = max(int(np.searchsorted(ends, done + _CANDIDATES, "right")), start + 1)
            part = slice(start, stop)
            face = np.repeat(drawn[part], counts[part])
            offset = np.arange(len(face)) - np.repeat(
                np.cumsum(counts[part]) - counts[part], counts[part]
            )
            across = np.repeat(columns[part], counts[part])
            row = np.repeat(first[part, 1], counts[part]) + offset // np.maximum(across, 1)
            column = np.repeat(first[part, 0], counts[part]) + offset % np.maximum(across, 1)
            weights = _weights(corners[face], inverse[face], column, row)
            inside = ((weights >= 0) & (weights <= 1)).all(axis=1)
            face, pixel = face[inside], (row * width + column)[inside]
            depths = corners[face, :, 2]
            weights = weights[inside]
            depth = weights[:, 0] * depths[:, 0] + weights[:, 1] * depths[:, 1]
            depth += weights[:, 2] * depths[:, 2]
            if prior is None:
                kept = (depth >= 0) & (depth < 1e9)
            else:
                bound = prior.reshape(-1)[pixel] * np.float32(0.49999) + np.float32(0.5)
                kept = (depth >= bound + np.float32(0.000001)) & (depth < 1e9)
            steps = (depth[kept] * np.float32(DEPTH_STEPS)).astype(np.int64)
            np.minimum.at(keys, pixel[kept], steps * FACE_LIMIT + face[kept] + 1)
            start, done = stop, int(ends[stop - 1])
    return _finish(keys, corners, inverse, height, width)


def _finish(keys, corners, inverse, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    covered = np.flatnonzero(keys != np.iinfo(np.int64).max)
    numbers = np.zeros(height * width, np.int32)
    numbers[covered] = keys[covered] % FACE_LIMIT
    face = numbers[covered] - 1
    weights = _weights(corners[face], inverse[face], covered % width, covered // width)
    weights /= corners[face, :, 3]
    # By the inverse: a division gives other last bits, which recorded textures show.
    weights *= (np.float32(1) / (weights[:, 0] + weights[:, 1] + weights[:, 2]))[:, None]
    spread = np.zeros((height * width, 3), np.float32)
    spread[covered] = weights
    return numbers.reshape(height, width), spread.reshape(height, width, 3)


def _on_screen(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """(V, 4): column, row, depth, and w as it was."""
    half, w = np.float32(0.5), points[:, 3]
    return np.stack(
        [
            (points[:, 0] / w * half + half) * np.float32(width - 1) + half,
            (half + half * points[:, 1] / w) * np.float32(height - 1) + half,
            points[:, 2] / w * np.float32(0.49999) + half,
            w,
        ],
        axis=1,
    )


def _doubled_area(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return (c[..., 0] - a[..., 0]) * (b[..., 1] - a[..., 1]) - (b[..., 0] - a[..., 0]) * (
        c[..., 1] - a[..., 1]
    )


def _weights(corners: np.ndarray, inverse: np.ndarray, column, row) -> np.ndarray:
    """(N, 3) weights of N triangles' corners at the middles of N pixels."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    middle = np.stack([column, row], axis=1).astype(np.float32) + np.float32(0.5)
    second = _doubled_area(a, middle, c) * inverse
    third = _doubled_area(a, b, middle) * inverse
    first = (1.0 - second.astype(np.float64) - third.astype(np.float64)).astype(np.float32)
    return np.stack([first, second, third], axis=1)
