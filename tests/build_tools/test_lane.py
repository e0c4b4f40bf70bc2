# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs of tests at once: nothing that the hidden one says or fails at is lost."""

import os
import sys
from pathlib import Path

import pytest

from build_tools.lane import Lane, Run


def python(title: str, code: str) -> Run:
    return Run(title, [sys.executable, "-c", code], Path.cwd(), os.environ)


def test_output_comes_whole_and_in_order_after_ours(capfd: pytest.CaptureFixture[str]) -> None:
    with Lane([python("first", "print('one')"), python("second", "print('two')")]) as lane:
        assert python("ours", "print('zero')").passed()
        assert lane.show()
    assert capfd.readouterr().out.split() == ["ours", "zero", "first", "one", "second", "two"]


@pytest.mark.parametrize("place", [0, 1])
def test_one_failure_is_enough_and_the_other_still_runs(
    place: int, capfd: pytest.CaptureFixture[str]
) -> None:
    runs = [python("well", "print('ran')")]
    runs.insert(place, python("badly", "raise SystemExit('no')"))
    with Lane(runs) as lane:
        assert not lane.show()
    out = capfd.readouterr().out
    assert "ran" in out and "no" in out.split()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_run_that_a_signal_ends_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with Lane([python("killed", "import os; os.kill(os.getpid(), 9)")]) as lane:
        assert not lane.show()
    assert "signal 9" in capfd.readouterr().out


def test_left_early_it_starts_nothing_more(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    runs = [
        python("slow", "import time; time.sleep(0.5)"),
        python("never", f"open({str(mark)!r}, 'w')"),
    ]
    with pytest.raises(KeyError), Lane(runs) as lane:
        folder = lane._path.parent
        raise KeyError
    assert not mark.exists()
    assert not folder.exists()
