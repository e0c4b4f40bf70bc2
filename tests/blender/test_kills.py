# SPDX-License-Identifier: GPL-3.0-or-later
"""The short form of `trials/kills.py`: each fault strikes a worker, two Blenders are killed."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import BPY_PYTHON

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

TRIALS = Path(__file__).resolve().parents[2] / "trials"
sys.path.append(str(TRIALS / "blender"))

pytestmark = [
    pytest.mark.usefixtures("nothing_left"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals, and looks in /proc"),
]


def test_whatever_happens_to_a_worker_the_job_ends_in_a_sentence(scene):
    from trial_client import Places
    from worker_faults import FAULTS
    from worker_kills import Trials

    from hy3dgen.worker.shared_arrays import default_roots

    places = Places(Path(os.environ["BLENDER_USER_RESOURCES"]), default_roots()[0])
    trials = Trials(places, Path(), random.Random(7), kinds=("reduce",))
    for fault in FAULTS:
        for _ in range(10):  # by chance the job may be quicker
            trial = trials.one(fault, "reduce")
            assert not trial["problems"], trial
            if trial["words"]:
                break
        assert trial["words"], trial


@pytest.mark.slow
def test_killed_blenders_leave_no_worker_and_harm_no_other(scene, tmp_path):
    figures = tmp_path / "figures.json"
    command = [sys.executable, TRIALS / "kills.py", "--bpy", BPY_PYTHON]
    command += ["--zip", os.environ["EXT_ZIP"], "--workers", "0", "--blenders", "2"]
    done = subprocess.run([*command, "--json", figures], capture_output=True, text=True)
    assert figures.is_file(), done.stdout + done.stderr
    found = json.loads(figures.read_text())
    assert done.returncode == 0, found["problems"]
    assert found["blenders"]["killed"] == 2
