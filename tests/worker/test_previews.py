# SPDX-License-Identifier: Apache-2.0
"""When coarse meshes are sent, with a clock of the test's own."""

import numpy as np

from hy3dgen.errors import SurfaceExtractionError
from hy3dgen.worker.previews import MAX_SHARE, Previews

TRIANGLE = np.eye(3, dtype=np.float64), np.array([[0, 1, 2]])


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Sent(list):
    def preview(self, arrays):
        self.append(arrays)


def sample(steps, step_seconds, cost):
    """What is sent of a sampling whose previews take `cost` seconds each."""
    clock, sent = Clock(), Sent()
    previews = Previews(sent, steps, clock)

    def decode():
        clock.now += cost
        return TRIANGLE

    for step in range(1, steps + 1):
        clock.now += step_seconds
        previews.offer(step / steps, decode)
    return previews, sent, clock.now


def test_share_of_the_time():
    previews, sent, seconds = sample(100, 0.2, 0.2)
    assert len(sent) == previews.count > 2
    assert previews.seconds <= MAX_SHARE * seconds + 0.2, "the first one's cost is not known yet"


def test_cheap_ones_come_often_but_not_too_often():
    _, sent, _ = sample(100, 0.1, 0.001)
    assert 20 <= len(sent) <= 26, "each third step of the last three quarters"


def test_none_in_a_short_sampling():
    assert sample(4, 1.0, 0.0)[1] == []


def test_none_of_the_first_blob():
    _, sent, _ = sample(8, 1.0, 0.0)
    assert len(sent) == 7


def test_arrays_as_the_protocol_has_them():
    sent = Sent()
    Previews(sent, 10).give(TRIANGLE)
    assert sent[0]["vertices"].dtype == np.float32 and sent[0]["faces"].dtype == np.int32


def test_no_surface_yet():
    clock, sent = Clock(), Sent()
    previews = Previews(sent, 10, clock)

    def decode():
        raise SurfaceExtractionError("nothing there")

    clock.now = 1.0
    previews.offer(0.5, decode)
    assert sent == [] and previews.count == 0
