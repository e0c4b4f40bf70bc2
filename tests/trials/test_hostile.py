# SPDX-License-Identifier: Apache-2.0
"""The short form of `python -m trials.hostile`, and that it would notice."""

import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hy3dgen.errors import Hy3DError, InputError
from hy3dgen.picture_limits import FORMATS
from trials import hostile
from trials.hostile_targets import TARGETS, Target
from trials.mutate import mutated

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="needs alarms")
INPUTS = 60


@pytest.fixture(autouse=True)
def limits_time():
    before = signal.signal(signal.SIGALRM, hostile._too_slow)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs_are_read_or_refused_in_a_sentence(name, tmp_path):
    samples = TARGETS[name].samples()
    found = {n: hostile.try_one(name, n, 7, tmp_path, samples) for n in range(INPUTS)}
    fine = (hostile.READ, hostile.REFUSED)
    assert {n: finding for n, finding in found.items() if finding not in fine} == {}


@pytest.mark.parametrize("name", TARGETS)
def test_the_good_samples_reach_the_reader(name, tmp_path):
    """Else the trial would only try what is refused at once."""
    read = 0
    for sample in TARGETS[name].samples():
        try:
            TARGETS[name].read(sample, tmp_path)
            read += 1
        except Hy3DError:
            pass
    assert read


def test_every_format_of_pictures_is_tried(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    found = set()
    for sample in TARGETS["pictures"].samples():
        try:
            TARGETS["pictures"].read(sample, tmp_path)
        except Hy3DError:
            continue
        with Image.open(io.BytesIO(sample)) as image:
            found.add(image.format)
    assert set(FORMATS) - {"DIB"} <= found, "DIB is BMP without its first header"


def _raises(error):
    def read(data, folder):
        raise error

    return Target(lambda: [b"good"], read)


@pytest.mark.parametrize(
    ("error", "finding"),
    [
        (IndexError("list index out of range"), "IndexError: list index out of range"),
        (InputError(""), "no sentence"),
        (InputError("x" * 5000), "no sentence"),
        (InputError("The file is damaged; copy it again."), hostile.REFUSED),
    ],
)
def test_what_counts_as_a_finding(monkeypatch, tmp_path, error, finding):
    monkeypatch.setitem(TARGETS, "new", _raises(error))
    found = hostile.try_one("new", 1, 1, tmp_path, [b"good"])
    assert finding in found


def test_a_hang_is_a_finding(monkeypatch, tmp_path):
    monkeypatch.setattr(hostile, "SECONDS", 1)

    def read(data, folder):
        while True:
            pass

    monkeypatch.setitem(TARGETS, "new", Target(lambda: [b"good"], read))
    assert hostile.try_one("new", 1, 1, tmp_path, [b"good"]) == "longer than 1 s"


def test_a_crash_costs_one_input_and_is_counted(tmp_path):
    script = """
import ctypes, sys
from trials import hostile
from trials.hostile_targets import TARGETS, Target
def read(data, folder):
    if len(data) % 3 == 0:
        ctypes.string_at(8)
TARGETS["crashing"] = Target(lambda: [b"a good sample"], read)
if sys.argv[1:2] == ["child"]:
    hostile.child("crashing", *map(int, sys.argv[2:]))
else:
    result = hostile.trial("crashing", 6, 1, [sys.executable, __file__, "child"])
    print(result["read"], result["crashes"], len(result["told"]))
"""
    path = tmp_path / "crashing.py"
    path.write_text(script)
    root = Path(hostile.__file__).parents[1]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    env = {"PYTHONPATH": str(root), "TMPDIR": str(temporary)}
    out = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, env=env)
    read, crashes, told = map(int, out.stdout.split())
    assert read + crashes == 6 and 1 <= crashes == told < 6, out.stderr
    assert not list(temporary.iterdir())  # what a child that crashed had there is gone as well


def test_the_same_number_gives_the_same_bytes():
    import random

    good = bytes(range(256)) * 3
    first = [mutated(good, random.Random(f"1 x {n}")) for n in range(50)]
    assert first == [mutated(good, random.Random(f"1 x {n}")) for n in range(50)]
    assert len({data for data in first if data != good}) > 40
