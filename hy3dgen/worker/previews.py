# SPDX-License-Identifier: Apache-2.0
"""Coarse meshes of the shape found so far, sent while the sampling goes on."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hy3dgen.errors import SurfaceExtractionError
from hy3dgen.worker.server import TaskContext

RESOLUTION = 32  # cells a side: some thousand triangles
MIN_INTERVAL = 0.3  # seconds between two previews
MAX_SHARE = 0.04  # of the time since the last preview that the next one may have cost
FEWEST_STEPS = 5  # with fewer the result is there before a preview is of use
EARLIEST = 0.25  # of the way from noise to shape; before that there is only a blob

Mesh = tuple[np.ndarray, np.ndarray]


class Previews:
    """Decides when a preview is worth its time, and sends it.

    Parameters
    ----------
    steps : of the sampling
    clock : seconds; for tests
    """

    resolution = RESOLUTION

    def __init__(
        self, context: TaskContext, steps: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._context = context
        self._wanted = steps >= FEWEST_STEPS
        self._clock = clock
        self._ended = clock()
        self._cost = 0.0
        self.count = 0
        self.seconds = 0.0

    def offer(self, time: float, decode: Callable[[], Mesh]) -> None:
        """Call `decode` for `(V, 3) float32` and `(F, 3) int32` if it is time for that.

        `time` runs from 0, noise, to 1, shape. `decode` may raise SurfaceExtractionError: there is
        no shape yet.
        """
        now = self._clock()
        waited = now - self._ended
        due = waited >= MIN_INTERVAL and self._cost <= MAX_SHARE * waited
        if self._wanted and due and time >= EARLIEST:
            self._send(decode, now)

    def give(self, mesh: Mesh) -> None:
        """Send a mesh that cost nothing extra, whenever it comes."""
        vertices, faces = mesh
        arrays: Mapping[str, Any] = {
            "vertices": np.ascontiguousarray(vertices, np.float32),
            "faces": np.ascontiguousarray(faces, np.int32),
        }
        self._context.preview(arrays)
        self.count += 1

    def _send(self, decode: Callable[[], Mesh], began: float) -> None:
        try:
            self.give(decode())
        except SurfaceExtractionError:
            pass
        self._ended = self._clock()
        self._cost = self._ended - began
        self.seconds += self._cost
