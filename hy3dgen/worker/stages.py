# SPDX-License-Identifier: Apache-2.0
"""What tasks that start from a picture share: their stages' times, which picture is meant, and
the small pictures that show how far they are."""

import time

import numpy as np

from hy3dgen.errors import InvalidImageError, InvalidSettingError
from hy3dgen.numpy_forward.picture import resize_area
from hy3dgen.worker.server import TaskContext

VIEW_SIZE = 160  # pixels a side of the pictures that are shown


class Stages:
    """Passes progress on and notes how long each stage took."""

    def __init__(self, context: TaskContext) -> None:
        self._context = context
        self._names: list[str] = []
        self._starts: list[float] = []

    def progress(self, stage: str, step: int, total: int) -> None:
        if not self._names or self._names[-1] != stage:
            self._names.append(stage)
            self._starts.append(time.monotonic())
        self._context.progress(stage, step, total)

    def finish(self) -> list[tuple[str, float]]:
        """(stage, seconds) in order; the last one ends now."""
        ends = [*self._starts[1:], time.monotonic()]
        seconds = [round(end - start, 4) for start, end in zip(self._starts, ends, strict=True)]
        return list(zip(self._names, seconds, strict=True))


def choose_picture(path: str | None, image: np.ndarray | None) -> str | np.ndarray:
    if (path is None) == (image is None):
        raise InvalidSettingError(
            f"{'no' if path is None else 'a file and an array as'} picture was given; "
            "choose one picture"
        )
    if image is None:
        assert path is not None
        return path
    if image.dtype != np.uint8:
        raise InvalidImageError(f"the image is of {image.dtype}; send uint8 from 0 to 255")
    return image


class Views:
    """Pictures that show the state so far: the cut-out object, then what a network paints."""

    def __init__(self, context: TaskContext) -> None:
        self._context = context
        self._views: list[np.ndarray] = []

    def add(self, pixels: np.ndarray) -> None:
        """Send a further one, (H, W, 3 or 4) uint8, with all before it: `views`, (N, S, S, 4)."""
        stride = max(max(pixels.shape) // (4 * VIEW_SIZE), 1)  # exact means would take a second
        pixels = pixels[::stride, ::stride]
        height, width = pixels.shape[:2]
        scale = VIEW_SIZE / max(height, width)
        height, width = (max(round(side * scale), 1) for side in (height, width))
        view = np.zeros((VIEW_SIZE, VIEW_SIZE, 4), np.uint8)
        top, left = (VIEW_SIZE - height) // 2, (VIEW_SIZE - width) // 2
        inside = view[top : top + height, left : left + width]
        inside[..., 3] = 255
        inside[..., : pixels.shape[2]] = resize_area(pixels, height, width)
        self._views.append(view)
        self._context.preview({"views": np.stack(self._views)})
