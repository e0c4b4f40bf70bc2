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


def exact_levels(octree_resolution: int, min_resolution: int) -> list[int]:
    """The same, ending in `octree_resolution` itself: fewer halvings if one would be odd."""
    levels = halved_levels(octree_resolution, min_resolution)
    while levels[-1] != octree_resolution:
        levels = halved_levels(octree_resolution, levels[0] + 1)
    return levels
