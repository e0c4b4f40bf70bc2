# SPDX-License-Identifier: Apache-2.0
"""Client and worker, two real processes: requests, cancelling, prints, deaths."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from worker_helpers import SAMPLE, is_running, left_in, wait_until

import hy3dgen
from hy3dgen.errors import ProtocolError, TaskFailedError, WorkerDiedError
from hy3dgen.errors import WorkerStartError as StartError
from hy3dgen.worker.client import WorkerClient
from hy3dgen.worker.log import MAX_LOG_BYTES
from hy3dgen.worker.protocol import CancelledEvent, Failure, Preview, Progress, Result


def events_until_end(client, request, seconds=10.0):
    events = []

    def ended():
        events.extend(event for event in client.poll() if event.request == request)
        return events and not isinstance(events[-1], (Progress, Preview))

    wait_until(ended, seconds)
    return events


# --- requests -------------------------------------------------------------------------------------


def test_hello_says_who_the_worker_is(client):
    hello = client.hello
    assert hello.version == hy3dgen.__version__ and hello.pid != os.getpid()
    assert "echo" in hello.tasks and hello.device == "cpu" and hello.memory_mb > 100
    assert hello.python == ".".join(map(str, sys.version_info[:3]))
    assert client.start() is hello


def test_arrays_and_values_come_back_equal(client, roots):
    vertices = np.random.default_rng(1).random((50_000, 3), np.float32)
    faces = np.arange(30_000, dtype=np.int32).reshape(-1, 3)
    params = {"path": "/tmp/ü\udc80.png", "nothing": None, "list": [1, 2.5, "x"]}
    result = client.run("echo", params, {"vertices": vertices, "faces": faces})
    assert result.values == params
    np.testing.assert_array_equal(result.arrays["vertices"], vertices)
    np.testing.assert_array_equal(result.arrays["faces"], faces)
    wait_until(lambda: left_in(roots) == [], 1)  # each side freed its own block


def test_prints_of_all_kinds_go_to_the_log_and_not_into_the_channel(client):
    assert client.run("noisy").values == {}
    assert client.run("echo", {"still": "fine"}).values == {"still": "fine"}
    for words in ("printed by Python", "printed by C", "printed by a child", '"type":"result"'):
        wait_until(lambda words=words: words in client.log_tail(), 2)


@pytest.mark.parametrize(
    ("params", "kind", "message"),
    [
        ({"how": "ours"}, "InvalidMeshError", "the mesh has no faces; choose another"),
        ({"how": "theirs"}, "KeyError", "unexpected KeyError"),
        ({"how": "exit"}, "SystemExit", "unexpected SystemExit"),
    ],
)
def test_an_error_is_reported_once_and_the_worker_lives_on(client, params, kind, message):
    with pytest.raises(TaskFailedError, match=message) as caught:
        client.run("fail", params)
    assert caught.value.kind == kind
    wait_until(lambda: "Traceback" in client.log_tail(), 2)
    assert client.run("echo", {"a": 1}).values == {"a": 1}
    assert client.poll() == []


def test_unknown_and_unavailable_tasks_are_told_apart(client):
    with pytest.raises(TaskFailedError, match="it can do echo, noisy"):
        client.run("paint")
    with pytest.raises(TaskFailedError, match="there is no torch here"):
        client.run("generate")


def test_values_that_cannot_be_sent_are_an_error_and_leave_no_block(client, roots):
    with pytest.raises(TaskFailedError, match="JSON cannot carry"):
        client.run("bad_values")
    assert left_in(roots) == []


def test_params_that_cannot_be_sent_leave_no_block(client, roots):
    with pytest.raises(ProtocolError, match="JSON cannot carry"):
        client.submit("echo", {"x": float("inf")}, {"a": np.zeros(9)})
    assert left_in(roots) == []


def test_progress_has_stage_step_total_and_time_left(client):
    request = client.submit("steps", {"count": 20, "seconds": 0.03})
    seen = []
    deadline = time.monotonic() + 10
    while not seen or isinstance(seen[-1], Progress):
        seen.extend(client.poll())
        assert time.monotonic() < deadline
        time.sleep(0.005)
    progress = seen[:-1]
    assert isinstance(seen[-1], Result) and {event.request for event in seen} == {request}
    assert {(event.stage, event.total) for event in progress} == {("steps", 20)}
    steps = [event.step for event in progress]
    assert steps == sorted(set(steps)) and steps[0] == 0 and steps[-1] == 20
    assert len(progress) <= 0.03 * 20 / 0.05 + 6  # about 20 a second, slow machines send more
    middle = next(event for event in progress if event.step >= 8)
    assert progress[0].eta is None and progress[-1].eta == 0
    assert 0.5 * 0.03 * (20 - middle.step) < middle.eta < 10 * 0.03 * 20


def test_previews_arrive_as_arrays_the_last_one_for_a_slow_reader(client, roots):
    shown = []
    client.run("previews", {"count": 5}, on_event=lambda e: shown.append(e.arrays["step"][0]))
    assert shown == sorted(shown) and len(shown) >= 1
    request = client.submit("previews", {"count": 50})
    wait_until(lambda: not client._inbox.open_requests(), 5)
    events = client.poll()
    assert [type(event) for event in events] == [Preview, Result]
    assert events[0].request == request and events[0].arrays["step"].tolist() == [49] * 4
    wait_until(lambda: left_in(roots) == [], 1)


def test_requests_run_one_after_the_other_and_poll_sees_all(client):
    requests = [client.submit("echo", {"number": number}) for number in range(10)]
    assert requests == sorted(set(requests))
    events = []
    wait_until(lambda: events.extend(client.poll()) or len(events) == 10, 5)
    assert [event.request for event in events] == requests
    assert [event.values["number"] for event in events] == list(range(10))


def test_run_does_not_swallow_the_events_of_others(client):
    submitted = client.submit("echo", {"who": "submitted"})
    assert client.run("echo", {"who": "run"}).values == {"who": "run"}
    assert [event.request for event in client.poll()] == [submitted]


# --- cancelling -----------------------------------------------------------------------------------


def test_an_idle_worker_looks_for_garbage(client):
    client.run("knots")
    wait_until(lambda: time.sleep(0.5) or client.run("knots").values["found"] == 0, 20)


def test_a_worker_that_is_never_idle_tidies_up_all_the_same(client):
    """Else what it holds at most depends on how the threads of the two happened to run."""
    client.run("tidied")
    client.submit("steps", {"count": 5, "seconds": 0.02})
    requests = [client.submit("tidied") for _ in range(10)]
    results = {}

    def all_there():
        new = (event for event in client.poll() if isinstance(event, Result))
        results.update({event.request: event.values for event in new})
        return requests[-1] in results

    wait_until(all_there, 10)
    assert [results[request]["times"] for request in requests] == [2] + 9 * [1]


def test_cancel_between_steps_takes_less_than_half_a_second(client):
    request = client.submit("steps", {"count": 1000, "seconds": 0.1})
    wait_until(client.poll, 5)
    start = time.monotonic()
    client.cancel(request)
    events = events_until_end(client, request, 0.5)
    assert isinstance(events[-1], CancelledEvent)
    assert time.monotonic() - start < 0.5
    client.cancel(request)  # ended: nothing happens
    assert client.run("echo").values == {}


def test_cancel_of_a_waiting_request_does_not_touch_the_running_one(client):
    running = client.submit("steps", {"count": 10, "seconds": 0.05})
    waiting = client.submit("echo", {}, {"a": np.zeros(10)})
    client.cancel(waiting)
    assert isinstance(events_until_end(client, waiting, 0.4)[-1], CancelledEvent)
    assert isinstance(events_until_end(client, running)[-1], Result)


def test_an_exception_from_on_event_cancels_and_comes_through(client):
    def stop(event):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        client.run("steps", {"count": 1000, "seconds": 0.05}, on_event=stop)
    start = time.monotonic()
    assert client.run("echo", {"next": 1}).values == {"next": 1}
    assert time.monotonic() - start < 1
    assert client.poll() == [] and not client._inbox._dropped


def test_too_many_waiting_requests_are_refused_in_words(client):
    requests = [client.submit("steps", {"count": 100, "seconds": 0.05}) for _ in range(70)]
    failures = []
    wait_until(lambda: failures.extend(_ends(client.poll())) or len(failures) >= 5, 5)
    assert all("64 requests are waiting" in event.message for event in failures)
    for request in reversed(requests):
        client.cancel(request)
    wait_until(lambda: not client._inbox.open_requests(), 5)


def _ends(events):
    return [event for event in events if isinstance(event, (Result, Failure, CancelledEvent))]


# --- ends and deaths ------------------------------------------------------------------------------


def test_close_ends_the_worker_in_the_middle_of_a_task_and_leaves_nothing(roots):
    client = WorkerClient(SAMPLE)
    pid = client.start(30).pid
    request = client.submit("steps", {"count": 1000, "seconds": 1.0}, {"a": np.zeros(100)})
    wait_until(client.poll, 5)
    start = time.monotonic()
    client.close()
    assert time.monotonic() - start < 1
    assert not is_running(pid)
    assert client.poll() == [CancelledEvent(request)]
    assert not client.alive and [*roots[0].iterdir(), *roots[1].iterdir()] == []
    client.close()
    with pytest.raises((StartError, WorkerDiedError)):
        client.submit("echo")
    assert not [t for t in threading.enumerate() if t.name.startswith("hy3dgen-")]


def test_close_ends_a_worker_that_hears_nothing(roots):
    client = WorkerClient(SAMPLE)
    pid = client.start(30).pid
    client.submit("stubborn")
    time.sleep(0.3)
    client.close()
    assert not is_running(pid)


def test_a_killed_worker_is_an_error_of_every_open_request(client, roots):
    first = client.submit("steps", {"count": 100, "seconds": 0.1}, {"a": np.zeros(1000)})
    second = client.submit("echo")
    (client._arrays.folders[0] / "w77").write_bytes(b"a result on its way")
    wait_until(client.poll, 5)
    os.kill(client.hello.pid, signal.SIGKILL)
    wait_until(lambda: not client.alive, 5)
    events = client.poll()
    assert [(event.request, event.kind) for event in events] == [
        (first, "WorkerDiedError"),
        (second, "WorkerDiedError"),
    ]
    assert "SIGKILL" in events[0].message and "memory" in events[0].message
    assert events[0].message.endswith("; start again")
    assert left_in(roots) == []
    with pytest.raises(WorkerDiedError):
        client.submit("echo")


def test_run_raises_when_the_worker_dies_and_quotes_its_last_words(client):
    with pytest.raises(WorkerDiedError, match="exit code 7; its last words were: I am dying"):
        client.run("fail", {"how": "die"})
    with pytest.raises(WorkerDiedError):
        client.run("echo")


@pytest.mark.skipif(os.name == "nt", reason="names a POSIX signal")
def test_a_crash_in_c_is_named(client):
    with pytest.raises(WorkerDiedError, match=r"SIGSEGV.*Fatal Python error: Segmentation fault"):
        client.run("fail", {"how": "crash"})


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a Linux signal")


@linux
def test_a_stopped_worker_is_noticed_and_ended_in_words(client, roots):
    request = client.submit("steps", {"count": 1000, "seconds": 0.05}, {"a": np.zeros(9)})
    wait_until(client.poll, 5)
    os.kill(client.hello.pid, signal.SIGSTOP)
    wait_until(lambda: not client.alive, 10)
    (event,) = client.poll()
    assert (event.request, event.kind) == (request, "WorkerDiedError")
    assert "stopped by a signal" in event.message and "start again" in event.message
    assert not is_running(client.hello.pid) and left_in(roots) == []


@linux
def test_a_worker_stopped_before_it_said_hello(roots):
    client = WorkerClient([sys.executable, "-c", "import os; os.kill(os.getpid(), 19)"])
    with pytest.raises(StartError, match="stopped by a signal"):
        client.start(30)
    assert not is_running(client._process.pid)


@linux
def test_a_moment_of_stopping_does_no_harm(client):
    request = client.submit("steps", {"count": 10, "seconds": 0.05})
    wait_until(client.poll, 5)
    os.kill(client.hello.pid, signal.SIGSTOP)
    time.sleep(0.7)
    os.kill(client.hello.pid, signal.SIGCONT)
    assert isinstance(events_until_end(client, request)[-1], Result)


@linux
def test_a_worker_that_reads_nothing_holds_nobody_up(client):
    os.kill(client.hello.pid, signal.SIGSTOP)
    start = time.monotonic()
    requests = [client.submit("echo", {"much": "x" * 10_000}) for _ in range(60)]
    client.cancel(requests[0])
    assert time.monotonic() - start < 1.0, "a pipe takes 64 kB"
    ends = []
    wait_until(lambda: ends.extend(client.poll()) or len(ends) == len(requests), 10)
    assert {event.kind for event in ends} == {"WorkerDiedError"}


CLIENT = """
import os, sys, threading, time
sys.path.insert(0, sys.argv[1])
import numpy as np
from pathlib import Path
from hy3dgen.worker import shared_arrays
shared_arrays.default_roots = lambda: [Path(sys.argv[2])]
from hy3dgen.worker.client import WorkerClient
client = WorkerClient([sys.executable, sys.argv[3]])
starter = threading.Thread(target=client.start)  # as in Blender, where starting must not block
starter.start()
starter.join()
pid = client.hello.pid
client.submit(sys.argv[4], {"count": 1000, "seconds": 1.0}, {"a": np.zeros(1000)})
while sys.argv[4] == "steps" and not client.poll():
    time.sleep(0.01)
time.sleep(0.2)
child = "forked" in sys.argv and os.fork()  # inherits the pipe to the worker
if child or "forked" not in sys.argv:
    print(pid, child, flush=True)
time.sleep(float(sys.argv[5]))
"""


def start_client(roots, task, seconds, *more):
    """The client's process, its worker's id, and that of the client's own fork."""
    arguments = [
        str(Path(__file__).parents[2]),
        str(roots[0]),
        SAMPLE[1],
        task,
        str(seconds),
        *more,
    ]
    process = subprocess.Popen([sys.executable, "-c", CLIENT, *arguments], stdout=subprocess.PIPE)
    pid, fork = process.stdout.readline().split()
    assert is_running(int(pid)) and len(left_in(roots)) == 1
    return process, int(pid), fork.decode()


def test_a_killed_client_takes_its_worker_and_all_blocks_along(roots):
    process, pid, _ = start_client(roots, "steps", 60)
    process.kill()
    process.communicate()
    wait_until(lambda: not is_running(pid), 2)
    assert list(roots[0].iterdir()) == []


@linux
def test_a_killed_client_takes_along_a_worker_that_holds_pythons_lock(roots):
    process, pid, _ = start_client(roots, "stubborn", 60)
    process.kill()
    process.communicate()
    wait_until(lambda: not is_running(pid), 2)
    WorkerClient(SAMPLE).start(30)  # the next client's sweep
    assert left_in(roots) == []


@linux
@pytest.mark.parametrize("task", ["steps", "stubborn"])
def test_a_killed_client_takes_along_a_worker_that_a_signal_holds(roots, task):
    process, pid, _ = start_client(roots, task, 60)
    os.kill(pid, signal.SIGSTOP)
    process.kill()
    process.communicate()
    wait_until(lambda: not is_running(pid), 2)
    if task == "steps":
        assert list(roots[0].iterdir()) == [], "it went on to clean up"


@linux
def test_a_killed_client_takes_along_a_worker_stopped_before_it_said_hello(tmp_path):
    """The real one, held while it imports numpy."""
    (tmp_path / "numpy.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n")
    code = "import subprocess, sys; p = subprocess.Popen(sys.argv[1:], stdin=-1, stdout=-1); "
    code += "print(p.pid, flush=True); p.wait()"
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    command = [sys.executable, "-c", code, sys.executable, "-P", "-m", "hy3dgen.worker"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    pid = int(process.stdout.readline())
    wait_until(
        lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", 20
    )
    process.kill()
    process.communicate()
    wait_until(lambda: not is_running(pid), 2)


@pytest.mark.skipif(os.name == "nt", reason="forks")
def test_a_killed_client_takes_its_worker_along_although_a_fork_holds_the_pipe(roots):
    process, pid, fork = start_client(roots, "steps", 10, "forked")
    process.kill()
    wait_until(lambda: not is_running(pid), 2)
    os.kill(int(fork), signal.SIGKILL)
    process.communicate()


def test_a_client_that_ends_without_closing_leaves_nothing(roots):
    process, pid, _ = start_client(roots, "steps", 0.5)
    process.communicate()
    assert process.returncode == 0
    wait_until(lambda: not is_running(pid), 2)
    assert list(roots[0].iterdir()) == []


def test_a_worker_started_from_a_thread_outlives_that_thread(roots):
    client = WorkerClient(SAMPLE)
    thread = threading.Thread(target=client.start)
    thread.start()
    thread.join()
    time.sleep(1.3)
    assert client.run("echo", {"a": 1}).values == {"a": 1}
    client.close()


# --- the log --------------------------------------------------------------------------------------


def test_the_log_file_is_bounded(roots, tmp_path):
    path = tmp_path / "logs" / "worker.log"
    with WorkerClient(SAMPLE, log_path=path) as client:
        client.start(30)
        client.run("chatter", {"lines": 5000})
        client.run("noisy")
        wait_until(lambda: "printed by a child" in client.log_tail(), 2)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["worker.log", "worker.log.1"]
    assert all(file.stat().st_size < MAX_LOG_BYTES + 70_000 for file in files)
    assert "printed by a child" in path.read_text()


def test_a_log_that_cannot_be_written_is_said_in_words(roots, tmp_path):
    (tmp_path / "file").write_text("")
    client = WorkerClient(SAMPLE, log_path=tmp_path / "file" / "worker.log")
    with pytest.raises(StartError, match="choose another file"):
        client.start()
    assert left_in(roots) == []
