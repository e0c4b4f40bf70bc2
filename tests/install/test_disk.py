# SPDX-License-Identifier: Apache-2.0
"""Folders and locks that several want at once."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hy3dgen.install import disk


def test_many_may_make_the_same_folder_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: disk.make_folder(tmp_path / "a" / "b"), range(400)))
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="there an open file cannot be removed")
def test_who_waits_for_a_lock_that_is_removed_holds_the_next_one(tmp_path):
    """Else a third one would make the file anew and work beside the second."""
    path, waits, has_it, over = tmp_path / "lock", *(threading.Event() for _ in range(3))

    def second():
        with disk.only_one(path, waits.set):
            has_it.set()
            assert over.wait(10)

    def give_up():
        raise TimeoutError

    with ThreadPoolExecutor(1) as pool:
        with disk.only_one(path, lambda: None):
            done = pool.submit(second)
            assert waits.wait(10)
            path.unlink()
        assert has_it.wait(10)
        with pytest.raises(TimeoutError), disk.only_one(path, give_up):
            pass
        over.set()
        done.result(10)
