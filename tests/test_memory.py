# SPDX-License-Identifier: Apache-2.0
"""What the process holds is what it was made to hold."""

import gc
import sys

import numpy as np
import pytest

from hy3dgen import memory

SIZE = 64 << 20


@pytest.fixture(autouse=True)
def nothing_to_reuse():
    """What earlier tests freed and the C library kept would be taken first, without growing."""
    memory.give_back_freed()


@pytest.mark.parametrize("counted_by_the_system", [True, False])
def test_the_peak_is_seen_after_it_is_over(monkeypatch, counted_by_the_system):
    if not counted_by_the_system:
        monkeypatch.setattr(memory, "_restart_linux_peak", lambda: False)
    with memory.peak_memory() as peak:
        block = np.ones(SIZE, np.uint8)
        for _ in range(20):
            block += 1  # long enough to be looked at
        del block
    assert 0.9 * SIZE < peak.bytes - peak.before < 1.5 * SIZE
    with memory.peak_memory() as quiet:
        pass
    assert quiet.bytes - quiet.before < SIZE / 4


def test_what_is_held_and_what_could_be_had():
    before = memory.resident_bytes()
    block = np.ones(SIZE, np.uint8)
    assert memory.resident_bytes() - before > 0.9 * SIZE
    assert memory.available_bytes() > len(block)
    memory.give_back_freed()


def test_giving_back_leaves_nothing_for_the_garbage_collector():
    memory.give_back_freed()
    gc.collect()
    gc.disable()
    try:
        memory.give_back_freed()
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="of CPython's cache")
def test_giving_back_lets_go_of_names_that_were_looked_up():
    memory.give_back_freed()
    before = sys.getallocatedblocks()
    names = ["".join(("attribute ", str(number))) for number in range(2000)]
    for name in names:
        getattr(memory, name, None)
        getattr(np.float32, name, None)
    del names, name
    kept = sys.getallocatedblocks() - before
    memory.give_back_freed()
    assert sys.getallocatedblocks() - before < max(200, kept / 2)
    assert kept > 500, "what this test is about is gone from Python"
