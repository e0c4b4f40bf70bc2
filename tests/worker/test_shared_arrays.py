# SPDX-License-Identifier: Apache-2.0
"""Blocks: exact bytes, one owner, nothing left behind."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from worker_helpers import left_in

from hy3dgen.errors import ProtocolError, WorkerError
from hy3dgen.worker import shared_arrays
from hy3dgen.worker.protocol import DTYPES, ArrayDescriptor
from hy3dgen.worker.shared_arrays import SharedArrays, sweep

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def sides(roots):
    client = SharedArrays.create(roots)
    yield client, SharedArrays.join([str(folder) for folder in client.folders])
    client.close()
    assert list(roots[0].iterdir()) == list(roots[1].iterdir()) == []


@pytest.mark.parametrize("backend", ["memory", "disk"])
def test_arrays_arrive_byte_for_byte(sides, backend, monkeypatch):
    client, worker = sides
    if backend == "disk":
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: _usage(free=1000))
    generator = np.random.default_rng(0)
    arrays = {
        name: np.frombuffer(generator.bytes(24 * dtype.itemsize), dtype).reshape(2, 3, 4)
        for name, dtype in DTYPES.items()
    }
    descriptors = client.write(arrays)
    assert {d.block for d in descriptors} == {"0/c0" if backend == "memory" else "1/c1"}
    received = worker.read(descriptors)
    for name, array in arrays.items():
        assert received[name].dtype == array.dtype and received[name].shape == array.shape
        assert received[name].tobytes() == array.tobytes()
        assert received[name].flags.writeable and received[name].flags.c_contiguous


def _usage(free):
    return shutil._ntuple_diskusage(free, 0, free)


def test_odd_arrays_arrive(sides):
    client, worker = sides
    base = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    arrays = {
        "transposed": base.T,
        "strided": base[::2, ::-1],
        "big_endian": base.astype(">f4"),
        "scalar": np.array(7, np.int64),
        "empty": np.zeros((0, 3), np.float32),
        "one_byte": np.array([3], np.uint8),
        "after": base,
    }
    received = worker.read(client.write(arrays))
    for name, array in arrays.items():
        assert received[name].shape == array.shape
        np.testing.assert_array_equal(received[name], array)
    assert client.write({}) == ()


@pytest.mark.parametrize("array", [np.array([{}]), np.array(["a"]), np.zeros(3, bool)])
def test_arrays_of_other_types_are_refused(sides, array):
    with pytest.raises(ProtocolError, match="'mask' is of"):
        sides[0].write({"mask": array})


def test_folders_and_blocks_are_private(sides, roots):
    sides[0].write({"a": np.zeros(4)})
    for folder in sides[0].folders:
        assert folder.stat().st_mode & 0o777 == 0o700
    assert left_in(roots)[0].stat().st_mode & 0o777 == 0o600


def test_only_the_maker_frees_a_block(sides, roots):
    client, worker = sides
    block = client.write({"a": np.zeros(4)})[0].block
    with pytest.raises(ProtocolError, match="could have made"):
        worker.release(block)
    worker.release_all()
    assert len(left_in(roots)) == 1
    client.release(block)
    client.release(block)
    assert left_in(roots) == []


def test_a_full_memory_folder_is_an_answer_not_a_crash(sides, roots, monkeypatch):
    """The write itself fails, after the check of the free space."""
    real = shared_arrays._write_file

    def write(path, arrays):
        real(path, arrays)
        if roots[0] in path.parents:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shared_arrays, "_write_file", write)
    client, worker = sides
    descriptors = client.write({"a": np.arange(5)})
    assert descriptors[0].block.startswith("1/")
    assert [path.parent.parent for path in left_in(roots)] == [roots[1]]
    np.testing.assert_array_equal(worker.read(descriptors)["a"], np.arange(5))


def test_no_room_anywhere_is_said_in_words(sides, roots, monkeypatch):
    def write(path, arrays):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shared_arrays, "_write_file", write)
    with pytest.raises(WorkerError, match=r"No space left on device.*free some space"):
        sides[0].write({"a": np.arange(5)})
    assert left_in(roots) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="mounting needs root")
def test_a_really_full_memory_folder(roots):
    size = ["-t", "tmpfs", "-o", "size=1m", "hy3dgen-test", str(roots[0])]
    if subprocess.run(["mount", *size], capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        shared = SharedArrays.create(roots)
        small = shared.write({"a": np.zeros(100_000, np.uint8)})
        large = shared.write({"a": np.zeros(2_000_000, np.uint8)})
        assert [small[0].block[0], large[0].block[0]] == ["0", "1"]
        # The write runs into the end of the space too, without a signal.
        with pytest.raises(OSError, match="No space left"):
            shared_arrays._write_file(shared.folders[0] / "c9", [np.zeros(2_000_000, np.uint8)])
        shared.close()
    finally:
        subprocess.run(["umount", str(roots[0])], check=True)


def test_a_block_that_is_not_as_described_is_refused(sides, roots):
    client, worker = sides
    good = client.write({"a": np.zeros(16, np.uint8)})[0]
    wrong = [
        ArrayDescriptor("a", "uint8", (65,), 0, good.block),
        ArrayDescriptor("a", "uint8", (16,), 64, good.block),
        ArrayDescriptor("a", "uint8", (16,), 0, "0/c99"),
        ArrayDescriptor("a", "uint8", (16,), 0, "0/w0"),
    ]
    for descriptor in wrong:
        with pytest.raises(ProtocolError, match="block"):
            worker.read([descriptor])


def test_links_and_pipes_are_not_followed(sides, tmp_path):
    worker = sides[1]
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(100))
    (worker.folders[0] / "c5").symlink_to(secret)
    os.mkfifo(worker.folders[0] / "c6")
    for block in ("0/c5", "0/c6"):
        with pytest.raises(ProtocolError):
            worker.read([ArrayDescriptor("a", "uint8", (16,), 0, block)])


def test_a_worker_joins_only_folders_for_arrays(tmp_path):
    with pytest.raises(ProtocolError, match="not a folder for exchanging"):
        SharedArrays.join([str(tmp_path)])


def test_no_root_at_all_is_said_in_words(tmp_path):
    with pytest.raises(WorkerError, match="TMPDIR"):
        SharedArrays.create([tmp_path / "missing"])


OWNER = """
import sys, time
sys.path.insert(0, sys.argv[1])
import numpy as np
from pathlib import Path
from hy3dgen.worker.shared_arrays import SharedArrays
shared = SharedArrays.create([Path(sys.argv[2])])
shared.write({"a": np.zeros(1000)})
print("ready", flush=True)
time.sleep(60)
"""


def test_sweep_takes_what_the_dead_left_and_leaves_the_living_alone(roots):
    living = SharedArrays.create([roots[0]])
    living.write({"a": np.zeros(10)})
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(REPOSITORY), str(roots[0])], stdout=subprocess.PIPE
    )
    assert owner.stdout.readline() == b"ready\n"
    sweep(roots[0])
    assert len(list(roots[0].iterdir())) == 2
    assert len(left_in(roots)) == 2
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    sweep(roots[0])
    assert list(roots[0].iterdir()) == list(living.folders)
    assert len(left_in(roots)) == 1
    living.close()


def test_sweep_touches_nothing_that_is_not_ours(roots):
    young = roots[0] / (shared_arrays.PREFIX + "young")
    old = roots[0] / (shared_arrays.PREFIX + "old")
    with_work = roots[0] / (shared_arrays.PREFIX + "work")
    for folder in (young, old, with_work):
        folder.mkdir()
    (with_work / "thesis.txt").write_text("years of work")
    (with_work / "c1").write_bytes(b"block")
    hour_ago = time.time() - 3600
    os.utime(old, (hour_ago, hour_ago))
    os.utime(with_work, (hour_ago, hour_ago))
    (roots[0] / (shared_arrays.PREFIX + "link")).symlink_to(roots[1])
    (roots[1] / "c7").write_bytes(b"not a block")
    sweep(roots[0])
    assert young.is_dir() and not old.exists()
    assert [path.name for path in with_work.iterdir()] == ["thesis.txt"]
    assert (roots[1] / "c7").exists()


def test_a_worker_removes_the_folder_of_a_dead_client_only(sides, roots):
    client, worker = sides
    client.write({"a": np.zeros(10)})
    worker.write({"a": np.zeros(10)})
    worker.remove_if_abandoned(0.05)
    assert len(left_in(roots)) == 2
    for lock in client._locks:
        os.close(lock)  # what the system does at a process' death
    client._locks = []
    worker.remove_if_abandoned(0.05)
    assert list(roots[0].iterdir()) == []
    client.folders = ()
