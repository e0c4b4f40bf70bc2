# SPDX-License-Identifier: Apache-2.0
"""Folders that leave nothing behind, however their maker ends."""

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from hy3dgen.private_folders import private_folder

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX permissions and signals")

KILLED = """
import os, signal, sys
from pathlib import Path
from hy3dgen.private_folders import private_folder
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
with private_folder(Path(sys.argv[1])) as folder:
    folder.write(b"half", ".part")
    print(folder.path, flush=True)
    os.kill(os.getpid(), int(sys.argv[2]))
    sys.stdin.read()
"""


def killed_maker(root, how):
    command = [sys.executable, "-c", KILLED, str(root), str(int(how))]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@posix
def test_only_this_user_can_look(tmp_path):
    with private_folder(tmp_path) as folder:
        path = folder.write(b"content", ".PNG")
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_bytes() == b"content" and path.suffix == ".png"
        assert folder.new_path() != folder.new_path()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_gone_after_an_exception(tmp_path, error):
    with pytest.raises(error), private_folder(tmp_path) as folder:
        folder.write(b"content")
        raise error
    assert list(tmp_path.iterdir()) == []


@posix
def test_gone_after_an_interrupt(tmp_path):
    assert killed_maker(tmp_path, signal.SIGINT).returncode != 0
    assert list(tmp_path.iterdir()) == []


@posix
def test_what_a_killed_process_left_goes_at_the_next_start(tmp_path):
    done = killed_maker(tmp_path, signal.SIGKILL)
    assert done.returncode == -signal.SIGKILL
    assert [str(path) for path in tmp_path.iterdir()] == [done.stdout.strip()]
    with private_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder.path]
    assert list(tmp_path.iterdir()) == []


def test_a_clock_set_back_keeps_no_folder_for_ever(tmp_path):
    """Without its lock file a folder counts as just being made, for a minute."""
    left = tmp_path / ".hy3dgen-files-left"
    left.mkdir()
    with private_folder(tmp_path):
        assert left.is_dir()
    tomorrow = time.time() + 86400
    os.utime(left, (tomorrow, tomorrow))
    with private_folder(tmp_path):
        assert not left.exists()


def test_a_living_neighbour_is_left_alone(tmp_path):
    with private_folder(tmp_path) as first:
        path = first.write(b"mine")
        with private_folder(tmp_path):
            pass
        assert path.read_bytes() == b"mine"


@posix
def test_files_of_others_stay(tmp_path):
    done = killed_maker(tmp_path, signal.SIGKILL)
    (tmp_path / done.stdout.strip() / "letter.txt").write_text("not ours")
    with private_folder(tmp_path):
        pass
    (left,) = tmp_path.iterdir()
    assert [path.name for path in left.iterdir()] == ["letter.txt"]
