# SPDX-License-Identifier: Apache-2.0
"""Through which resolutions coarse-to-fine decoding goes; numbers only, without torch."""


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


def covering_levels(octree_resolution: int, min_resolution: int) -> list[int]:
    """As many of them, but the last is `octree_resolution` or a little more: halving rounds up.

    Grids of those resolutions reach beyond the box by what the last one has too many; that part is
    cut off in the end.
    """
    halvings = len(halved_levels(octree_resolution, min_resolution)) - 1
    coarsest = -(-octree_resolution // 2**halvings)
    return [coarsest * 2**i for i in range(halvings + 1)]
