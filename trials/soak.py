# SPDX-License-Identifier: Apache-2.0
"""Thousands of small jobs in one worker: it must not grow, slow down, or answer otherwise.

::

    python -m trials.soak --count 5000 --json soak.json --picture soak.png

Every fifty jobs are the same mixture: pictures to meshes with the bundled model, reductions,
cancels, inputs with faults. After each the worker's memory, descriptors, threads and blocks are
read from the system. The same job is asked for again and again, and must give the same bytes.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from hy3dgen.errors import Cancelled, TaskFailedError
from hy3dgen.mesh import TriangleMesh, reduce_faces
from hy3dgen.worker.client import WorkerClient, worker_command
from hy3dgen.worker.protocol import Preview, Progress
from hy3dgen.worker.shared_arrays import default_roots

CYCLE = 50
SETTLED = 500  # jobs after which nothing may grow any more
# MB per 1,000 jobs: 20 bytes a job. Below it the C library's heap still spreads over some pages.
_NO_GROWTH = 0.02
_REST = 0.2  # seconds until an idle worker has given back what it holds too much
SMALL = {"num_inference_steps": 2, "octree_resolution": 24, "guidance_scale": 5.0}


@dataclass(frozen=True)
class Sample:
    """What the system told of the worker and of this process after a job."""

    jobs: int
    resident_mb: float
    descriptors: int
    threads: int
    own_descriptors: int
    own_threads: int
    blocks: int
    temporary_files: int


@dataclass
class Soak:
    """What came out of one run."""

    samples: list[Sample] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    control_seconds: list[float] = field(default_factory=list)  # after each mixture
    hashes: dict[str, set[str]] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)


Job = Callable[[WorkerClient], str]
"""Does one job and returns what became of it; raises what nobody expected."""


# --- the mixture ----------------------------------------------------------------------------------


def jobs_of_a_cycle(picture: np.ndarray, hashes: dict[str, set[str]]) -> Iterator[tuple[str, Job]]:
    """Fifty jobs, the same mixture each time, with new seeds where the result is not compared."""
    meshes = [bumpy_sphere(rows) for rows in (12, 30, 60)]
    generate = {"seed": 1, "face_count": 500, **SMALL}
    for number in range(10):
        params = {**generate, "seed": 1 if number % 5 == 0 else None}
        key = "generate" if number % 5 == 0 else None
        yield "generate", _compared("generate", params, {"image": picture}, hashes, key)
    for number in range(21):
        vertices, faces = meshes[number % 3]
        method = ("fast", "quality", "preview")[number // 3 % 3]
        arrays = {"vertices": vertices, "faces": faces}
        params = {"face_count": len(faces) // 4, "method": method}
        yield "reduce", _compared("reduce", params, arrays, hashes, f"{method} {len(faces)}")
    for task, params, arrays in faulty_requests(*meshes[0], picture):
        yield "faulty", _refused(task, params, arrays)
    for _ in range(5):
        yield "cancel", _cancelled({**generate, "num_inference_steps": 50}, {"image": picture})
    for _ in range(4):
        yield "status", _compared("status", {}, {}, hashes, None)


def bumpy_sphere(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A closed sphere with waves: (V, 3) float32 and (4 * rows * (rows - 1), 3) int32."""
    columns = 2 * rows
    polar = np.pi * np.arange(1, rows) / rows
    around = 2 * np.pi * np.arange(columns) / columns
    radius = 1 + 0.1 * np.sin(5 * polar)[:, None] * np.cos(4 * around)
    ring = np.stack(
        [
            radius * np.sin(polar)[:, None] * np.cos(around),
            radius * np.sin(polar)[:, None] * np.sin(around),
            radius * np.cos(polar)[:, None],
        ],
        -1,
    )
    vertices = np.concatenate([ring.reshape(-1, 3), [[0, 0, 1], [0, 0, -1]]]).astype(np.float32)
    at = np.arange((rows - 1) * columns).reshape(rows - 1, columns)
    right = np.roll(at, -1, axis=1)
    north, south = len(vertices) - 2, len(vertices) - 1
    upper = np.stack([at[:-1], at[1:], right[1:]], -1).reshape(-1, 3)
    lower = np.stack([at[:-1], right[1:], right[:-1]], -1).reshape(-1, 3)
    top = np.stack([np.full(columns, north), at[0], right[0]], -1)
    bottom = np.stack([np.full(columns, south), right[-1], at[-1]], -1)
    return vertices, np.concatenate([upper, lower, top, bottom]).astype(np.int32)


def faulty_requests(
    vertices: np.ndarray, faces: np.ndarray, picture: np.ndarray
) -> list[tuple[str, dict, dict[str, np.ndarray]]]:
    """Ten requests that must be refused in a sentence."""
    holed = vertices.copy()
    holed[3] = np.nan
    wild = faces.copy()
    wild[5, 1] = len(vertices)
    nothing = np.zeros((64, 64, 4), np.uint8)
    mesh = {"vertices": vertices, "faces": faces}
    return [
        ("reduce", {"face_count": 100}, {**mesh, "vertices": holed}),
        ("reduce", {"face_count": 100}, {**mesh, "faces": wild}),
        ("reduce", {"face_count": 100}, {**mesh, "faces": faces[:0]}),
        ("reduce", {"face_count": 0}, mesh),
        ("reduce", {"face_count": 100, "method": "magic"}, mesh),
        ("reduce", {"face_count": 100}, {"vertices": vertices}),
        ("generate", SMALL, {"image": nothing}),
        ("generate", {**SMALL, "model": "/nowhere/at/all"}, {"image": picture}),
        ("generate", {**SMALL, "octree_resolution": 10**9}, {"image": picture}),
        ("generate", {**SMALL, "picture": "/nowhere.png"}, {}),
    ]


def _compared(
    task: str,
    params: dict,
    arrays: dict[str, np.ndarray],
    hashes: dict[str, set[str]],
    key: str | None,
) -> Job:
    def job(worker: WorkerClient) -> str:
        result = worker.run(task, params, arrays)
        if key is not None:
            digest = hashlib.sha256()
            for name in sorted(result.arrays):
                digest.update(result.arrays[name].tobytes())
            hashes.setdefault(key, set()).add(digest.hexdigest()[:16])
        return "done"

    return job


def _refused(task: str, params: dict, arrays: dict[str, np.ndarray]) -> Job:
    def job(worker: WorkerClient) -> str:
        try:
            worker.run(task, params, arrays)
        except TaskFailedError as error:
            if len(str(error)) < 20 or "Traceback" in str(error):
                raise AssertionError(f"no sentence: {error}") from error
            return "refused"
        raise AssertionError(f"{task} {params} was not refused")

    return job


def _cancelled(params: dict, arrays: dict[str, np.ndarray]) -> Job:
    class StopError(Exception):
        pass

    def stop(event: Progress | Preview) -> None:
        if isinstance(event, Progress) and event.step > 0:
            raise StopError

    def job(worker: WorkerClient) -> str:
        try:
            worker.run("generate", params, arrays, on_event=stop)
        except (StopError, Cancelled):
            return "cancelled"
        raise AssertionError("it went on although it was cancelled")

    return job


# --- measuring ------------------------------------------------------------------------------------


def sample(pid: int, jobs: int) -> Sample:
    """Linux tells all of it under /proc."""
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    blocks = [path for root in default_roots() for path in _files(root, "hy3d-*/*")]
    return Sample(
        jobs,
        round(resident / 1e6, 2),
        len(os.listdir(f"/proc/{pid}/fd")),
        len(os.listdir(f"/proc/{pid}/task")),
        len(os.listdir("/proc/self/fd")),
        len(os.listdir("/proc/self/task")),
        len(blocks),
        len(_files(Path(tempfile.gettempdir()), "**/*")),
    )


def _files(root: Path, pattern: str) -> list[Path]:
    """All but the locks, by which a client shows that it lives."""
    return [path for path in root.glob(pattern) if path.is_file() and path.suffix != ".lock"]


def cpu_seconds(pid: int) -> float:
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def control() -> float:
    """Processor seconds of always the same reductions in this process, which does nothing else.

    Where other work comes and goes on the same processors, they too take longer.
    """
    mesh = TriangleMesh(*bumpy_sphere(60))
    began = time.process_time()
    for _ in range(3):
        reduce_faces(mesh, len(mesh.faces) // 4)
    return time.process_time() - began


def soak(count: int, python: str | None, hours: float = 0, say: bool = True) -> Soak:
    """`count` jobs, or as many as fit into `hours`, in one worker."""
    picture = read_picture()
    found = Soak()
    deadline = time.monotonic() + hours * 3600 if hours else None
    with WorkerClient(worker_command(python)) as worker:
        hello = worker.start()
        done = 0
        while done < count if deadline is None else time.monotonic() < deadline:
            for kind, job in jobs_of_a_cycle(picture, found.hashes):
                used, started = cpu_seconds(hello.pid), time.monotonic()
                try:
                    outcome = job(worker)
                except Exception as error:
                    outcome = "surprise"
                    found.surprises.append(f"job {done}, {kind}: {type(error).__name__}: {error}")
                    if not worker.alive:
                        raise
                found.seconds.append(time.monotonic() - started)
                found.cpu_seconds.append(cpu_seconds(hello.pid) - used)
                outcome = f"{kind} {outcome}"
                found.outcomes[outcome] = found.outcomes.get(outcome, 0) + 1
                done += 1
            # After a whole mixture, when blocks that the client just released are gone.
            worker.run("ping")
            time.sleep(_REST)
            found.samples.append(sample(hello.pid, done))
            found.control_seconds.append(control())
            if say:
                now = found.samples[-1]
                print(f"{done:6} jobs  {now.resident_mb:8} MB  {now.descriptors} descriptors")
    return found


def read_picture() -> np.ndarray:
    """A drawn object with alpha, (128, 128, 4) uint8: a disk with a bar."""
    row, column = np.mgrid[0:128, 0:128] - 64.0
    inside = (np.hypot(row, column) < 40) | ((abs(row) < 12) & (abs(column) < 56))
    picture = np.zeros((128, 128, 4), np.uint8)
    picture[inside] = (200, 90, 40, 255)
    return picture


def slope(samples: list[Sample], after: int = SETTLED) -> tuple[float, float, float]:
    """Growth of resident memory in MB per 1,000 jobs, its standard error, degrees of freedom.

    Least squares. Samples one after the other are alike, so they count as fewer: by one plus twice
    the sum of the residuals' autocorrelations up to the first that is not positive.
    """
    late = [one for one in samples if one.jobs > after]
    if len(late) < 10:
        return float("nan"), float("nan"), float("nan")
    jobs = np.array([one.jobs / 1000 for one in late])
    memory = np.array([one.resident_mb for one in late])
    jobs, memory = jobs - jobs.mean(), memory - memory.mean()
    growth = (jobs @ memory) / (jobs @ jobs)
    rest = memory - growth * jobs
    alike = 1.0
    for lag in range(1, len(rest) // 2):
        correlation = (rest[lag:] @ rest[:-lag]) / (rest @ rest or 1.0)
        if correlation <= 0:
            break
        alike += 2 * correlation
    freedom = max(len(rest) / alike - 2, 1.0)
    error = np.sqrt(alike * (rest @ rest) / (len(rest) - 2) / (jobs @ jobs))
    return float(growth), float(error), float(freedom)


def certain(freedom: float) -> float:
    """Standard errors from zero beyond which 95 % certainty lies: Student's t, by its series."""
    z = 1.96
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def last_over_first(seconds: list[float], mixture: int = CYCLE) -> float:
    """Time of the last 500 jobs by that of the first 500; the first mixture loads the model."""
    settled = seconds[mixture:]
    edge = min(10 * mixture, len(settled) // 2)
    return sum(settled[-edge:]) / sum(settled[:edge]) if edge else float("nan")


def figures(found: Soak) -> dict:
    """The run in numbers, with a verdict on each promise."""
    growth, error, freedom = slope(found.samples)
    late = [one for one in found.samples if one.jobs > SETTLED] or found.samples
    counted = ("descriptors", "threads", "own_descriptors", "own_threads", "blocks")
    ranges = {name: sorted({getattr(one, name) for one in late}) for name in counted}
    ratios = {
        name: round(last_over_first(values), 3)
        for name, values in (("wall", found.seconds), ("cpu", found.cpu_seconds))
    }
    ratios["control"] = round(last_over_first(found.control_seconds, mixture=1), 3)
    return {
        "jobs": len(found.seconds),
        "outcomes": found.outcomes,
        "surprises": found.surprises[:20],
        "resident_mb_per_1000_jobs": round(growth, 4),
        "standard_error": round(error, 4),
        "standard_errors_that_count": round(certain(freedom), 2),
        "resident_mb_last": found.samples[-1].resident_mb,
        "ranges_after_settling": ranges,
        "seconds_per_job": round(sum(found.seconds) / len(found.seconds), 4),
        "last_500_over_first_500": ratios,
        "different_results_of_the_same_job": {k: len(v) for k, v in found.hashes.items()},
    }


def broken(report: dict) -> list[str]:
    """The promises that a run did not keep, in words."""
    found = list(report["surprises"])
    growth, error = report["resident_mb_per_1000_jobs"], report["standard_error"]
    if growth > max(_NO_GROWTH, report["standard_errors_that_count"] * error):
        found.append(f"memory grows by {growth} MB per 1,000 jobs, give or take {error}")
    for name, values in report["ranges_after_settling"].items():
        if len(values) > 1:
            found.append(f"{name} went from {values[0]} to {values[-1]}")
    ratios = report["last_500_over_first_500"]
    slower = ratios["cpu"] / ratios["control"]
    if slower > 1.1:
        found.append(f"the last 500 jobs took {slower:.2f} x as long, measured by the control")
    for job, results in report["different_results_of_the_same_job"].items():
        if results > 1:
            found.append(f"{job} gave {results} different results")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Thousands of jobs in one worker.")
    parser.add_argument("--count", type=int, default=5000, help="jobs")
    parser.add_argument("--hours", type=float, default=0, help="go on so long instead")
    parser.add_argument("--python", help="the worker's Python; without one, this one")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--picture", type=Path, help="where the curves go, as a PNG")
    options = parser.parse_args()
    if sys.platform != "linux":
        raise SystemExit("the soak reads /proc, so it runs on Linux only.")
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder  # so that a file left behind is ours
        found = soak(options.count, options.python, options.hours)
    report = figures(found)
    print(json.dumps(report, indent=1))
    if options.json:
        from benchmarks.machine import processor_name

        report = {"device": processor_name(), **report}
        report["samples"] = [list(asdict(one).values()) for one in found.samples]
        report["columns"] = list(asdict(found.samples[0]))
        options.json.write_text(json.dumps(report) + "\n", encoding="utf-8")
    if options.picture:
        from trials.soak_picture import draw

        draw(found, options.picture)
    if failures := broken(figures(found)):
        raise SystemExit("\n".join(["not kept:", *failures]))


if __name__ == "__main__":
    main()
