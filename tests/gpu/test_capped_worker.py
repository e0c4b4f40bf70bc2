# SPDX-License-Identifier: Apache-2.0
"""A real worker whose share of the GPU is capped: each job ends in words or with the mesh."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.gpu, pytest.mark.slow]


def test_each_cap_ends_in_words_or_with_the_mesh(tmp_path):
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "trials.gpu_caps", "--json", str(figures)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    rows = json.loads(figures.read_text())["rows"]
    assert any(row.get("words") for row in rows), "a cap must be too low for something"
