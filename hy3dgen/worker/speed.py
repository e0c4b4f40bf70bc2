# SPDX-License-Identifier: Apache-2.0
"""One number between fast and good becomes settings of a generation.

Standard library only, so that an interface can show the very numbers that the worker will use.
"""

from typing import Any

FEWEST_STEPS = 3
_GRIDS = (32, 512)  # a side; finer grids are for those who ask for them by name


def settings_at(
    speed_priority: float, num_inference_steps: int, octree_resolution: int
) -> dict[str, Any]:
    """Steps and resolution for a wish from 0 (best) to 1 (fastest).

    At 0.5 they are the model's own defaults, which are given; at the ends twice and half as much.
    Steps cost in proportion, the grid nearly with its square, for only cells near the surface are
    decoded. Resolutions are multiples of 32, so that decoding can begin on a coarser grid.
    """
    factor = 2 ** (1 - 2 * min(max(speed_priority, 0.0), 1.0))
    low, high = _GRIDS
    resolution = 32 * round(octree_resolution * factor / 32)
    return {
        "num_inference_steps": max(round(num_inference_steps * factor), FEWEST_STEPS),
        "octree_resolution": min(max(resolution, low), max(high, octree_resolution)),
    }
