# SPDX-License-Identifier: Apache-2.0
"""Nobody gets in: no socket in the worker, nothing of it readable by other users."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from hy3dgen.worker.client import WorkerClient, worker_command
from hy3dgen.worker.log import MAX_LOG_BYTES, BoundedLog

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")

OCTAHEDRON = np.array(
    [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float32
)
FACES = np.array(
    [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]],
    np.int32,
)


def open_files(pid: int) -> list[str]:
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(os.readlink(entry))
        except FileNotFoundError:  # closed since
            continue
    return found


@linux
def test_no_socket_at_all_and_its_channel_belongs_to_two_processes(roots):
    """The worker talks over pipes without a name: nobody else can open them."""
    before = set(open_files(os.getpid()))
    with WorkerClient(worker_command()) as client:
        pid = client.start(60).pid
        client.run("reduce", {"face_count": 4}, {"vertices": OCTAHEDRON, "faces": FACES})
        client.run("check_python", {"python": sys.executable})
        files = open_files(pid)
        assert not [name for name in files if name.startswith("socket:")]
        pipes = {name for name in files if name.startswith("pipe:")}
        ours = set(open_files(os.getpid())) - before
        assert len(pipes & ours) == 3  # requests, events, log
        assert not [name for name in ours if name.startswith("socket:")]


@posix
def test_what_a_worker_writes_is_for_this_user_only(roots, tmp_path):
    log = tmp_path / "logs" / "worker.log"
    with WorkerClient(worker_command(), log_path=log) as client:
        client.start(60)
        client.submit("reduce", {"face_count": 4}, {"vertices": OCTAHEDRON, "faces": FACES})
        found = [path for root in roots for path in root.rglob("*")]
        assert found
        for path in found:
            assert path.stat().st_mode & 0o077 == 0, path
        assert log.stat().st_mode & 0o077 == 0


@posix
def test_the_next_log_file_is_as_private_as_the_first(tmp_path):
    log = BoundedLog(tmp_path / "worker.log")
    log.write(b"x" * (MAX_LOG_BYTES + 1))
    log.write(b"later")
    log.close()
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["worker.log", "worker.log.1"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
