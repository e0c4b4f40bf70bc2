# SPDX-License-Identifier: Apache-2.0
"""Children that cannot be started, and those that a signal holds."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from worker_helpers import is_running, wait_until

from hy3dgen.errors import WorkerStartError
from hy3dgen.worker.process import ChildProcess

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks in /proc")


@linux
def test_a_child_is_stopped_only_while_a_signal_holds_it():
    child = ChildProcess([sys.executable, "-c", "import sys; sys.stdin.read()"], os.environ)
    assert not child.is_stopped()
    os.kill(child.pid, signal.SIGSTOP)
    wait_until(child.is_stopped, 5)
    assert child.is_stopped(), "to ask does not change the answer"
    os.kill(child.pid, signal.SIGCONT)
    wait_until(lambda: not child.is_stopped(), 5)
    child.stdin.close()
    assert child.wait(5) and not child.is_stopped() and child.exit_code() == 0
    child.close_pipes()


PARENT = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from hy3dgen.worker.process import ChildProcess
child = ChildProcess([sys.executable, "-c", "import time; time.sleep(60)"], os.environ)
print(child.pid, flush=True)
time.sleep(60)
"""


@linux
def test_a_child_that_a_signal_holds_before_it_runs_a_line_of_ours_ends_with_its_parent():
    command = [sys.executable, "-c", PARENT, str(Path(__file__).parents[2])]
    # As a desktop starts Blender: whoever inherits the child belongs to another session.
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    pid = int(parent.stdout.readline())
    os.kill(pid, signal.SIGSTOP)
    stat = Path(f"/proc/{pid}/stat")
    wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", 5)
    parent.kill()
    parent.communicate()
    wait_until(lambda: not is_running(pid), 2)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOENT, "choose a Python"),
        (errno.EMFILE, "close other"),
        (errno.ENOMEM, "close other"),
    ],
)
def test_what_to_do_depends_on_what_was_lacking(monkeypatch, number, advice):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(WorkerStartError, match=advice):
        ChildProcess(["python"], {})
