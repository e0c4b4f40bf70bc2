# SPDX-License-Identifier: Apache-2.0
"""FlashVDM: coarse-to-fine decoding in which each region of space looks at a few latents only.

Source: Lai et al. 2025, "Unleashing Vecset Diffusion Model for Fast Shape Generation". Which points
are asked comes from `coarse_to_fine.py`, so a grid keeps the resolution asked for and its surface
has no gaps; `compatibility=True` gives the published grid instead.
"""

from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any

import torch
from torch import Tensor

from ....errors import InvalidSettingError
from ....gpu.sparse_grid import SparseGrid, coordinates
from ....memory import is_out_of_memory
from .attention_blocks import KeysValues
from .attention_processors import (
    FlashVDMCrossAttentionProcessor,
    FlashVDMTopMCrossAttentionProcessor,
)
from .coarse_to_fine import follow_surfaces
from .field import Field, Progress
from .grid_levels import halved_levels
from .hierarchical import decode_levels

_PROCESSORS = {
    "mean": FlashVDMCrossAttentionProcessor,
    "merge": FlashVDMTopMCrossAttentionProcessor,
}
_BINS = 6  # regions per axis on the fine levels


class FlashVDMVolumeDecoding:
    """The field near the surface with attention to chosen latents; other points are NaN.

    Parameters
    ----------
    topk_mode : 'mean' keeps a third of the latents, 'merge' all that matter
    compatibility : the published grid: its side is that of `flash_levels`, points near the surface
        are marked as in `HierarchicalVolumeDecoding`, and the surface may end at unknown points
    sparse_from : as for `CoarseToFineVolumeDecoder`; not with `compatibility`
    """

    def __init__(
        self,
        topk_mode: str = "mean",
        compatibility: bool = False,
        sparse_from: int | None = None,
    ) -> None:
        if topk_mode not in _PROCESSORS:
            raise InvalidSettingError(
                f"topk_mode is {topk_mode!r}; choose from {', '.join(_PROCESSORS)}."
            )
        self.topk_mode = topk_mode
        self.processor = _PROCESSORS[topk_mode]()
        self.compatibility = compatibility
        self.sparse_from = sparse_from

    @torch.no_grad()
    def __call__(
        self,
        latents: Tensor,
        geo_decoder: Any,
        bounds: float | Sequence[float] = 1.01,
        num_chunks: int = 10000,
        mc_level: float = 0.0,
        octree_resolution: int = 384,
        min_resolution: int = 63,
        mini_grid_num: int = 4,
        progress: Progress | None = None,
        **ignored: Any,
    ) -> Tensor | list[SparseGrid]:
        """Grid `(B, n, n, n) float32`, or sparse ones.

        `mini_grid_num` is the number of regions per axis on the coarsest level.
        """

        fields = (
            RegionField(row, geo_decoder, bounds, num_chunks, progress, mini_grid_num)
            for row in latents.split(1)
        )

        before = geo_decoder.cross_attention_processor
        geo_decoder.set_cross_attention_processor(self.processor)
        try:
            if not self.compatibility:
                return follow_surfaces(
                    fields, octree_resolution, min_resolution, mc_level, self.sparse_from
                )
            levels = flash_levels(octree_resolution, min_resolution, mini_grid_num)
            return torch.stack([decode_levels(field, levels, mc_level, True) for field in fields])
        finally:
            geo_decoder.set_cross_attention_processor(before)


def flash_levels(octree_resolution: int, min_resolution: int, mini_grid_num: int) -> list[int]:
    """The published resolutions: the coarsest grid's side is a multiple of `mini_grid_num`.

    Halves are rounded to even, and the finest can differ from `octree_resolution`: 256 gives 252.
    """
    levels = halved_levels(octree_resolution, min_resolution)
    coarsest = round(levels[0] / mini_grid_num) * mini_grid_num - 1
    return [coarsest * 2**i for i in range(len(levels))]


class RegionField(Field):
    """A field asked region by region, so that the processor can choose latents for each.

    Which points share a call depends on `num_chunks` alone, never on the device.
    """

    def __init__(
        self,
        latents: Tensor,
        geo_decoder: Any,
        bounds: float | Sequence[float],
        num_chunks: int,
        progress: Progress | None,
        mini_grid_num: int,
    ) -> None:
        super().__init__(latents, geo_decoder, bounds, num_chunks, progress)
        self.num_chunks = num_chunks
        self.mini_grid_num = mini_grid_num

    def everywhere(self, resolution: int, later_levels: int = 0) -> Tensor:
        """Values `(1, n, n, n)`; the regions are boxes of nearly equal size."""
        side = resolution + 1
        self.begin_level(side**3, sum(4**i for i in range(later_levels)) * side**3)
        axes = self.axes(resolution)
        grid = axes[0].new_empty(side, side, side)
        starts = [side * i // self.mini_grid_num for i in range(self.mini_grid_num + 1)]
        runs = [slice(*ends) for ends in pairwise(starts)]
        boxes: dict[tuple[int, ...], list[tuple[slice, ...]]] = {}
        for box in product(runs, repeat=3):
            shape = tuple(run.stop - run.start for run in box)
            if all(shape):
                boxes.setdefault(shape, []).append(box)
        for shape, group in boxes.items():
            size = shape[0] * shape[1] * shape[2]
            together = max(self.num_chunks // size, 1)
            for first in range(0, len(group), together):
                part = group[first : first + together]
                points = [
                    torch.cartesian_prod(*(axis[run] for axis, run in zip(axes, box, strict=True)))
                    for box in part
                ]
                values = self._query(torch.stack(points), True)
                for box, row in zip(part, values, strict=True):
                    grid[box] = row.view(shape)
        return grid[None]

    def at(self, index: Tensor, resolution: int, later_levels: int | None = 0) -> Tensor:
        """Values `(P,)` at grid indices `(P, 3)`; the regions are bins of the points' box."""
        self.begin_points(len(index), later_levels)
        points = self.placing(resolution)(index)
        bins = _bin_numbers(points)
        # Points of a bin keep their order, because every so many of them are looked at.
        order = bins.argsort(stable=True)
        counts = bins.bincount(minlength=_BINS**3).tolist()
        values = points.new_empty(len(points))
        start = 0
        for numbers in _runs_of_bins(counts, self.num_chunks):
            sizes = [counts[number] for number in numbers]
            chosen = order[start : start + sum(sizes)]
            values[chosen] = self._query(points[chosen][None], [numbers, sizes])[0]
            start += len(chosen)
        return values

    def at_keys(self, keys: Tensor, resolution: int, later_levels: int | None = 0) -> Tensor:
        return self.at(coordinates(keys, resolution + 1), resolution, later_levels)

    def _query(self, points: Tensor, topk: Any) -> Tensor:
        """Values `(R, P)` at points `(R, P, 3)`; fewer regions at a time if memory is short."""
        rows = len(points)
        projected = KeysValues(*(part.expand(rows, -1, -1, -1) for part in self.projected))
        self.geo_decoder.cross_attention_processor.topk = topk
        try:
            values = self.geo_decoder.query(projected, points)[..., 0].float()
        except (RuntimeError, MemoryError) as error:
            alone = rows == 1 and (topk is True or len(topk[0]) == 1)
            if alone or not is_out_of_memory(error):
                raise  # a region chooses its latents as a whole
        else:
            self.count(values.numel())
            return values
        self.num_chunks = max(self.num_chunks // 2, 1)
        self.tell_smaller_chunks(points[..., 0].numel())
        if topk is True:
            return torch.cat([self._query(part, True) for part in points.split((rows + 1) // 2)])
        numbers, sizes = topk
        middle = len(numbers) // 2
        halves = points.split([sum(sizes[:middle]), sum(sizes[middle:])], dim=1)
        topks = [numbers[:middle], sizes[:middle]], [numbers[middle:], sizes[middle:]]
        return torch.cat([self._query(*half) for half in zip(halves, topks, strict=True)], dim=1)


def _bin_numbers(points: Tensor) -> Tensor:
    """Which of the 6 x 6 x 6 parts of their bounding box points `(P, 3)` lie in, `(P,)`."""
    low, high = points.amin(dim=0), points.amax(dim=0)
    size = torch.where(high > low, high - low, 1.0)
    place = ((points - low) / size * (_BINS - 0.001)).floor().long()
    return (place[:, 0] * _BINS + place[:, 1]) * _BINS + place[:, 2]


def _runs_of_bins(counts: list[int], limit: int) -> list[list[int]]:
    """Bins that have points, in order, put together while they have less than `limit` of them."""
    runs: list[list[int]] = []
    total = 0
    for number, count in enumerate(counts):
        if count == 0:
            continue
        if runs and total + count < limit:
            runs[-1].append(number)
            total += count
        else:
            runs.append([number])
            total = count
    return runs
