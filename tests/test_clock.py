# SPDX-License-Identifier: Apache-2.0
"""A clock that jumps, back or forth, does no harm: hardly anything asks for the time of day."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((*(ROOT / "hy3dgen").rglob("*.py"), *(ROOT / "hunyuan3d_blender").rglob("*.py")))
TIME_OF_DAY = {"time", "time_ns", "now", "utcnow", "today", "localtime", "gmtime"}
# How old an abandoned folder is; what happens when the clock was set back is tested there.
ALLOWED = {"hy3dgen/private_folders.py": {"time.time"}}


def times_of_day(source: str) -> set[str]:
    """Calls such as `time.time()` and `datetime.now()`."""
    return {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in TIME_OF_DAY
        and ast.unparse(node.func.value).rpartition(".")[2] in ("time", "datetime", "date")
    }


@pytest.mark.parametrize("code", ["import time\ntime.time()", "datetime.datetime.now()"])
def test_it_would_be_noticed(code):
    assert times_of_day(code)


def test_nothing_is_measured_by_the_time_of_day():
    found = {
        path.relative_to(ROOT).as_posix(): calls
        for path in SOURCES
        if (calls := times_of_day(path.read_text(encoding="utf-8")))
    }
    assert found == ALLOWED


def test_nothing_imports_the_bare_function():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in ("time", "datetime"):
                assert not {name.name for name in node.names} & TIME_OF_DAY, path
