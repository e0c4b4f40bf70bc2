# SPDX-License-Identifier: Apache-2.0
"""Whether faces share places on the texture: what is painted for one then shows on the other."""

import numpy as np

from .rasterizer import rasterize

SIZE = 1024  # texels a side that are looked at
NOTICED = 0.01  # share of the charts' area from which it is worth a word


_CERTAIN = 20  # times the whole texture


def overlapping_share(uvs: np.ndarray, faces: np.ndarray) -> float:
    """How much of the faces' area on the texture, 0..1, lies on other faces.

    Parameters
    ----------
    uvs : (U, 2) in [0, 1]
    faces : (F, 3) numbers of UVs
    """
    uvs = np.asarray(uvs, np.float64)
    a, b, c = (uvs[faces[:, corner]] for corner in range(3))
    one, other = b - a, c - a
    area = float(np.abs(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]).sum()) / 2
    texels = area * (SIZE - 1) ** 2
    if texels < 1:
        return 0.0
    if texels > _CERTAIN * SIZE**2:  # drawing them would take long and tell the same
        return 1 - SIZE**2 / texels
    places = np.zeros((len(uvs), 4), np.float32)
    places[:, :2] = uvs * 2 - 1
    places[:, 3] = 1
    numbers, _ = rasterize(places, np.asarray(faces, np.int32), (SIZE, SIZE))
    return max(0.0, 1 - np.count_nonzero(numbers) / texels)


def sentence(share: float) -> str:
    """What is wrong, and what to do."""
    return (
        f"{100 * share:.0f} % of the UVs lie on top of each other, so those faces get the same "
        "colours; unwrap anew for colours of their own"
    )
