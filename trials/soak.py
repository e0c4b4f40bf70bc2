# SPDX-License-Identifier: Apache-2.0
"""Thousands of small jobs in one worker: it must not grow, slow down, or answer otherwise.

::

    python -m trials.soak --count 5000 --json soak.json --picture soak.png

Every fifty jobs are the same mixture: pictures to meshes with the bundled model, reductions,
cleaning, mesh files written and read, cancels, inputs with faults. After each mixture the worker's
memory, descriptors, threads and blocks are read from the system. The same job is asked for again
and again, and must give the same bytes.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from hy3dgen.mesh import TriangleMesh, reduce_faces
from hy3dgen.worker.client import WorkerClient
from hy3dgen.worker.shared_arrays import PREFIX, default_roots
from trials import soak_worker
from trials.soak_figures import Sample, Soak, broken, figures
from trials.soak_jobs import bumpy_sphere, jobs_of_a_cycle, read_picture

_REST = 0.2  # seconds until an idle worker has given back what it holds too much


def block_folders() -> set[Path]:
    """Those of every client on this machine."""
    return {path for root in default_roots() for path in root.glob(f"{PREFIX}*")}


def sample(pid: int, jobs: int, folders: set[Path]) -> Sample:
    """Linux tells all of it under /proc; blocks are counted in `folders`."""
    blocks = [path for folder in folders for path in _files(folder, "*")]
    return Sample(
        jobs,
        *resident_mb(pid),
        len(os.listdir(f"/proc/{pid}/fd")),
        len(os.listdir(f"/proc/{pid}/task")),
        len(os.listdir("/proc/self/fd")),
        len(os.listdir("/proc/self/task")),
        len(blocks),
        len(_files(Path(tempfile.gettempdir()), "**/*")),
    )


def resident_mb(pid: int) -> tuple[float, float]:
    """All that is in main memory, and how much of it is the process' own.

    The rest are pages of files, of libraries above all, which come with their first use and go when
    the system wants their room: that is no memory of the process, and no other's work.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    size = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Rss")}
    own = size["RssAnon"] + size["RssShmem"]
    return round((own + size["RssFile"]) * 1024e-6, 3), round(own * 1024e-6, 3)


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


def soak(
    count: int,
    python: str | None,
    hours: float = 0,
    say: bool = True,
    kinds: Iterable[str] = (),
) -> Soak:
    """`count` jobs, or as many as fit into `hours`, in one worker; of these `kinds` or of all."""
    picture = read_picture()
    found = Soak()
    deadline = time.monotonic() + hours * 3600 if hours else None
    others = block_folders()
    with WorkerClient(soak_worker.command(python)) as worker:
        hello = worker.start()
        folders = block_folders() - others
        done = 0
        while done < count if deadline is None else time.monotonic() < deadline:
            for kind, job in jobs_of_a_cycle(picture, found.hashes):
                if kinds and kind not in kinds:
                    continue
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
            if not found.samples:
                worker.run("settle")
            # After a whole mixture, when blocks that the client just released are gone.
            worker.run("ping")
            time.sleep(_REST)
            found.samples.append(sample(hello.pid, done, folders))
            found.control_seconds.append(control())
            if say:
                now = found.samples[-1]
                print(
                    f"{done:6} jobs  {now.own_mb:8} MB  {now.descriptors} descriptors", flush=True
                )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Thousands of jobs in one worker.")
    parser.add_argument("--count", type=int, default=5000, help="jobs")
    parser.add_argument("--kind", action="append", default=[], help="only jobs of this kind")
    parser.add_argument("--hours", type=float, default=0, help="go on so long instead")
    parser.add_argument("--python", help="the worker's Python; without one, this one")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--picture", type=Path, help="where the curves go, as a PNG")
    options = parser.parse_args()
    if sys.platform != "linux":
        raise SystemExit("the soak reads /proc, so it runs on Linux only.")
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder  # so that a file left behind is ours
        found = soak(options.count, options.python, options.hours, kinds=options.kind)
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
