# SPDX-License-Identifier: Apache-2.0
"""The half of `timer_gaps` that runs inside Blender: --python FILE -- ZIP FACES OUT."""

import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "build_tools" / "in_window"))

import bpy  # noqa: E402
import driver  # noqa: E402
import numpy as np  # noqa: E402

RUNS = 3
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


def probe(until, gaps: list[float]) -> None:
    """A timer that wants to run each millisecond writes down how long it had to wait."""
    last = [time.perf_counter()]

    def look() -> float | None:
        now = time.perf_counter()
        gaps.append(now - last[0])
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
    idle: list[float] = []
    stop: list[bool] = []
    probe(lambda: stop, idle)
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
            timed.append((time.perf_counter() - began, state))

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

    part = jobs.Part(
        "Sphere",
        "reduce",
        {"face_count": wanted, "method": "fast"},
        {"vertices": vertices, "faces": faces},
    )
    worker = driver.module("environment").mesh_worker()
    during = []
    for _ in range(RUNS):
        job = jobs.Job("Sphere", worker, [part], finish, place=place)
        gaps: list[float] = []
        probe(lambda job=job: job.ended, gaps)
        timer.start(job)
        yield lambda job=job: job.ended
        yield 1.0
        assert job.state.name == "DONE", job.reports
        during.append({"job_seconds": round(job.seconds, 2), **summary(gaps)})
    made = len(bpy.context.object.data.polygons)
    states = {state for _, state in timed}
    result = {
        "blender": bpy.app.version_string,
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "faces": made,
        "gaps_idle": summary(idle),
        "gaps_during_job": during,
        "own_code": summary([seconds for seconds, _ in timed]),
        "own_code_by_state": {
            state: summary([seconds for seconds, s in timed if s == state])
            for state in sorted(states)
        },
    }
    print(json.dumps(result, indent=1))
    Path(OUT).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))


driver.install(ARCHIVE)
driver.play(script())
