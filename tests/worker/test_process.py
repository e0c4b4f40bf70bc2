# SPDX-License-Identifier: Apache-2.0
"""Children that cannot be started, or that a signal holds before they are programs."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from worker_helpers import wait_until

from hy3dgen.errors import WorkerStartError
from hy3dgen.worker.process import ChildProcess, end_stopped_forks

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks in /proc")


@linux
def test_a_stopped_fork_is_ended_and_a_stopped_program_is_not():
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    fork = os.fork()
    if fork == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    try:
        time.sleep(0.1)  # it has its own command line by then
        program.send_signal(signal.SIGSTOP)
        flags = os.WSTOPPED | os.WNOWAIT
        assert os.waitid(os.P_PID, fork, flags) and os.waitid(os.P_PID, program.pid, flags)
        end_stopped_forks()
        assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == -signal.SIGKILL
        assert program.poll() is None
    finally:
        program.kill()
        program.wait()


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
