# SPDX-License-Identifier: Apache-2.0
"""Regions and blur equal OpenCV's."""

import numpy as np
import pytest

from hy3dgen.numpy_forward.regions import label, soften

cv2 = pytest.importorskip("cv2")


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.6, 0.9, 1.0])
def test_regions(share, diagonal):
    mask = np.random.default_rng(1).random((57, 83)) < share
    count, labels = label(mask, diagonal)
    theirs_count, theirs = cv2.connectedComponents(
        mask.astype(np.uint8), connectivity=8 if diagonal else 4
    )
    pairs = np.unique(np.stack([labels.ravel(), theirs.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(labels)) == len(np.unique(theirs))
    assert count == theirs_count and (labels[~mask] == 0).all() and (labels[mask] > 0).all()


def test_a_spiral_is_one_region():
    spiral = np.zeros((41, 41), bool)
    for ring in range(0, 20, 2):
        spiral[ring, ring : 41 - ring] = spiral[ring : 41 - ring, 40 - ring] = True
        spiral[40 - ring, ring : 41 - ring] = spiral[ring + 2 : 41 - ring, ring] = True
        spiral[ring + 2, ring : ring + 3] = True
    count, _ = label(spiral, diagonal=False)
    assert count == cv2.connectedComponents(spiral.astype(np.uint8), connectivity=4)[0] == 2


@pytest.mark.parametrize("shape", [(9, 7, 3), (5, 1), (1, 1), (30, 20)])
def test_blur(shape):
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    theirs = cv2.GaussianBlur(values, (3, 3), 0).reshape(shape)
    np.testing.assert_allclose(soften(values), theirs, atol=1e-6)
