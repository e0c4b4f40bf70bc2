# SPDX-License-Identifier: Apache-2.0
"""The half of `timer_gaps` that runs inside Blender: --python FILE -- ZIP FACES OUT."""

import gc
import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "build_tools" / "in_window"))

import bpy  # noqa: E402
import driver  # noqa: E402
import numpy as np  # noqa: E402

RUNS = 3
LONGEST = 5  # gaps of each run that are told in full
ARCHIVE, FACES, OUT = sys.argv[sys.argv.index("--") + 1 :][:3]


def sphere(faces: int) -> tuple[np.ndarray, np.ndarray]:
    """A closed sphere of rings, `(V, 3) float32` and `(F, 3) int32`; about so many faces."""
    side = int(np.sqrt(faces / 2))
    theta, phi = np.linspace(0.01, np.pi - 0.01, side + 1), np.arange(side) * 2 * np.pi / side
    sine = np.sin(theta)[:, None]
    points = np.stack(
        np.broadcast_arrays(sine * np.cos(phi), np.cos(theta)[:, None], sine * np.sin(phi)), -1
    )
    here = np.arange(side * side).reshape(side, side)
    right = np.roll(here, -1, axis=1)
    quads = np.stack([here, right, right + side, here + side], -1).reshape(-1, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return points.reshape(-1, 3).astype(np.float32), triangles.astype(np.int32)


@dataclass
class Gap:
    """How long a timer had to wait, and what the main thread did meanwhile, in seconds."""

    wall: float
    own: float  # in the extension's timer
    garbage: float  # in Python's collector, wherever it was set off
    processor: float  # computing, whoever's code it was
    queued: float  # ready to go on, but other threads and processes had the processors
    state: str  # of the job

    @property
    def asleep(self) -> float:
        """Waiting: for the interpreter's lock, which other threads hold, for a display, a disk."""
        return max(self.wall - self.processor - self.queued, 0.0)

    def row(self) -> dict[str, object]:
        parts = ("wall", "own", "garbage", "processor", "queued", "asleep")
        return {f"{name}_ms": round(1000 * getattr(self, name), 1) for name in parts} | {
            "state": self.state
        }


class Watch:
    """Sums of what the main thread has done so far."""

    def __init__(self) -> None:
        self.own = self.garbage = 0.0
        self._collecting = 0.0
        self._thread = f"/proc/self/task/{threading.get_native_id()}/schedstat"
        gc.callbacks.append(self._collector)

    def _collector(self, phase: str, _info: dict) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        now = time.perf_counter()
        if phase == "stop":
            self.garbage += now - self._collecting
        self._collecting = now

    def now(self) -> tuple[float, float, float, float, float]:
        queued = int(Path(self._thread).read_text().split()[1]) / 1e9
        return time.perf_counter(), self.own, self.garbage, time.thread_time(), queued


def probe(until, watch: Watch, state, gaps: list[Gap]) -> None:
    """A timer that wants to run each millisecond writes down how long it had to wait."""
    last = [watch.now()]

    def look() -> float | None:
        now = watch.now()
        parts = (after - before for before, after in zip(last[0], now, strict=True))
        gaps.append(Gap(*parts, state()))
        last[0] = now
        return None if until() else 0.001

    bpy.app.timers.register(look, persistent=True)


def summary(seconds: list[float]) -> dict[str, float]:
    milliseconds = 1000 * np.array(seconds)
    return {
        "longest_ms": round(float(milliseconds.max()), 1),
        "p99_ms": round(float(np.quantile(milliseconds, 0.99)), 1),
        "over_50_ms": int((milliseconds > 50).sum()),
        "count": len(milliseconds),
    }


def script() -> driver.Script:
    driver.full_screen()
    yield 0.5
    driver.view().type = "TEXT_EDITOR"
    yield 1.0
    watch = Watch()
    idle: list[Gap] = []
    stop: list[bool] = []
    probe(lambda: stop, watch, lambda: "NONE", idle)
    yield 3.0
    stop.append(True)
    yield 0.5

    jobs, timer = driver.module("jobs"), driver.module("job_timer")
    generation, placing = driver.module("generation"), driver.module("placing")
    timed: list[tuple[float, str]] = []
    tick = timer._tick

    def timed_tick() -> float | None:
        state = timer.queue.jobs[0].state.name if timer.queue.jobs else "NONE"
        began = time.perf_counter()
        try:
            return tick()
        finally:
            took = time.perf_counter() - began
            watch.own += took
            timed.append((took, state))

    timer._tick = timed_tick
    wanted = int(FACES)
    vertices, faces = sphere(int(1.05 * wanted))
    place = placing.at_cursor(bpy.context)

    def finish(results):
        arrays = results[0].arrays
        yield from generation.add_object(
            "Sphere", arrays["vertices"], arrays["faces"], lambda: place
        )
        return [("INFO", "done")]

    part = driver.module("job").Part(
        "Sphere",
        "reduce",
        {"face_count": wanted, "method": "fast"},
        {"vertices": vertices, "faces": faces},
    )
    worker = driver.module("environment").mesh_worker()
    during = []
    for _ in range(RUNS):
        job = jobs.Job("Sphere", worker, [part], finish, place=place)
        gaps: list[Gap] = []
        probe(lambda job=job: job.ended, watch, lambda job=job: job.state.name, gaps)
        timer.start(job)
        yield lambda job=job: job.ended
        yield 1.0
        assert job.state.name == "DONE", job.reports
        longest = sorted(gaps, key=lambda gap: -gap.wall)[:LONGEST]
        walls = summary([gap.wall for gap in gaps])
        rows = [gap.row() for gap in longest]
        during.append({"job_seconds": round(job.seconds, 2), **walls, "longest": rows})
    made = len(bpy.context.object.data.polygons)
    states = {state for _, state in timed}
    result = {
        "blender": bpy.app.version_string,
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "faces": made,
        "gaps_idle": summary([gap.wall for gap in idle]),
        "gaps_during_job": during,
        "own_code": summary([seconds for seconds, _ in timed]),
        "own_code_by_state": {
            state: summary([seconds for seconds, s in timed if s == state])
            for state in sorted(states)
        },
    }
    print(json.dumps(result, indent=1))
    text = json.dumps(result, separators=(",", ":")) + "\n"
    Path(OUT).write_text(text, encoding="utf-8")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))


driver.install(ARCHIVE)
driver.play(script())
