# SPDX-License-Identifier: Apache-2.0
"""Which way of painting a GPU's memory allows."""

import pytest
import torch

from hy3dgen.texgen.model_loading import memory_is_short


@pytest.mark.parametrize(
    ("free", "idle", "limit", "short"),
    [(24, 0, None, False), (8, 0, None, True), (8, 3, None, False), (24, 0, 8, True),
     (24, 0, 12, False)],
)  # fmt: skip
def test_less_than_ten_gigabytes_are_little(monkeypatch, free, idle, limit, short):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free * 1e9, 24e9))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 1e9 + idle * 1e9)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 1e9)
    limit = None if limit is None else limit * 1e9
    assert memory_is_short(torch.device("cuda"), limit) is short


def test_a_processor_has_no_such_mode():
    assert not memory_is_short(torch.device("cpu"), 1)
