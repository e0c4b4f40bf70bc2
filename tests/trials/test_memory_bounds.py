# SPDX-License-Identifier: Apache-2.0
"""Readers keep to what they may cost in memory; see docs/reliability.md."""

import sys

import pytest

from trials import memory_bounds

pytest.importorskip("torch")
pytest.importorskip("trimesh")
pytest.importorskip("cv2", reason="comes with the library that reads pictures")
if not sys.platform.startswith("linux"):
    pytest.skip("peaks are counted by Linux", allow_module_level=True)


@pytest.mark.parametrize("name", memory_bounds.CASES)
def test_the_worst_that_is_known_keeps_to_the_cap(name):
    found = memory_bounds.measure(name)
    assert found["kept"], found


def test_what_costs_more_is_told(monkeypatch):
    case = memory_bounds.CASES["line of brackets"]._replace(most=1 << 20)
    monkeypatch.setitem(memory_bounds.CASES, "too much", case)
    assert not memory_bounds.measure("too much")["kept"]
