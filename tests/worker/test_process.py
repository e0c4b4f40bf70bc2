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
from hy3dgen.worker import process
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


# It inherits what its children leave, as the first process of a container does, and is of their
# session: no rule of POSIX frees what a signal holds there.
HEIR = """
import ctypes, os, random, signal, sys, time
sys.path.insert(0, sys.argv[1])
from hy3dgen.worker.command import worker_command
from hy3dgen.worker.process import ChildProcess

PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

def state(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]

chance = random.Random(0)
for number in range(int(sys.argv[2])):
    ours, theirs = os.pipe()
    parent = os.fork()
    if parent == 0:
        worker = ChildProcess(worker_command(), os.environ)
        os.write(theirs, b"%d" % worker.pid)
        time.sleep(60)
        os._exit(0)
    worker = int(os.read(ours, 20))
    time.sleep(chance.uniform(0, 0.4) if number % 2 else 0)
    os.kill(worker, signal.SIGSTOP)
    while state(worker) != "T":
        time.sleep(0.001)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    began = time.monotonic()
    while os.waitpid(worker, os.WNOHANG)[0] == 0:
        if time.monotonic() - began > 2:
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
            print("lives on", flush=True)
            break
        time.sleep(0.002)
    else:
        print("gone", flush=True)
    os.close(ours)
    os.close(theirs)
"""


@linux
@pytest.mark.parametrize("times", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_a_worker_stopped_in_its_first_moments_ends_with_its_parent_whoever_inherits_it(times):
    command = [sys.executable, "-c", HEIR, str(Path(__file__).parents[2]), str(times)]
    heir = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=600)
    assert heir.stdout.split("\n") == ["gone"] * times + [""]


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

    monkeypatch.setattr(process, "start_program", refuse)
    with pytest.raises(WorkerStartError, match=advice):
        ChildProcess(["python"], {})
