# SPDX-License-Identifier: Apache-2.0
"""Folders that several threads of one process look at together."""

from concurrent.futures import ThreadPoolExecutor

from hy3dgen.install import disk


def test_many_may_make_the_same_folder_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: disk.make_folder(tmp_path / "a" / "b"), range(400)))
    assert list((tmp_path / "a" / "b").iterdir()) == []
