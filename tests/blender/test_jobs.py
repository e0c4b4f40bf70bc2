# SPDX-License-Identifier: GPL-3.0-or-later
"""The job queue pumped by hand, as the timer does it in a window."""

import gc
import os
import signal
import sys
import threading
import time
import weakref

import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from scenes import add_sphere, fingerprint  # noqa: E402

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def make_job(module):
    reduction = module("reduction")
    return lambda **wish: reduction.make_job(
        bpy.context, list(bpy.context.selected_objects), reduction.Wish(**wish)
    )


@pytest.fixture
def queue(module):
    return module("job_timer").queue


def pump_until(queue, condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        queue.pump()
        time.sleep(0.005)


def test_states_of_a_job(scene, queue, make_job, module):
    State = module("jobs").State
    sphere = add_sphere(subdivisions=6)
    job = queue.add(make_job(face_count=1000))
    assert job.state is State.QUEUED
    queue.pump()
    assert job.state is State.STARTING, "pumping does not wait for the worker"
    pump_until(queue, lambda: job.state is State.READY)
    assert len(sphere.data.polygons) == 20480, "only `complete` touches the scene"
    queue.complete(job)
    assert job.state is State.DONE and job.ended and not queue.jobs and queue.last is job
    assert len(sphere.data.polygons) == 1000
    assert job.reports == [("INFO", "'Sphere': 20,480 to 1,000 faces")]


def test_cancel_while_running_leaves_the_scene(scene, queue, make_job, module):
    State = module("jobs").State
    add_sphere(subdivisions=9)  # 1.3 million triangles: long enough to be caught
    before = fingerprint()
    job = queue.add(make_job(face_count=1000))
    pump_until(queue, lambda: job.state is State.RUNNING)
    started = time.monotonic()
    queue.cancel(job)
    assert job.state is State.CANCELLING
    pump_until(queue, lambda: job.ended)
    assert job.state is State.CANCELLED
    assert time.monotonic() - started < 2.0
    assert fingerprint() == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="stops a process")
def test_a_worker_that_does_not_obey_a_cancel_is_ended(scene, queue, make_job, module, monkeypatch):
    from hy3dgen.worker import process

    monkeypatch.setattr(process, "STOPPED_PATIENCE", 1000.0)  # it hangs, and nobody can tell
    monkeypatch.setattr(module("jobs"), "CANCEL_PATIENCE", 0.5)
    add_sphere(subdivisions=9)
    before = fingerprint()
    job = queue.add(make_job(face_count=1000))
    pump_until(queue, lambda: job.state is module("jobs").State.RUNNING)
    os.kill(queue.hello("mesh").pid, signal.SIGSTOP)
    queue.cancel(job)
    pump_until(queue, lambda: job.ended, 10)
    assert job.state is module("jobs").State.CANCELLED
    assert fingerprint() == before
    again = queue.add(make_job(face_count=1000))
    pump_until(queue, lambda: again.state is module("jobs").State.READY)
    queue.cancel(again)


def test_cancel_before_the_start(scene, queue, make_job, module):
    add_sphere()
    job = queue.add(make_job(face_count=100))
    queue.cancel(job)
    assert job.state is module("jobs").State.CANCELLED
    assert not queue.jobs


def test_cancel_operator_without_a_job_is_greyed_out(scene):
    assert not bpy.ops.hunyuan3d.cancel.poll()


def test_cancel_operator_cancels_all(scene, queue, make_job):
    add_sphere()
    jobs = [queue.add(make_job(face_count=count)) for count in (100, 200)]
    assert bpy.ops.hunyuan3d.cancel() == {"FINISHED"}
    assert all(job.ended for job in jobs)


def test_jobs_of_one_worker_wait_for_each_other(scene, queue, make_job, module):
    State = module("jobs").State
    add_sphere()
    first, second = (queue.add(make_job(face_count=count)) for count in (400, 300))
    pump_until(queue, lambda: first.state is State.RUNNING)
    assert second.state is State.QUEUED
    pump_until(queue, lambda: first.state is State.READY)
    queue.complete(first)
    pump_until(queue, lambda: second.state is State.READY)
    queue.complete(second)


def test_an_ended_job_holds_no_arrays_and_can_be_retried(scene, queue, make_job, module):
    sphere = add_sphere()
    sphere.data.attributes.new("wear", "FLOAT", "POINT").data[0].value = 1.0
    job = queue.add(make_job(face_count=100, method="fast"))
    held = weakref.ref(job.parts[0].arrays["vertices"])
    queue.pump()
    queue.cancel(job)
    gc.collect()
    assert job.ended and held() is None
    again = queue.retry(job)
    pump_until(queue, lambda: again.state is module("jobs").State.READY)
    assert queue.complete(again) and again.state is module("jobs").State.DONE
    assert len(sphere.data.polygons) == 100


def test_result_for_an_edited_mesh_becomes_a_new_object(scene, queue, make_job, module):
    sphere = add_sphere()
    job = queue.add(make_job(face_count=100))
    pump_until(queue, lambda: job.state is module("jobs").State.READY)
    sphere.data.vertices[0].co.x += 1
    queue.complete(job)
    assert len(sphere.data.polygons) == 5120, "the edit is not overwritten"
    assert len(bpy.data.objects["Sphere.001"].data.polygons) == 100
    assert job.reports[0][0] == "WARNING"


def test_result_for_a_removed_object_becomes_a_new_one(scene, queue, make_job, module):
    sphere = add_sphere()
    sphere.location.x = 3
    bpy.context.view_layer.update()
    job = queue.add(make_job(face_count=100))
    pump_until(queue, lambda: job.state is module("jobs").State.READY)
    bpy.data.objects.remove(sphere)
    queue.complete(job)
    assert len(bpy.data.objects["Sphere"].data.polygons) == 100
    assert bpy.data.objects["Sphere"].location.x == 3


def test_result_after_undo_finds_its_object(scene, queue, make_job, module):
    add_sphere()
    bpy.ops.ed.undo_push(message="sphere")
    bpy.ops.object.camera_add()
    bpy.ops.ed.undo_push(message="camera")
    bpy.context.view_layer.objects.active = bpy.data.objects["Sphere"]
    bpy.data.objects["Sphere"].select_set(True)
    job = queue.add(make_job(face_count=100))
    pump_until(queue, lambda: job.state is module("jobs").State.READY)
    bpy.ops.ed.undo()  # gives every object a new place in memory
    queue.complete(job)
    assert [obj.name for obj in bpy.data.objects] == ["Sphere"]
    assert len(bpy.data.objects["Sphere"].data.polygons) == 100


def test_file_load_in_the_middle_loses_nothing(scene, queue, make_job, module):
    """The timer completes the job, with an undo step of its own."""
    timer = module("job_timer")
    add_sphere()
    job = make_job(face_count=100)
    timer.start(job)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.ed.undo_push(message="loaded")
    deadline = time.monotonic() + 30
    while not job.ended and time.monotonic() < deadline:
        timer._tick()
        time.sleep(0.01)
    assert job.state is module("jobs").State.DONE
    assert len(bpy.data.objects["Sphere"].data.polygons) == 100
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.ops.ed.undo()
    assert "Sphere" not in bpy.data.objects


def test_ctrl_c_cancels_a_blocking_run(scene, make_job, module):
    add_sphere(subdivisions=9)
    before = fingerprint()
    job = make_job(face_count=1000)

    def interrupt_once_running() -> None:
        while job.state is not module("jobs").State.RUNNING:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    threading.Thread(target=interrupt_once_running, daemon=True).start()
    module("job_timer").run_blocking(job)
    assert job.state is module("jobs").State.CANCELLED
    assert signal.getsignal(signal.SIGINT) == handler
    assert fingerprint() == before


def test_killed_worker_fails_its_job_and_the_next_gets_another(scene, queue, make_job, module):
    State = module("jobs").State
    add_sphere(subdivisions=8)
    before = fingerprint()
    job = queue.add(make_job(face_count=1000))
    pump_until(queue, lambda: job.state is State.RUNNING)
    os.kill(queue.hello("mesh").pid, signal.SIGKILL)
    pump_until(queue, lambda: job.ended)
    assert job.state is State.FAILED
    assert "worker" in job.reports[0][1]
    assert fingerprint() == before
    assert bpy.ops.hunyuan3d.reduce_faces(face_count=1000) == {"FINISHED"}


def test_worker_killed_while_idle_is_replaced(scene, queue):
    add_sphere()
    bpy.ops.hunyuan3d.reduce_faces(face_count=1000)
    os.kill(queue.hello("mesh").pid, signal.SIGKILL)
    time.sleep(0.3)
    assert bpy.ops.hunyuan3d.reduce_faces(face_count=500) == {"FINISHED"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="stops a process")
def test_worker_stopped_while_idle_costs_the_next_job_nothing_but_time(
    scene, queue, make_job, module
):
    State = module("jobs").State
    add_sphere(subdivisions=5)
    first = queue.add(make_job(face_count=1000))
    pump_until(queue, lambda: first.state is State.READY)
    queue.complete(first)
    stopped = queue.hello("mesh").pid
    os.kill(stopped, signal.SIGSTOP)
    job = queue.add(make_job(face_count=500))
    pump_until(queue, lambda: job.ended or job.state is State.READY)
    assert job.state is State.READY, job.reports
    assert queue.hello("mesh").pid != stopped
    queue.complete(job)


def test_warm_worker_is_used_again_and_closed_when_idle(scene, queue):
    add_sphere()
    bpy.ops.hunyuan3d.reduce_faces(face_count=1000)
    pid = queue.hello("mesh").pid
    bpy.ops.hunyuan3d.reduce_faces(face_count=500)
    assert queue.hello("mesh").pid == pid
    queue.close_idle(60.0)
    assert queue.has_workers
    queue.close_idle(0.0)
    assert not queue.has_workers


def test_large_arrays_are_handed_over_in_a_thread(scene, queue, make_job, module, monkeypatch):
    State, warm_worker = module("jobs").State, module("warm_worker")
    monkeypatch.setattr(warm_worker, "LARGE", 1000)
    go_on, threads = threading.Event(), []
    submit = warm_worker.WorkerClient.submit

    def slow(self, task, *arguments):
        if task == "reduce":
            threads.append(threading.current_thread())
            assert go_on.wait(30)
        return submit(self, task, *arguments)

    monkeypatch.setattr(warm_worker.WorkerClient, "submit", slow)
    add_sphere(subdivisions=6)
    done = queue.add(make_job(face_count=1000))
    pump_until(queue, lambda: done.state is State.SENDING)
    go_on.set()
    pump_until(queue, lambda: done.state is State.READY)
    queue.complete(done)
    go_on.clear()
    stopped = queue.add(make_job(face_count=900))
    pump_until(queue, lambda: stopped.state is State.SENDING)
    before = fingerprint()
    queue.cancel(stopped)
    assert stopped.state is State.CANCELLING
    go_on.set()
    pump_until(queue, lambda: stopped.ended)
    assert stopped.state is State.CANCELLED and fingerprint() == before
    assert threading.main_thread() not in threads and len(threads) == 2


def test_a_request_that_cannot_be_sent_fails_in_words(scene, queue, make_job, module, monkeypatch):
    from hy3dgen.errors import WorkerError

    warm_worker = module("warm_worker")
    monkeypatch.setattr(warm_worker, "LARGE", 1000)
    submit = warm_worker.WorkerClient.submit

    def full(self, task, *arguments):
        if task == "reduce":
            raise WorkerError("the disk is full; free some space")
        return submit(self, task, *arguments)

    monkeypatch.setattr(warm_worker.WorkerClient, "submit", full)
    add_sphere(subdivisions=6)
    job = queue.add(make_job(face_count=1000))
    pump_until(queue, lambda: job.ended)
    assert job.reports == [("ERROR", "The disk is full; free some space")]
    assert not queue.jobs
