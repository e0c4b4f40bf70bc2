# SPDX-License-Identifier: Apache-2.0
"""Pictures to meshes while torch may have less and less of the GPU, through a real worker.

    python -m trials.gpu_caps [--json FILE] [--seconds 70]

For each cap: the job ends in a sentence or gives the mesh that it gives without one; the job after
it, without a cap, gives that mesh to the byte, and neither device memory nor a block nor a
descriptor is left. A model that is loaded under a cap keeps some weights elsewhere and computes in
smaller pieces, so its mesh may differ in rounding, by a thousandth of its volume at most. First
with the bundled model, then with one of a published model's size and weights by chance, once loaded
before the cap and once after. Without a GPU nothing is capped, so that only the trial itself is
tried.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from hy3dgen.errors import TaskFailedError, WorkerError
from hy3dgen.worker.client import WorkerClient
from hy3dgen.worker.shared_arrays import default_roots
from trials.soak_jobs import read_picture

SIZE = "2mini"
MEGABYTES = {  # caps, largest first
    "bundled, loaded before": (400, 200, 120, 80, 60, 40, 30, 20, 10),
    "bundled, loaded within": (120, 60, 30, 10),
    f"size of {SIZE}, loaded within": (4000, 2500, 1200, 700, 400, 150),
    f"size of {SIZE}, loaded before": (3500, 1000, 100),
}
SETTINGS = {
    "bundled": {"num_inference_steps": 8, "octree_resolution": 128},
    "size": {"num_inference_steps": 4, "octree_resolution": 256},
}
SAME_SHAPE = 1e-3  # of the volume
SPARE = 32 << 20  # bytes that may come and go with what torch keeps for itself


class Trials:
    """One worker, all caps."""

    def __init__(self, worker: WorkerClient, folders: set[Path], until: float) -> None:
        self.worker, self.folders, self.until = worker, folders, until
        self.picture = read_picture()
        self.rows: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.uncapped: dict[str, str] = {}  # model -> its mesh

    def series(self, title: str, model: str | None) -> None:
        settings = SETTINGS[title.split()[0].rstrip(",")]
        within = title.endswith("within")
        want = self.job(model, settings)
        if want["mesh"] is None:
            self.problems.append(f"{title}: without a cap: {want['words']}")
            return
        model_name = title.partition(",")[0]
        if self.uncapped.setdefault(model_name, want["mesh"]) != want["mesh"]:
            self.problems.append(f"{title}: without a cap another mesh than before")
        self.rows.append({"series": title, "cap_mb": None, **want})
        self.say()
        for megabytes in MEGABYTES[title]:
            if time.monotonic() > self.until:
                self.problems.append(f"{title}: no time for {megabytes} MB")
                return
            if within:
                self.worker.run("forget")
            self.cap(megabytes << 20)
            before = self.held()["allocated"]
            row = self.job(model, settings)
            after = self.held()
            self.cap(0)
            left = self.worker.run("held").values["allocated"]
            again = self.job(model, settings)
            row |= {"most_mb": after["most"] >> 20, "next_job": again["words"] or "done"}
            row["same_mesh"] = None if row["mesh"] is None else row["mesh"] == want["mesh"]
            row["next_same_mesh"] = again["mesh"] == want["mesh"]
            if row["mesh"] is not None:
                row["volume_off"] = abs(row["volume"] / want["volume"] - 1)
            if within:
                row["held_before_mb"] = before >> 20  # of a model that was forgotten
            self.rows.append({"series": title, "cap_mb": megabytes, **row})
            self.say()
            self.judge(title, megabytes, row, before - SPARE if within else left - before)

    def judge(self, title: str, megabytes: int, row: dict[str, Any], left: int) -> None:
        where = f"{title}, {megabytes} MB"
        words = row["words"]
        if words and ("\n" in words or "Traceback" in words or not 20 < len(words) < 400):
            self.problems.append(f"{where}: no sentence: {words}")
        if row["next_job"] != "done":
            self.problems.append(f"{where}: the next job failed: {row['next_job']}")
        elif not row["next_same_mesh"]:
            self.problems.append(f"{where}: the next job gave another mesh")
        if row["mesh"] is not None and not row["same_mesh"]:
            if not title.endswith("within") or row["volume_off"] > SAME_SHAPE:
                self.problems.append(
                    f"{where}: another mesh, its volume {row['volume_off']:.2g} off"
                )
        if left > SPARE:
            self.problems.append(f"{where}: {left >> 20} MB of the device are left")
        self.worker.run("ping")  # after the release of what was read
        blocks = [path for folder in self.folders for path in folder.glob("[cw]*")]
        if blocks:
            self.problems.append(f"{where}: blocks {blocks} are left")

    def job(self, model: str | None, settings: dict[str, Any]) -> dict[str, Any]:
        params = {"seed": 1, "face_count": 2000, "model": model, **settings}
        began = time.monotonic()
        try:
            result = self.worker.run("generate", params, {"image": self.picture})
        except TaskFailedError as error:
            outcome: dict[str, Any] = {"words": str(error), "kind": error.kind, "mesh": None}
        else:
            digest = hashlib.sha256()
            for name in sorted(result.arrays):
                digest.update(np.ascontiguousarray(result.arrays[name]).tobytes())
            corners = result.arrays["vertices"][result.arrays["faces"]].astype(np.float64)
            volume = float(np.linalg.det(corners).sum() / 6)
            outcome = {"words": "", "faces": len(corners), "volume": volume}
            outcome["mesh"] = digest.hexdigest()[:16]
        return outcome | {"seconds": round(time.monotonic() - began, 2)}

    def cap(self, size: int) -> None:
        self.worker.run("cap", {"bytes": size})

    def held(self) -> dict[str, Any]:
        return self.worker.run("held").values

    def say(self) -> None:
        sys.stdout.write(json.dumps(self.rows[-1]) + "\n")
        sys.stdout.flush()


def array_folders() -> set[Path]:
    return {path for root in default_roots() for path in root.glob("hy3dgen-arrays-*")}


def main() -> None:
    parser = argparse.ArgumentParser(description="A GPU's memory is capped.")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--seconds", type=float, default=600, help="begin nothing later than that")
    options = parser.parse_args()
    until = time.monotonic() + options.seconds
    root = Path(__file__).parents[1]
    # A worker is not given PYTHONPATH, but this one needs what we have.
    bootstrap = "import os, sys; sys.path[:0] = sys.argv[1].split(os.pathsep); "
    bootstrap += "from trials.capped_worker import main; main()"
    command = [sys.executable, "-c", bootstrap, os.pathsep.join([str(root), *sys.path])]
    others = array_folders()
    with (
        tempfile.TemporaryDirectory(prefix="gpu-caps-") as folder,
        WorkerClient(command, log_path=Path(folder) / "log") as worker,
    ):
        hello = worker.start()
        found = Trials(worker, array_folders() - others, until)
        descriptors = 0
        try:
            for title in MEGABYTES:
                model = None
                if title.startswith("size"):
                    model = str(Path(folder, "model"))
                    if not Path(model).exists():
                        made = worker.run("make", {"model": SIZE, "folder": model})
                        found.rows.append({"made": SIZE, **made.values})
                found.series(title, model)
                now = len(os.listdir(f"/proc/{hello.pid}/fd"))
                if descriptors and now > descriptors:
                    found.problems.append(f"descriptors went from {descriptors} to {now}")
                descriptors = now
        except WorkerError as error:
            found.problems.append(f"the worker: {error}; {worker.log_tail(5)}")
        device = worker.run("held").values["device"] if worker.alive else "?"
    report = {"device": device, "problems": found.problems, "rows": found.rows}
    if options.json:
        options.json.write_text(json.dumps(report) + "\n", encoding="utf-8")
    if found.problems:
        raise SystemExit("\n".join(["problems:", *found.problems]))


if __name__ == "__main__":
    main()
