# SPDX-License-Identifier: Apache-2.0
"""Seconds and peak memory of every stage from picture to mesh.

    python -m benchmarks.shape_stages [--json FILE]                the bundled model
    python -m benchmarks.shape_stages --size 2.0 --device cuda     random weights of true size
    python -m benchmarks.shape_stages --size 2.0 --dry-run         the same path, tiny networks

Random weights with an analytic field (`benchmarks.random_models`) cost what trained ones do, as far
as time and memory do not depend on values. The least of some runs is given for seconds, the most
for memory: on a GPU what torch allocated, else what the process held.
"""

import argparse
import contextlib
import json
import platform
from pathlib import Path
from typing import Any

import torch

from hy3dgen.memory import Peak, give_back_freed, peak_memory
from hy3dgen.mesh import TriangleMesh, reduce_faces
from hy3dgen.rembg import BackgroundRemover
from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
from hy3dgen.shapegen.devices import default_dtype, pick_device
from hy3dgen.shapegen.pipelines import export_to_arrays
from hy3dgen.shapegen.step_saving import synchronised_clock
from hy3dgen.worker.model_cache import choose_model

from .machine import processor_name
from .random_models import SIZES, parameters, random_pipeline

PICTURE = Path(__file__).resolve().parent.parent / "examples" / "pictures" / "train.png"


class StageWatch:
    """A pipeline's `progress`: notes seconds and peak bytes of each stage."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.clock = synchronised_clock(device)
        self.stages: dict[str, tuple[float, int]] = {}
        self._name = ""
        self._start = 0.0
        self._open = contextlib.ExitStack()
        self._peak = Peak(0)

    def __call__(self, stage: str, _step: int = 0, _total: int = 1) -> None:
        if stage == self._name:
            return
        self.finish()
        self._name = stage
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self._peak = self._open.enter_context(peak_memory())
        self._start = self.clock()

    def finish(self) -> None:
        if not self._name:
            return
        seconds = self.clock() - self._start
        self._open.close()
        cuda = self.device.type == "cuda"
        most = torch.cuda.max_memory_allocated(self.device) if cuda else self._peak.bytes
        self.stages[self._name] = (seconds, most)
        self._name = ""


def measure(
    pipeline: Any, settings: dict[str, Any], faces: int, repeats: int
) -> tuple[dict[str, Any], int]:
    """The stages, and the faces of the raw mesh."""
    runs = []
    count = 0
    for _ in range(repeats + 1):
        give_back_freed()
        watch = StageWatch(pipeline.device)
        watch("cut out")
        picture = BackgroundRemover()(PICTURE)
        (output,) = pipeline(
            picture, generator=torch.Generator().manual_seed(0), output_type="mesh",
            progress=watch, **settings,
        )  # fmt: skip
        watch("reduce (host)")
        mesh = TriangleMesh(*export_to_arrays(output))
        reduce_faces(mesh, faces, "fast")
        watch.finish()
        runs.append(watch.stages)
        count = len(mesh.faces)
    runs = runs[1:]  # the first one loads libraries
    return {
        stage: {
            "seconds": round(min(run[stage][0] for run in runs), 4),
            "peak_mb": max(run[stage][1] for run in runs) >> 20,
        }
        for stage in runs[0]
    }, count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, help="random weights of that model's size")
    parser.add_argument("--dry-run", action="store_true", help="with --size: tiny networks")
    parser.add_argument("--device", help="default: a GPU if there is one")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--resolution", type=int)
    parser.add_argument("--decoders", nargs="+")
    parser.add_argument("--faces", type=int, default=40_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    device = pick_device(options.device)
    dtype = default_dtype(device)
    if options.size is None:
        choice = choose_model(None, None)
        pipeline: Any = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
            choice.path, subfolder=None, device=device
        )
        settings = {**vars(choice.defaults)}
        decoders = ["coarse_to_fine"]
    else:
        pipeline = random_pipeline(options.size, device, dtype, options.dry_run)
        settings = {"num_inference_steps": 50, "guidance_scale": 5.0, "octree_resolution": 384}
        if options.dry_run:
            settings |= {"num_inference_steps": 2, "octree_resolution": 64}
        decoders = ["coarse_to_fine", "flashvdm"]
    if options.steps:
        settings["num_inference_steps"] = options.steps
    if options.resolution:
        settings["octree_resolution"] = options.resolution
    runs = {}
    for decoder in options.decoders or decoders:
        stages, faces = measure(
            pipeline, {**settings, "volume_decoder": decoder}, options.faces, options.repeats
        )
        total = sum(stage["seconds"] for stage in stages.values())
        runs[decoder] = {"seconds": round(total, 4), "faces": faces, "stages": stages}
        print(f"{decoder}: {total:.2f} s, {faces:,} faces")
        for name, figures in stages.items():
            print(f"  {name:14} {figures['seconds']:9.4f} s  {figures['peak_mb']:7,} MB")
    result = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name(),
        "model": options.size or "bundled",
        "weights": "random" if options.size else "trained",
        "dry_run": options.dry_run,
        "parameters": parameters(pipeline),
        "dtype": str(dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        **settings,
        "reduced_to": options.faces,
        "decoders": runs,
    }
    if options.json:
        options.json.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
