# SPDX-License-Identifier: Apache-2.0
"""From a decoded picture to a mesh of at most 40,000 faces in numpy arrays, on one GPU.

    python -m benchmarks.real_time [--rows NAME ...] [--json FILE]
    python -m benchmarks.real_time --max-memory 3e9     ours alone, without and with that limit
    python -m benchmarks.real_time --quantize fp8       the same with weights of eight bits
    python -m benchmarks.real_time --previews           the same with coarse meshes on the way
    python -m benchmarks.real_time --dry-run            the same path, tiny networks, any device

Random weights of the published sizes with an analytic field (`benchmarks.random_models`). Each row
is run by our pipeline and, in the same process, by a plain one: the same networks called as they
stand (all tokens of the empty condition, no recordings), the published decoder, marching cubes
of scikit-image and the face reduction of the processor. Ratios are plain over ours.
"""

import argparse
import contextlib
import functools
import gc
import json
import math
import platform
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch

from hy3dgen.mesh import TriangleMesh, reduce_faces
from hy3dgen.pictures import load_picture
from hy3dgen.shapegen import pipelines
from hy3dgen.shapegen.devices import default_dtype, pick_device
from hy3dgen.shapegen.mesh_export import export_to_arrays
from hy3dgen.shapegen.models import attention
from hy3dgen.worker.engines import TorchEngine
from hy3dgen.worker.previews import Previews as WorkerPreviews

from .machine import processor_name, recordings_bytes
from .random_models import random_pipeline
from .shape_stages import PICTURE, StageWatch

FACES = 40_000


class Row(NamedTuple):
    model: str
    steps: int
    resolution: int
    goal: float  # seconds
    guidance: float = 5.0


ROWS = {
    "2mini-fast 5 256": Row("2mini-fast", 5, 256, 0.100),
    "2mini-fast 5 384": Row("2mini-fast", 5, 384, 0.150),
    "2mini-turbo 5 384": Row("2mini-turbo", 5, 384, 0.320),
    "2.0-turbo 5 384": Row("2.0-turbo", 5, 384, 0.250),
    "2mini 50 384": Row("2mini", 50, 384, 0.500),
    "2.0 50 384": Row("2.0", 50, 384, 1.900),
}


def ours(pipeline: Any, picture: Any, settings: dict[str, Any], progress: Any = None) -> Any:
    (output,) = pipeline(
        picture, generator=torch.Generator().manual_seed(0), output_type="mesh",
        face_count=FACES, progress=progress, **settings,
    )  # fmt: skip
    return export_to_arrays(output)


def with_argument(pipeline: Any, picture: Any, settings: dict[str, Any], count: list[int]) -> Any:
    """With the argument `preview`."""
    return ours(pipeline, picture, {**settings, "preview": lambda _mesh: count.append(0)})


def with_worker(pipeline: Any, picture: Any, settings: dict[str, Any], count: list[int]) -> Any:
    """With the events that a worker sends."""
    engine = TorchEngine()
    engine._pipeline = pipeline
    context: Any = SimpleNamespace(preview=lambda _arrays: count.append(0))
    look = engine._look(WorkerPreviews(context, settings["num_inference_steps"]))
    return ours(pipeline, picture, {**settings, "callback": look})


def measure_previews(
    pipeline: Any, picture: Any, settings: dict[str, Any], repeats: int
) -> dict[str, Any]:
    """Medians of calls without and with previews, which take turns."""
    figures = {}
    for name, run in (("worker", with_worker), ("argument", with_argument)):
        for _ in range(2):
            run(pipeline, picture, settings, [])
        without, seconds, count = [], [], []
        for _ in range(repeats):
            start = time.perf_counter()
            ours(pipeline, picture, settings)
            middle = time.perf_counter()
            run(pipeline, picture, settings, count)
            without.append(middle - start)
            seconds.append(time.perf_counter() - middle)
        before, after = statistics.median(without), statistics.median(seconds)
        figures[name] = {
            "without": round(before, 4),
            "seconds": round(after, 4),
            "meshes": len(count) / repeats,
            "cost_percent": round(100 * (after / before - 1), 2),
        }
    return figures


def plain(pipeline: Any, picture: Any, settings: dict[str, Any], progress: Any = None) -> Any:
    with _as_published():
        (output,) = pipeline(
            picture, generator=torch.Generator().manual_seed(0), output_type="mesh",
            volume_decoder="flashvdm", compatibility=True, progress=progress, **settings,
        )  # fmt: skip
    if progress is not None:
        progress("reduce", 0, 1)
    mesh = reduce_faces(TriangleMesh(*export_to_arrays(output)), FACES, "quality")
    return mesh.vertices, mesh.faces


@contextlib.contextmanager
def _as_published() -> Iterator[None]:
    """Guided steps are one call of two halves with all tokens; attention is PyTorch's own."""
    denoise, kernel_for = pipelines.denoise, attention.kernel_for
    pipelines.denoise = functools.partial(denoise, merge_tokens=False)
    attention.kernel_for = lambda _parts: None
    try:
        yield
    finally:
        pipelines.denoise, attention.kernel_for = denoise, kernel_for


def measure(
    run: Any, pipeline: Any, picture: Any, settings: dict[str, Any], warm: int, repeats: int
) -> dict[str, Any]:
    """Seconds of whole calls, of their stages in one more call, and the most memory.

    Without repeats the call with the stages is the only one.
    """
    cuda = pipeline.device.type == "cuda"
    first = None
    for _ in range(warm):
        start = time.perf_counter()
        run(pipeline, picture, settings)
        first = first or time.perf_counter() - start
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run(pipeline, picture, settings)
        seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() if cuda else 0
    recordings = recordings_bytes() if cuda else 0
    watch = StageWatch(pipeline.device)
    start = time.perf_counter()
    _vertices, faces = run(pipeline, picture, settings, watch)
    watch.finish()
    seconds = seconds or [time.perf_counter() - start]
    peak = max(peak, *(figures[1] for figures in watch.stages.values()))
    return {
        "seconds": round(statistics.median(seconds), 4),
        "least": round(min(seconds), 4),
        "most": round(max(seconds), 4),
        "first_call": round(first, 3) if first else None,
        "peak_mb": peak + recordings >> 20,
        "recordings_mb": recordings >> 20,
        "faces": len(faces),
        "stages": {name: round(figures[0], 4) for name, figures in watch.stages.items()},
    }


def closed(vertices: np.ndarray, faces: np.ndarray) -> bool:
    """Whether every edge has two faces that run along it in opposite directions."""
    a, b = faces.reshape(-1).astype(np.int64), np.roll(faces, -1, axis=1).reshape(-1)
    key, twin = a * len(vertices) + b, b * len(vertices) + a
    return len(np.unique(key)) == len(key) and np.array_equal(np.sort(key), np.sort(twin))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--device", help="default: a GPU if there is one")
    parser.add_argument("--dry-run", action="store_true", help="tiny networks and grids")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--no-plain", action="store_true", help="leave the plain pipeline out")
    parser.add_argument("--max-memory", type=float, metavar="BYTES", help="a limit to try as well")
    parser.add_argument("--quantize", choices=("fp8", "int8"), help="eight bits to try as well")
    parser.add_argument("--previews", action="store_true", help="what they cost, besides")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    device = pick_device(options.device)
    dtype = default_dtype(device)
    picture = load_picture(PICTURE)
    about = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name(),
        "dtype": str(dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "dry_run": options.dry_run,
        "faces": FACES,
    }
    results: dict[str, Any] = {}
    for name in options.rows:
        row = ROWS[name]
        pipeline = random_pipeline(row.model, device, dtype, options.dry_run)
        settings = {
            "num_inference_steps": row.steps, "guidance_scale": row.guidance,
            "octree_resolution": row.resolution,
        }  # fmt: skip
        if options.dry_run:
            settings |= {"num_inference_steps": 2, "octree_resolution": 64}
        figures: dict[str, Any] = {"goal": row.goal}
        figures["ours"] = measure(ours, pipeline, picture, settings, 3, options.repeats)
        figures["closed"] = closed(*ours(pipeline, picture, settings))
        if options.previews:
            figures["previews"] = measure_previews(
                pipeline, picture, settings, min(options.repeats, 5)
            )
        if options.max_memory:
            pipeline.set_max_memory(options.max_memory)
            figures["limited"] = measure(ours, pipeline, picture, settings, 3, options.repeats)
            figures["limited"]["max_memory"] = options.max_memory
            pipeline.set_max_memory(None)
        if options.quantize:
            pipeline.quantize(options.quantize, ("model", "conditioner"))
            figures["quantised"] = measure(ours, pipeline, picture, settings, 3, options.repeats)
            figures["quantised"]["kind"] = options.quantize
        if not (options.no_plain or options.max_memory or options.quantize):
            pipeline.set_max_memory(math.inf)
            pipeline.enable_cuda_graphs(False)
            figures["plain"] = measure(plain, pipeline, picture, settings, 1, 0)
            figures["ratio"] = round(figures["plain"]["seconds"] / figures["ours"]["seconds"], 2)
        results[name] = figures
        del pipeline
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        _show(name, figures)
        if options.json:
            options.json.write_text(json.dumps(about | {"rows": results}) + "\n", encoding="utf-8")


def _show(name: str, figures: dict[str, Any]) -> None:
    ours = figures["ours"]
    print(
        f"{name}: {1e3 * ours['seconds']:.0f} ms (goal {1e3 * figures['goal']:.0f}), "
        f"{ours['peak_mb']:,} MB, {ours['faces']:,} faces, closed: {figures['closed']}"
    )
    for who in ("ours", "limited", "quantised", "plain"):
        if who in figures:
            stages = figures[who]["stages"]
            line = ", ".join(f"{stage} {1e3 * s:.1f}" for stage, s in stages.items())
            peak = f"{figures[who]['peak_mb']:,} MB"
            print(f"  {who:9} {1e3 * figures[who]['seconds']:8.0f} ms, {peak}: {line}")
    for who, cost in figures.get("previews", {}).items():
        print(f"  previews of the {who}: {cost['meshes']:g}, {cost['cost_percent']:+.1f} %")
    if "ratio" in figures:
        print(f"  {figures['ratio']} times as fast", flush=True)


if __name__ == "__main__":
    main()
