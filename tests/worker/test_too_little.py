# SPDX-License-Identifier: Apache-2.0
"""Too little of something: descriptors, memory, room for arrays, letters in a path."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from worker_helpers import SAMPLE, left_in

import hy3dgen
from hy3dgen.errors import TaskFailedError, WorkerError
from hy3dgen.worker import shared_arrays
from hy3dgen.worker.client import WorkerClient, worker_command

posix = pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
AWKWARD = """it's "a" folder; $HOME & %TEMP% ümläut 日本語"""
FEW_FILES = """
import json, os, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
from hy3dgen.errors import Hy3DError
from hy3dgen.worker import shared_arrays
from hy3dgen.worker.client import WorkerClient
root = Path(sys.argv[2])
shared_arrays.default_roots = lambda: [root]
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
said = []
for limit in range(3, 20):
    client = WorkerClient([sys.executable, sys.argv[3]])
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
    try:
        client.start(30)
        said.append(client.run("echo", {"a": 1}, {"x": np.zeros(10)}).values)
    except Hy3DError as error:
        said.append(str(error))
    client.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    assert os.listdir(root) == [], (limit, said)
print(json.dumps(said))
"""


@posix
def test_descriptors_run_out_at_any_point_of_a_start(tmp_path):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", FEW_FILES, str(root), str(tmp_path), SAMPLE[1]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said[-1] == {"a": 1}, "with enough of them all goes well"
    words = [text for text in said if text != {"a": 1}]
    assert words and all("close other programs" in text for text in words)


@posix
def test_a_worker_with_too_few_descriptors_says_so(roots):
    limited = ["sh", "-c", 'ulimit -n 4; exec "$0" "$@"', *worker_command()]
    with WorkerClient(limited) as client, pytest.raises(WorkerError) as caught:
        client.start(30)
        client.run("reduce", {"face_count": 10}, sphere())
    assert "\n" not in str(caught.value)
    assert left_in(roots) == []


@posix
def test_a_worker_whose_memory_is_limited_fails_in_words_and_lives_on(roots):
    if not sys.platform.startswith("linux"):
        pytest.skip("macOS does not enforce it")
    limited = ["sh", "-c", 'ulimit -v 400000; exec "$0" "$@"', *SAMPLE]
    with WorkerClient(limited) as client:
        client.start(30)
        with pytest.raises(TaskFailedError, match="memory is not enough") as caught:
            client.run("large", {"bytes": 1 << 30})
        assert caught.value.kind == "OutOfMemoryError"
        assert client.run("echo", {"a": 1}).values == {"a": 1}
    assert left_in(roots) == []


@posix
def test_no_room_for_arrays_in_either_direction(roots, tmp_path, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "hy3dgen-test", str(roots[0])]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    monkeypatch.setattr(shared_arrays, "default_roots", lambda: roots[:1])
    try:
        with WorkerClient(SAMPLE) as client:
            client.start(30)
            with pytest.raises(WorkerError, match=r"found no place.*free some space"):
                client.run("echo", {}, {"a": np.zeros(5_000_000, np.uint8)})
            with pytest.raises(TaskFailedError, match=r"found no place.*free some space"):
                client.run("large", {"bytes": 5_000_000})
            assert left_in(roots) == []
            assert len(client.run("large", {"bytes": 500_000}).arrays["zeros"]) == 500_000
    finally:
        subprocess.run(["umount", "-l", str(roots[0])], check=True)


@posix
@pytest.mark.parametrize("name", [AWKWARD, "x" * 150 + "/" + "ü" * 75])
def test_any_path_will_do(tmp_path, monkeypatch, name):
    """Of the interpreter, the package, the arrays, the log."""
    folder = tmp_path / name
    folder.mkdir(parents=True)
    assert name == AWKWARD or len(str(folder).encode()) > 300
    (folder / "hy3dgen").symlink_to(Path(hy3dgen.__file__).parent, target_is_directory=True)
    python = folder / "my python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o700)
    monkeypatch.setattr(shared_arrays, "default_roots", lambda: [folder])
    log = folder / "worker's log"
    with WorkerClient(worker_command(python, folder), log_path=log) as client:
        client.start(30)
        result = client.run("reduce", {"face_count": 20}, sphere())
    assert len(result.arrays["faces"]) <= 20
    assert log.is_file()
    assert not list(folder.glob("hy3dgen-arrays-*"))


def sphere():
    """A closed mesh of 320 faces."""
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    heights = np.linspace(-1, 1, 9)[1:-1]
    rings = [
        (np.cos(a) * np.sqrt(1 - h * h), np.sin(a) * np.sqrt(1 - h * h), h)
        for h in heights
        for a in angles
    ]
    vertices = np.array([*rings, (0, 0, -1), (0, 0, 1)], np.float32)
    faces, bottom, top = [], len(rings), len(rings) + 1
    last = 20 * (len(heights) - 1)
    for k in range(20):
        n = (k + 1) % 20
        faces += [(bottom, n, k), (top, last + k, last + n)]
        for r in range(0, last, 20):
            faces += [(r + k, r + n, r + 20 + n), (r + k, r + 20 + n, r + 20 + k)]
    return {"vertices": vertices, "faces": np.array(faces, np.int32)}
