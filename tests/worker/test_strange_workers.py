# SPDX-License-Identifier: Apache-2.0
"""Programs that are no workers, or pretend to be: refused in words, nothing left running."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from worker_helpers import is_running, left_in, wait_until

import hy3dgen
from hy3dgen.errors import (
    MissingDependencyError,
    ProtocolError,
    WorkerDiedError,
    WorkerStartError,
)
from hy3dgen.worker.client import WorkerClient, worker_command
from hy3dgen.worker.process import child_environment
from hy3dgen.worker.protocol import PROTOCOL

HELLO = {
    "type": "hello",
    "protocol": PROTOCOL,
    "version": hy3dgen.__version__,
    "tasks": ["x"],
    "device": "cpu",
    "python": "3",
    "memory_mb": 1,
    "pid": 1,
}
PRELUDE = """
import json, os, sys, time
def say(**fields): print(json.dumps(fields), flush=True)
def hello(**fields): say(**{**json.loads(sys.argv[1]), **fields})
def request():
    while True:
        message = json.loads(sys.stdin.readline())
        if message["type"] == "request": return message
"""


def strange(code):
    return WorkerClient([sys.executable, "-c", PRELUDE + code, json.dumps(HELLO)])


def refused(client, timeout=20.0):
    with pytest.raises(WorkerStartError) as caught:
        client.start(timeout)
    process = client._process
    assert process is None or not is_running(process.pid)
    with pytest.raises(WorkerStartError):
        client.submit("echo")
    return str(caught.value)


# --- at the start ---------------------------------------------------------------------------------


def test_a_program_that_does_not_exist(roots):
    said = refused(WorkerClient(["/no/such/python"]))
    assert "'/no/such/python'" in said and "No such file" in said
    assert left_in(roots) == []


def test_a_program_that_ends_at_once(roots):
    said = refused(strange("sys.exit('there is no numpy')"))
    assert "exit code 1" in said and "there is no numpy" in said


def test_a_program_that_says_something_else(roots):
    said = refused(strange("print('Hello, world'); time.sleep(30)"))
    assert "did not answer as a worker does" in said and "Hello, world" in said


def test_a_program_that_says_nothing(roots):
    start = time.monotonic()
    said = refused(strange("print('loading', file=sys.stderr); time.sleep(30)"), timeout=0.5)
    assert "did not answer within 0.5 s" in said and time.monotonic() - start < 5


@pytest.fixture
def disturbed_start(monkeypatch):
    """Something writes into the pipe in which a child tells why it could not become its program.

    There is such a pipe where the kernel's library, which starts programs on Linux, is missing.
    """
    make_pipe, made = os.pipe, []

    def lacking(*_):
        raise MissingDependencyError("there is no kernel for this machine")

    monkeypatch.setattr("hy3dgen.worker.spawn._start_guarded", lacking)

    def pipe():
        made.append(make_pipe())
        if len(made) == 4:  # after those for its input, output and errors
            os.write(made[-1][1], b"x" * 200)
        return made[-1]

    monkeypatch.setattr(os, "pipe", pipe)


def children():
    """Ids of living processes that this one started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                found.append(int(stat.parent.name))
    return set(found)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks in /proc")
@pytest.mark.parametrize("code", ["time.sleep(60)", "os.kill(os.getpid(), 19)", "sys.exit(3)"])
def test_a_start_that_something_disturbed(roots, disturbed_start, monkeypatch, code):
    """The child is the wanted program all the same, and whoever started it waits for its end."""
    monkeypatch.setattr("hy3dgen.worker.client._EXEC_PATIENCE", 3.0)
    others, threads, began = children(), threading.enumerate(), time.monotonic()
    said = refused(strange(code))
    assert "was disturbed while it started; start again" in said
    assert time.monotonic() - began < 10
    assert children() == others and left_in(roots) == []
    assert set(threading.enumerate()) <= set(threads)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks in /proc")
def test_a_child_that_is_stopped_before_it_is_the_program(roots):
    """Its parent, a thread, is held by the system until it goes on or ends."""
    others, stopped, over = children(), set(), threading.Event()

    def stop():
        while not over.is_set():
            for pid in children() - others - stopped:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGSTOP)
                    stopped.add(pid)

    stopper = threading.Thread(target=stop)
    stopper.start()
    try:
        for _ in range(2):  # some are a program already
            began = time.monotonic()
            with pytest.raises(WorkerStartError, match=r"stopped by a signal|SIGKILL|disturbed"):
                strange("").start(20)
            assert time.monotonic() - began < 10
    finally:
        over.set()
        stopper.join()
    assert stopped and children() == others and left_in(roots) == []


@pytest.mark.parametrize("which", ["live", "write_requests", "pump_log", "watch_for_stops"])
def test_no_thread_is_left_for_a_worker(roots, monkeypatch, which):
    start = threading.Thread.start

    def refuse(thread):
        if thread.name == f"hy3dgen-{which}":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    began = time.monotonic()
    said = refused(strange("hello(); time.sleep(60)"))
    assert "can't start new thread" in said and "close other" in said
    assert time.monotonic() - began < 10 and left_in(roots) == []


@pytest.mark.parametrize("fields", ['version="9.9"', "protocol=99, colour=1"])
def test_a_worker_of_another_version(roots, fields):
    said = refused(strange(f"hello({fields}); time.sleep(30)"))
    assert hy3dgen.__version__ in said and "install the same version" in said
    assert ("9.9" if "version" in fields else "protocol 99") in said


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.3])
def test_close_while_it_starts(roots, delay):
    client = strange("time.sleep(30)")
    said = []

    def start():
        try:
            client.start(20)
        except WorkerStartError as error:
            said.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    time.sleep(delay)
    client.close()
    thread.join(5)
    assert (len(said) == 1 and "closed" in said[0]) or "has ended" in said[0]
    assert client._process is None or not is_running(client._process.pid)
    assert [*roots[0].iterdir(), *roots[1].iterdir()] == []


# --- later ----------------------------------------------------------------------------------------

ANSWERS = {
    "garbage": ("print('%$&', flush=True)", "not a message"),
    "huge line": ("print('x' * 3_000_000, flush=True)", "a line of more than"),
    "foreign request": ("say(type='cancelled', request=99)", "request 99"),
    "unknown field": ("say(type='cancelled', request=r, why='')", "unknown field 'why'"),
    "hello again": ("hello()", "'hello' arrived"),
    "terabytes": ("result([dict(array, shape=[2**20, 2**20])])", "the limit is"),
    "missing block": ("result([array])", "cannot be read"),
    "short block": ("open(folder + '/w0', 'wb').write(b'12'); result([array])", "2 bytes instead"),
    "client's own block": ("result([dict(array, block='0/c0')])", "could have made"),
    "outside": ("result([dict(array, block='0/../../x')])", "not a block's name"),
}
ACTION = """
hello()
folder = json.loads(sys.stdin.readline())["folders"][0]
r = request()["request"]
array = {"name": "a", "dtype": "float32", "shape": [3], "offset": 0, "block": "0/w0"}
def result(arrays): say(type="result", request=r, values={}, arrays=arrays)
"""


@pytest.mark.parametrize("what", ANSWERS)
def test_nonsense_ends_the_worker_with_a_protocol_error(roots, what):
    code, said = ANSWERS[what]
    with strange(f"{ACTION}{code}; time.sleep(30)") as client:
        client.start(20)
        with pytest.raises(ProtocolError) as caught:
            client.run("x")
        assert said in str(caught.value) and len(str(caught.value)) < 400
        assert str(caught.value).endswith("; start again")
        wait_until(lambda: not is_running(client._process.pid), 2)
    assert left_in(roots) == []


def test_two_ends_of_one_request_are_one_too_many(roots):
    code = "say(type='cancelled', request=r); say(type='cancelled', request=r); time.sleep(30)"
    with strange(ACTION + code) as client:
        client.start(20)
        client.submit("x")
        wait_until(lambda: not client.alive, 5)
        assert len(client.poll()) == 1
        with pytest.raises(ProtocolError, match="not an open one"):
            client.submit("x")


def test_a_worker_that_stops_talking_and_lives_on_is_ended(roots):
    with strange(f"{ACTION}os.close(1); time.sleep(30)") as client:
        client.start(20)
        with pytest.raises(WorkerDiedError):
            client.run("x")
        assert not is_running(client._process.pid)


# --- what the worker itself refuses ---------------------------------------------------------------


def test_garbage_from_a_client_ends_the_worker(client):
    client._outbox.put(b"garbage\n")
    wait_until(lambda: not client.alive, 5)
    assert "not a message arrived: 'garbage'" in client.log_tail()


def test_an_endless_line_from_a_client_ends_the_worker(client):
    for _ in range(40):
        client._outbox.put(b"x" * 65536)
    wait_until(lambda: not client.alive, 5)
    assert "a line of more than" in client.log_tail()


# --- the command ----------------------------------------------------------------------------------


def test_variables_for_another_python_do_not_leak():
    base = {"PYTHONHOME": "/blender", "PYTHONPATH": "/blender/lib", "PATH": "/bin"}
    assert child_environment(base) == {"PATH": "/bin"}


def test_the_folder_of_the_command_offers_hy3dgen_and_nothing_else(roots, tmp_path):
    """As in Blender, where the folder is full of libraries for another Python."""
    package = Path(hy3dgen.__file__).parent
    folder = tmp_path / "extension"
    folder.mkdir()
    (folder / "hy3dgen").symlink_to(package, target_is_directory=True)
    for name in ("numpy", "json", "yaml"):
        (folder / f"{name}.py").write_text("raise SystemExit('the wrong library')")
    environment = {"PYTHONPATH": str(folder), "PYTHONHOME": "/nowhere"}
    with WorkerClient(worker_command(sys.executable, folder), env=environment) as client:
        hello = client.start(30)
        assert {"ping", "reduce"} <= set(hello.tasks)
        assert client.run("ping").values == {}


def test_the_current_folder_is_not_searched(roots, tmp_path, monkeypatch):
    (tmp_path / "runpy.py").write_text("raise SystemExit('the wrong library')")
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong library')")
    monkeypatch.chdir(tmp_path)
    with WorkerClient(worker_command()) as client:
        client.start(30)


def test_a_python_without_hy3dgen_says_so(roots, tmp_path):
    said = refused(WorkerClient(worker_command(sys.executable, tmp_path)))
    assert "hy3dgen is not installed in" in said and sys.executable in said
