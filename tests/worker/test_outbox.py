# SPDX-License-Identifier: Apache-2.0
"""Lines into a pipe that somebody reads, nobody reads, or that is gone."""

import os
import threading

import pytest

from hy3dgen.errors import WorkerDiedError
from hy3dgen.worker import outbox
from hy3dgen.worker.outbox import Outbox


@pytest.fixture
def pipe():
    read, write = os.pipe()
    file = os.fdopen(write, "wb", buffering=0)
    yield read, file
    os.close(read)  # a writer that waits ends by this, and closes the file


def in_thread(box):
    said = []
    thread = threading.Thread(target=lambda: said.append(box.write_all()), daemon=True)
    thread.start()
    return thread, said


def test_lines_arrive_in_order_and_the_pipe_ends_after_the_last(pipe):
    read, file = pipe
    box = Outbox(file)
    thread, said = in_thread(box)
    lines = [b"%d\n" % number * 3000 for number in range(100)]  # more than a pipe holds
    for line in lines:
        box.put(line)
    box.finish()
    arrived = b"".join(iter(lambda: os.read(read, 65536), b""))
    thread.join(5)
    assert arrived == b"".join(lines)
    assert said == [True] and file.closed


def test_a_pipe_that_nobody_reads_is_told_by_a_limit(pipe, monkeypatch):
    monkeypatch.setattr(outbox, "MAX_WAITING_BYTES", 200_000)
    box = Outbox(pipe[1])
    thread, _ = in_thread(box)
    with pytest.raises(BufferError):
        for _ in range(10):
            box.put(bytes(60_000))
    box.finish()
    assert thread.is_alive(), "it waits for the reader, not the caller"


def test_after_the_readers_end_nothing_can_be_put():
    read, write = os.pipe()
    os.close(read)
    box = Outbox(os.fdopen(write, "wb", buffering=0))
    thread, said = in_thread(box)
    box.put(b"line\n")
    thread.join(5)
    assert said == [False]
    with pytest.raises(WorkerDiedError):
        box.put(b"line\n")
