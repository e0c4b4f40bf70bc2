# SPDX-License-Identifier: Apache-2.0
"""What tasks that start from a picture share: their stages' times, and which picture is meant."""

import time

import numpy as np

from hy3dgen.errors import InvalidImageError, InvalidSettingError
from hy3dgen.worker.server import TaskContext


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
