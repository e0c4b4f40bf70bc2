# SPDX-License-Identifier: Apache-2.0
"""Volume decoders: a field that can be asked at points becomes a grid of its values.

`VanillaVolumeDecoder` asks at every grid point, `HierarchicalVolumeDecoding` is the published
coarse-to-fine scheme; `coarse_to_fine.py` has ours. All share one call, `decoder(latents,
geo_decoder, bounds=, octree_resolution=, ...)`, where `geo_decoder` has `project(latents)` and
`query(projected, points)`.

A grid has `octree_resolution + 1` points a side, both ends of the box included, axes x, y, z.
Positive values are inside.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ....errors import InvalidSettingError

UNKNOWN = -10000.0  # what points that were not asked hold between levels
# On a CPU the activations of more points fall out of the cache: 8,000 cost 1.3 times as much each.
_CPU_CHUNK = 2000
NEAR_LEVEL = 0.95  # fields saturate at +-1; anything less is near the surface
Progress = Callable[[int, int], None]


def box_corners(bounds: float | Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner `(3,) float32` of `b` -> [-b, b]^3, or of six numbers."""
    values = np.asarray(bounds, dtype=np.float32).reshape(-1)
    if values.size == 1:
        values = np.repeat(np.concatenate([-values, values]), 3)
    if values.size != 6 or not np.all(values[:3] < values[3:]):
        raise InvalidSettingError(
            f"the bounds are {bounds!r}; give one positive number, or six with every lower one "
            "below its upper one."
        )
    return values[:3], values[3:]


def generate_dense_grid_points(
    bbox_min: np.ndarray, bbox_max: np.ndarray, octree_resolution: int, indexing: str = "ij"
) -> tuple[np.ndarray, list[int], np.ndarray]:
    """All grid points `(n, n, n, 3) float32`, the grid's shape and the box's size."""
    side = octree_resolution + 1
    axes = [
        np.linspace(low, high, side, dtype=np.float32)
        for low, high in zip(bbox_min, bbox_max, strict=True)
    ]
    points = np.stack(np.meshgrid(*axes, indexing=indexing), axis=-1)
    return points, [side] * 3, np.asarray(bbox_max) - np.asarray(bbox_min)


def extract_near_surface_volume_fn(input_tensor: Tensor, alpha: float) -> Tensor:
    """1 where a grid point's sign differs from a neighbour's, `(R, R, R)` int32.

    Values are compared after adding `alpha`; zero differs from both signs. Points that were not
    asked (-10000) are never marked and count as equal to their neighbours.
    """
    values = input_tensor + alpha
    known = values > -9000.0
    mask = torch.zeros_like(known)
    for axis in range(3):
        for shift in (-1, 1):
            neighbour = _shifted(values, axis, shift)
            neighbour = torch.where(neighbour > -9000.0, neighbour, values)
            mask |= neighbour.sign() != values.sign()
    return (mask & known).to(torch.int32)


def _shifted(values: Tensor, axis: int, shift: int) -> Tensor:
    """The neighbour's value along an axis; the edge keeps its own."""
    side = values.shape[axis]
    index = torch.arange(side, device=values.device) + shift
    return values.index_select(axis, index.clamp(0, side - 1))


class Field:
    """One object's field on the grids of one call: asks in chunks and counts for progress."""

    def __init__(
        self,
        latents: Tensor,
        geo_decoder: Any,
        bounds: float | Sequence[float],
        num_chunks: int,
        progress: Progress | None,
    ) -> None:
        self.geo_decoder = geo_decoder
        self.projected = geo_decoder.project(latents)
        self.device = latents.device
        low, high = box_corners(bounds)
        self.low, self.high = torch.from_numpy(low), torch.from_numpy(high)
        on_cpu = latents.device.type == "cpu"
        self.num_chunks = min(num_chunks, _CPU_CHUNK) if on_cpu else num_chunks
        self.progress = progress
        self.asked = 0
        self.total = 0  # points of the levels begun so far
        self.guessed = 0  # points of the levels to come, for progress only

    def axes(self, resolution: int) -> list[Tensor]:
        """Coordinates `(resolution + 1,)` of the grid along x, y, z."""
        return [
            torch.from_numpy(np.linspace(low, high, resolution + 1, dtype=np.float32)).to(
                self.device
            )
            for low, high in zip(self.low.numpy(), self.high.numpy(), strict=True)
        ]

    def ask(self, positions: Callable[[int, int], Tensor], count: int) -> Tensor:
        """Values `(B, count)` at the points that `positions(start, stop)` gives, chunk by chunk."""
        parts = []
        for start in range(0, count, self.num_chunks):
            stop = min(start + self.num_chunks, count)
            points = positions(start, stop)[None].expand(len(self.projected.keys), -1, -1)
            parts.append(self.geo_decoder.query(self.projected, points)[..., 0].float())
            self.asked += stop - start
            if self.progress is not None:
                self.progress(self.asked, self.total + self.guessed)
        return torch.cat(parts, dim=1)

    def everywhere(self, resolution: int, later_levels: int = 0) -> Tensor:
        """Values `(B, n, n, n)` at all grid points, the first of several levels."""
        side = resolution + 1
        self.total += side**3
        # Measured on closed objects: the first refinement asks about as many points again as a
        # coarse grid of 64 has, every further one four times as many.
        self.guessed = sum(4**i for i in range(later_levels)) * side**3
        x, y, z = self.axes(resolution)

        def positions(start: int, stop: int) -> Tensor:
            index = torch.arange(start, stop, device=self.device)
            return torch.stack(
                [x[index // side**2], y[index // side % side], z[index % side]], dim=-1
            )

        return self.ask(positions, side**3).unflatten(1, (side, side, side))

    def at(self, index: Tensor, resolution: int, later_levels: int = 0) -> Tensor:
        """Values `(P,)` at grid indices `(P, 3)`, for a field of one object."""
        self.total += len(index)
        self.guessed = sum(4**i for i in range(1, later_levels + 1)) * len(index)
        low, size = self.low.to(self.device), (self.high - self.low).to(self.device)
        step = size / resolution

        def positions(start: int, stop: int) -> Tensor:
            return low + index[start:stop].float() * step

        return self.ask(positions, len(index))[0]


class VanillaVolumeDecoder:
    """The field at every grid point."""

    def __call__(
        self,
        latents: Tensor,
        geo_decoder: Any,
        bounds: float | Sequence[float] = 1.01,
        num_chunks: int = 10000,
        mc_level: float = 0.0,
        octree_resolution: int = 384,
        progress: Progress | None = None,
        **ignored: Any,
    ) -> Tensor:
        """Grid `(B, n, n, n) float32` of decoded latents `(B, L, D)`.

        `progress(asked, total)` is called after every chunk of at most `num_chunks` points.
        """
        field = Field(latents, geo_decoder, bounds, num_chunks, progress)
        return field.everywhere(octree_resolution)


def halved_levels(octree_resolution: int, min_resolution: int) -> list[int]:
    """Resolutions from coarse to fine, each twice the one before, none below `min_resolution`.

    The last is `octree_resolution` or a little less: halving drops remainders.
    """
    levels = []
    resolution = octree_resolution
    while resolution >= min_resolution:
        levels.append(resolution)
        resolution //= 2
    coarsest = levels[-1] if levels else octree_resolution
    return [coarsest * 2**i for i in range(max(len(levels), 1))]


def dilate(mask: Tensor) -> Tensor:
    """A boolean grid grown by one point in all 26 directions."""
    for axis in range(3):
        side = mask.shape[axis]
        grown = mask.clone()
        grown.narrow(axis, 1, side - 1).logical_or_(mask.narrow(axis, 0, side - 1))
        grown.narrow(axis, 0, side - 1).logical_or_(mask.narrow(axis, 1, side - 1))
        mask = grown
    return mask


def refine_mask(mask: Tensor, side: int) -> Tensor:
    """Marked points of a grid at their places in a grid of twice the resolution."""
    fine = torch.zeros(side, side, side, dtype=torch.bool, device=mask.device)
    fine[::2, ::2, ::2] = mask
    return fine


class HierarchicalVolumeDecoding:
    """The published coarse-to-fine scheme; points far from the surface are NaN.

    Differs from the original where that is plainly wrong: positions are not rounded to integers,
    and objects of a batch are decoded one by one.
    """

    def __call__(
        self,
        latents: Tensor,
        geo_decoder: Any,
        bounds: float | Sequence[float] = 1.01,
        num_chunks: int = 10000,
        mc_level: float = 0.0,
        octree_resolution: int = 384,
        min_resolution: int = 63,
        progress: Progress | None = None,
        **ignored: Any,
    ) -> Tensor:
        """Grid `(B, n, n, n) float32`, n being `levels[-1] + 1`."""
        levels = halved_levels(octree_resolution, min_resolution)
        grids = []
        for row in latents.split(1):
            field = Field(row, geo_decoder, bounds, num_chunks, progress)
            grid = field.everywhere(levels[0], later_levels=len(levels) - 1)[0]
            for i, level in enumerate(levels[1:], start=2):
                grid = self._refined(field, grid, level, len(levels) - i, mc_level)
            grids.append(torch.where(grid == UNKNOWN, torch.nan, grid))
        return torch.stack(grids)

    @staticmethod
    def _refined(
        field: Field, grid: Tensor, level: int, later_levels: int, mc_level: float
    ) -> Tensor:
        last = later_levels == 0
        # The original adds the level where it should subtract it.
        near = extract_near_surface_volume_fn(grid, -mc_level) > 0
        near |= (grid - mc_level).abs() < NEAR_LEVEL
        if not last:
            near = dilate(near)
        near = dilate(refine_mask(near, level + 1))
        if last:
            near = dilate(near)
        fine = torch.full_like(near, UNKNOWN, dtype=torch.float32)
        fine[near] = field.at(near.nonzero(), level, later_levels)
        return fine
