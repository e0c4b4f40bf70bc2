# SPDX-License-Identifier: Apache-2.0
"""The half of `timer_gaps` that runs inside Blender: --python FILE -- ZIP JOB FACES OUT."""

import contextlib
import gc
import json
import os
import sys
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "build_tools" / "in_window"))

import bpy  # noqa: E402
import driver  # noqa: E402
import numpy as np  # noqa: E402

RUNS = 3
LONGEST = 5  # gaps of each run that are told in full
ARCHIVE, JOB, FACES, OUT = sys.argv[sys.argv.index("--") + 1 :][:4]


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


class Timed:
    """The extension's timer, with a clock around it."""

    def __init__(self, watch: Watch) -> None:
        self.seconds: list[tuple[float, str]] = []
        timer = driver.module("job_timer")
        self._tick, self._watch, self._queue = timer._tick, watch, timer.queue
        timer._tick = self

    def __call__(self) -> float | None:
        state = self._queue.jobs[0].state.name if self._queue.jobs else "NONE"
        with self.measured(state):
            return self._tick()

    @contextlib.contextmanager
    def measured(self, state: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self._watch.own += took
            self.seconds.append((took, state))

    def by_state(self) -> dict[str, dict[str, float]]:
        states = {state for _, state in self.seconds}
        return {
            state: summary([seconds for seconds, s in self.seconds if s == state])
            for state in sorted(states)
        }


def add_laden(faces: int) -> bpy.types.Object:
    """A sphere with a UV map, colours, an attribute, materials and two vertex groups."""
    vertices, triangles = sphere(faces)
    mesh = bpy.data.meshes.new("Laden")
    driver.module("scene_write").fill_mesh(mesh, vertices, triangles)
    at = vertices[:, [0, 2, 1]] * np.float32([1, -1, 1])
    corners = at[triangles.ravel()]
    uvs, height = 0.5 + 0.4 * corners[:, :2], at[:, 2]
    colours = np.c_[0.5 + 0.5 * corners, np.ones(len(corners))]
    materials = (at[triangles].mean(axis=1)[:, 0] > 0).astype(np.int32)
    for name, data_type, domain, field, values in (
        ("UVMap", "FLOAT2", "CORNER", "vector", uvs),
        ("Colour", "BYTE_COLOR", "CORNER", "color_srgb", colours),
        ("wear", "FLOAT", "POINT", "value", height),
        ("material_index", "INT", "FACE", "value", materials),
    ):
        mesh.attributes.new(name, data_type, domain)
        dtype = np.int32 if data_type == "INT" else np.float32
        values = np.ascontiguousarray(values, dtype).ravel()
        mesh.attributes[name].data.foreach_set(field, values)
    for name in ("Red", "Blue"):
        mesh.materials.append(bpy.data.materials.new(name))
    laden = bpy.data.objects.new("Laden", mesh)
    bpy.context.scene.collection.objects.link(laden)
    for name, weights in (("upper", height), ("lower", -height)):
        group = laden.vertex_groups.new(name=name)
        for step in range(1, 9):  # one call for all vertices of a weight
            members = np.nonzero(np.ceil(8 * weights) == step)[0]
            group.add(members.tolist(), step / 8, "REPLACE")
    return laden


def reductions(watch: Watch, timed: Timed) -> Generator:
    """Reduce Faces on a laden mesh, clicked; rows of figures."""
    rows = []
    queue = driver.module("job_timer").queue
    laden = add_laden(int(FACES))
    original = laden.data
    names = ("to", "edited", "normals")
    for case in (
        (40_000, 0, 0),
        (400_000, 0, 0),
        (1_000_000, 0, 0),
        (40_000, 1, 0),
        (40_000, 0, 1),
    ):
        wanted, edited, normals = case
        laden.data = original.copy()
        if normals:
            laden.data.normals_split_custom_set_from_vertices(
                [(x, y, 2 * z) for x, y, z in (v.co for v in laden.data.vertices)]
            )
        laden.select_set(True)
        bpy.context.view_layer.objects.active = laden
        bpy.context.view_layer.update()
        bpy.ops.ed.undo_push(message="before")
        yield 1.0
        timed.seconds.clear()
        gaps: list[Gap] = []
        stop: list[bool] = []
        state = lambda: queue.jobs[0].state.name if queue.jobs else "NONE"  # noqa: E731
        probe(lambda stop=stop: stop, watch, state, gaps)
        yield 0.5
        window = bpy.context.window_manager.windows[0]
        with timed.measured("CLICK"), bpy.context.temp_override(window=window):
            bpy.ops.hunyuan3d.reduce_faces("INVOKE_DEFAULT", face_count=wanted, method="FAST")
        job = queue.jobs[0]
        if edited:
            yield lambda job=job: job.state.name == "RUNNING"
            wear = laden.data.attributes["wear"].data
            wear[0].value = wear[0].value  # an edit for all that Blender tells
            bpy.context.view_layer.update()  # the artist's own wait, which is none of ours
            gaps.clear()
            yield 0.0
            gaps.clear()
        yield lambda job=job: job.ended
        yield 0.5
        stop.append(True)
        yield 0.5
        assert job.state.name == "DONE", job.reports
        assert len(laden.data.polygons) <= wanted, "in place"
        longest = sorted(gaps, key=lambda gap: -gap.wall)[:LONGEST]
        rows.append(
            dict(zip(names, (wanted, bool(edited), bool(normals)), strict=True))
            | {"job_seconds": round(job.seconds, 2), **summary([gap.wall for gap in gaps])}
            | {"longest": [gap.row() for gap in longest], "own_code_by_state": timed.by_state()}
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def new_objects(watch: Watch, timed: Timed) -> Generator:
    """A mesh that the worker made, as a new object; rows of figures."""
    timer = driver.module("job_timer")
    generation, placing = driver.module("generation"), driver.module("placing")
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
    rows = []
    for _ in range(RUNS):
        job = driver.module("job").Job("Sphere", worker, [part], finish, place=place)
        gaps: list[Gap] = []
        probe(lambda job=job: job.ended, watch, lambda job=job: job.state.name, gaps)
        timer.start(job)
        yield lambda job=job: job.ended
        yield 1.0
        assert job.state.name == "DONE", job.reports
        longest = sorted(gaps, key=lambda gap: -gap.wall)[:LONGEST]
        walls = summary([gap.wall for gap in gaps])
        longest = [gap.row() for gap in longest]
        rows.append({"job_seconds": round(job.seconds, 2), **walls, "longest": longest})
    assert abs(len(bpy.context.object.data.polygons) - wanted) < 2
    return rows


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
    timed = Timed(watch)
    result = {
        "blender": bpy.app.version_string,
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "faces": int(FACES),
        "gaps_idle": summary([gap.wall for gap in idle]),
    }
    if JOB == "reduce":
        result["reduce_faces"] = yield from reductions(watch, timed)
    else:
        result["gaps_during_job"] = yield from new_objects(watch, timed)
        result["own_code"] = summary([seconds for seconds, _ in timed.seconds])
        result["own_code_by_state"] = timed.by_state()
    print(json.dumps(result, indent=1))
    text = json.dumps(result, separators=(",", ":")) + "\n"
    Path(OUT).write_text(text, encoding="utf-8")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))


driver.install(ARCHIVE)
driver.play(script())
