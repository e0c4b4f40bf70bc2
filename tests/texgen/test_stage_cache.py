# SPDX-License-Identifier: Apache-2.0
"""Results of stages: what is kept, how much of it, and how it goes."""

import os
import subprocess
import sys

import numpy as np
import pytest

from hy3dgen.cli import main
from hy3dgen.errors import SetupError
from hy3dgen.texgen.stage_cache import StageCache, clear_everywhere, digest, stamp_of


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("HY3DGEN_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def keep(cache, key, size=10):
    made = []
    cache.get(key, lambda: made.append(key), lambda _: size)
    return bool(made)


def test_equal_contents_have_equal_names():
    one, other = np.arange(6), np.arange(6)
    assert digest(one, "a", 1) == digest(other, "a", 1)
    assert len({digest(one), digest(one.reshape(2, 3)), digest(one.astype(np.int32))}) == 3
    assert digest("a", "b") != digest("ab") and digest(1) != digest("1")


def test_weights_are_known_by_their_files(tmp_path):
    weights = tmp_path / "unet" / "weights.safetensors"
    weights.parent.mkdir()
    assert stamp_of(tmp_path) == stamp_of(tmp_path / "nothing") == ()
    stamps = []
    for content in (b"a", b"bc"):
        weights.write_bytes(content)
        stamps.append(stamp_of(tmp_path))
    os.utime(weights, ns=(1, 1))
    assert len({*stamps, stamp_of(tmp_path)}) == 3


def test_what_was_not_used_for_longest_goes_first():
    cache = StageCache(30)
    assert [keep(cache, key) for key in "abc"] == [True] * 3
    assert not keep(cache, "a")
    assert keep(cache, "d")
    assert not keep(cache, "a") and keep(cache, "b"), "b went, a was used meanwhile"
    assert cache.bytes == 30
    assert keep(cache, "large", 31) and keep(cache, "large", 31), "too large to be kept"


def test_the_command_line_clears_the_caches_of_other_processes(data, capsys):
    cache = StageCache()
    keep(cache, "a")
    command = [sys.executable, "-m", "hy3dgen", "cache", "--clear"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert cache.bytes == 0
    assert keep(cache, "a") and not keep(cache, "a")
    clear_everywhere()
    assert keep(cache, "a"), "and again"
    assert main(["cache", "--clear", "--json"]) == 0
    assert '"cleared": true' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["cache"])
    assert [path.name for path in data.iterdir()] == ["caches-cleared"]


def test_a_mark_that_cannot_be_written_is_told(data, capsys):
    data.write_text("a file")
    with pytest.raises(SetupError, match="could not be written"):
        clear_everywhere()
    assert main(["cache", "--clear"]) == 1
    assert "could not be written" in capsys.readouterr().err
