# SPDX-License-Identifier: Apache-2.0
"""Seconds from a picture to a mesh with the bundled model on this machine, cold and warm.

    python -m benchmarks.picture_to_mesh [--picture FILE] [--numpy] [--json FILE]

Cold is a new worker process: its start, the import of torch, the loading of the weights and the
mesh. Warm are further pictures in the same worker; the median of them is given. With `--numpy` the
worker's Python is made to lack everything but numpy, as Blender's own does, and gets the picture as
an array.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from pathlib import Path

from hy3dgen.pictures import load_picture
from hy3dgen.worker import WorkerClient, worker_command

from .machine import processor_name

PICTURE = Path(__file__).resolve().parent.parent / "examples" / "pictures" / "train.png"


# A worker in this Python, as if nothing but numpy were installed.
BARE = """
import sys
for name in ("torch", "safetensors", "yaml", "PIL", "cv2", "skimage", "scipy", "trimesh"):
    sys.modules[name] = None
from hy3dgen.worker.__main__ import main
main()
"""


def measure(picture: Path, octree_resolution: int, repeats: int, numpy_only: bool) -> dict:
    params = {"octree_resolution": octree_resolution, "seed": 0}
    arrays, command = {}, worker_command()
    if numpy_only:
        arrays, command = {"image": load_picture(picture)}, [sys.executable, "-c", BARE]
    else:
        params["picture"] = str(picture)
    started = time.perf_counter()
    with WorkerClient(command) as worker:
        worker.start()
        first = worker.run("generate", params, arrays)
        cold = time.perf_counter() - started
        seconds, results = [], []
        for _ in range(repeats):
            started = time.perf_counter()
            results.append(worker.run("generate", params, arrays))
            seconds.append(time.perf_counter() - started)
    return {
        "octree_resolution": octree_resolution,
        "num_inference_steps": first.values["num_inference_steps"],
        "faces": len(first.arrays["faces"]),
        "device": first.values["device"],
        "cold_seconds": round(cold, 2),
        "cold_stages": dict(first.values["stages"]),
        "warm_seconds": round(statistics.median(seconds), 2),
        "warm_stages": dict(results[-1].values["stages"]),
        "worker_peak_memory_mb": round(results[-1].values["peak_memory"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--octree-resolution", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--numpy", action="store_true", help="without torch, as inside Blender")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    picture = options.picture.resolve()
    result = {
        "processor": processor_name(),
        "python": platform.python_version(),
        **measure(picture, options.octree_resolution, options.repeats, options.numpy),
    }
    print(f"{result['processor']}, {result['device']}, {result['octree_resolution']}^3")
    for kind in ("cold", "warm"):
        stages = ", ".join(
            f"{name} {value:.2f}" for name, value in result[f"{kind}_stages"].items()
        )
        print(f"{kind} {result[f'{kind}_seconds']:.2f} s  ({stages})")
    print(f"{result['faces']:,} faces; the worker took {result['worker_peak_memory_mb']} MB")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
