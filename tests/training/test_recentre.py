# SPDX-License-Identifier: Apache-2.0
"""The batched recentring against OpenCV, picture by picture."""

import cv2
import numpy as np
import pytest
import torch

from training.programs.recentre import recentre_on_gpu


def with_opencv(image: np.ndarray, size: int, border_ratio: float) -> np.ndarray:
    side = len(image)
    rows, columns = np.nonzero(image[..., 3] > 0)
    r0, r1, c0, c1 = rows.min(), rows.max(), columns.min(), columns.max()
    scale = int(side * (1 - border_ratio)) / max(r1 - r0, c1 - c0)
    h, w = int((r1 - r0) * scale), int((c1 - c0) * scale)
    y, x = (side - h) // 2, (side - w) // 2
    canvas = np.zeros_like(image)
    crop = image[r0:r1, c0:c1]
    canvas[y : y + h, x : x + w] = cv2.resize(crop, (w, h), interpolation=cv2.INTER_AREA)
    alpha = canvas[..., 3:].astype(np.float32) / 255
    flat = np.clip(canvas[..., :3] * alpha + 255 * (1 - alpha), 0, 255).astype(np.uint8)
    small = cv2.resize(flat, (size, size), interpolation=cv2.INTER_CUBIC)
    return small.astype(np.float32).transpose(2, 0, 1) / 255 * 2 - 1


def pictures() -> np.ndarray:
    """Blobs of many sizes and places with soft edges, stripes, and colour under clear pixels."""
    random = np.random.default_rng(5)
    side = 96
    y, x = np.mgrid[:side, :side]
    made = []
    for _ in range(24):
        cx, cy = random.uniform(30, 66, 2)
        rx, ry = random.uniform(6, 28, 2)
        inside = 1 - ((x - cx) / rx) ** 2 - ((y - cy) / ry) ** 2
        alpha = np.clip(inside * 4, 0, 1)
        stripes = 127 + 120 * np.sin(x * random.uniform(0.1, 1) + y * random.uniform(0.1, 1))
        colour = np.stack([stripes, 255 - stripes, np.full_like(stripes, 90)], axis=-1)
        made.append(np.concatenate([colour, alpha[..., None] * 255], axis=-1))
    full = made[0].copy()
    full[..., 3] = 255  # an opaque picture is shrunk too
    return np.stack([*made, full]).astype(np.uint8)


@pytest.mark.parametrize(("size", "border"), [(112, 0.15), (64, 0.3)])
def test_same_as_opencv(size, border):
    source = pictures()
    got = recentre_on_gpu(torch.from_numpy(source), size, border).numpy()
    differ = np.array(
        [np.abs(g - with_opencv(s, size, border)).mean() for g, s in zip(got, source, strict=True)]
    )
    assert got.shape == (25, 3, size, size)
    # OpenCV rounds in fixed point: half a level in the mean is agreement. In [-1, 1], 2/255 is one.
    assert differ.max() * 127.5 < 0.5


def test_clear_picture_is_white():
    clear = torch.zeros(1, 32, 32, 4, dtype=torch.uint8)
    assert torch.equal(recentre_on_gpu(clear, 16), torch.ones(1, 3, 16, 16))
