# SPDX-License-Identifier: Apache-2.0
"""A whole picture within limits of device memory: what it takes, and whether it is the same.

    python -m benchmarks.memory_limits [--models NAME ...] [--gigabytes N ...] [--json FILE]
    python -m benchmarks.memory_limits --dry-run         the same path, tiny networks, any device

Random weights of the published sizes with an analytic field (`benchmarks.random_models`), from a
decoded picture to a mesh of at most 40,000 faces at a resolution of 384. torch's allocator is
capped at each limit, so a run that would take more fails; "reserved" counts what torch has of the
device. Each run is compared with one of the same process for which all weights stay there.
"""

import argparse
import gc
import json
import math
import platform
import statistics
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hy3dgen.mesh import TriangleMesh
from hy3dgen.mesh.nearest import NearestFaces
from hy3dgen.pictures import load_picture
from hy3dgen.shapegen.devices import default_dtype, memory_within, pick_device
from hy3dgen.shapegen.mesh_export import export_to_arrays

from .machine import processor_name, recordings_bytes
from .random_models import random_pipeline
from .shape_stages import PICTURE, StageWatch

FACES = 40_000
MODELS = {"2.0": 50, "2mini": 50, "2mini-fast": 5}  # steps
GIGABYTES = (8, 6, 4, 3)


def free() -> None:
    """Forget what nobody uses, also on the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def run(pipeline: Any, steps: int, resolution: int, **settings: Any) -> Any:
    return pipeline(
        load_picture(PICTURE), generator=torch.Generator().manual_seed(0),
        num_inference_steps=steps, octree_resolution=resolution, face_count=FACES,
        **{"output_type": "mesh", **settings},
    )  # fmt: skip


def measure(
    pipeline: Any, steps: int, resolution: int, cap: float | None, repeats: int = 3
) -> tuple[dict[str, Any], torch.Tensor, Any]:
    """Seconds, peaks and stages of whole pictures under a cap; the latents and the mesh."""
    device = pipeline.device
    cuda = device.type == "cuda"
    with memory_within(device, cap):
        free()
        if cuda:
            torch.cuda.reset_peak_memory_stats(device)
        seconds = []
        for _ in range(1 + repeats):
            start = time.perf_counter()
            (mesh,) = run(pipeline, steps, resolution)
            seconds.append(time.perf_counter() - start)
        figures: dict[str, Any] = {
            "first_call": round(seconds[0], 3),
            "seconds": round(statistics.median(seconds[1:]), 4),
        }
        if cuda:
            figures["peak_mb"] = torch.cuda.max_memory_allocated(device) >> 20
            figures["reserved_mb"] = torch.cuda.max_memory_reserved(device) >> 20
            figures["recordings_mb"] = recordings_bytes() >> 20
            figures["after_mb"] = torch.cuda.memory_allocated(device) >> 20
        latents = run(pipeline, steps, resolution, output_type="latent")
        watch = StageWatch(device)
        run(pipeline, steps, resolution, progress=watch)
        watch.finish()
        figures["stages"] = {
            name: {"seconds": round(stage[0], 4), "peak_mb": stage[1] >> 20}
            for name, stage in watch.stages.items()
        }
    return figures, latents, mesh


def settled(pipeline: Any, limit: float | str | None) -> dict[str, Any]:
    """Limit the pipeline; "low" is `enable_low_memory`, None the default. What its plan is."""
    if limit == "low":
        pipeline.enable_low_memory()
    else:
        pipeline.set_max_memory(limit)
    plan = getattr(pipeline._offload, "plan", None)
    if plan is None:
        return {"limit_mb": None}
    return {
        "limit_mb": None if limit is None else int(pipeline.max_memory) >> 20,
        "planned_mb": plan.peak >> 20,
        "room_mb": plan.room >> 20,
        "visiting": len(plan.visiting),
        "passing": len(plan.passing),
        "recorded": plan.recorded,
    }


def compare(latents: torch.Tensor, mesh: Any, want: tuple[torch.Tensor, Any]) -> dict[str, Any]:
    """Whether latents and meshes are the same, and if not how far apart."""
    other = want[1]
    same = mesh.mesh_f.shape == other.mesh_f.shape and np.array_equal(mesh.mesh_f, other.mesh_f)
    figures: dict[str, Any] = {
        "latents_differ_by": float((latents.float() - want[0].float()).abs().max()),
        "same_faces": bool(same),
    }
    figures["surfaces_differ_by"] = max(apart(mesh, other), apart(other, mesh))
    return figures


def apart(mesh: Any, other: Any, count: int = 3000) -> float:
    """How far vertices of a mesh lie from another's surface, at most."""
    surface = TriangleMesh(*export_to_arrays(other))
    points = export_to_arrays(mesh)[0]
    points = points[:: max(len(points) // count, 1)]
    faces, shares = NearestFaces(surface).query(points)
    nearest = (surface.vertices[surface.faces[faces]] * shares[..., None]).sum(axis=1)
    return round(float(np.linalg.norm(points - nearest, axis=1).max()), 7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--gigabytes", nargs="+", type=float, default=list(GIGABYTES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", help="default: a GPU if there is one")
    parser.add_argument("--dry-run", action="store_true", help="tiny networks and grids")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    device = pick_device(options.device)
    results: dict[str, Any] = {}
    result = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name(),
        "dtype": str(default_dtype(device)).removeprefix("torch."),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "dry_run": options.dry_run,
        "faces": FACES,
        "models": results,
    }
    for name in options.models:
        free()
        rows: dict[str, Any] = {}
        results[name] = {"steps": MODELS[name], "rows": rows}
        steps, resolution = (3, 64) if options.dry_run else (MODELS[name], 384)
        try:
            pipeline = random_pipeline(name, device, default_dtype(device), options.dry_run)
            settled(pipeline, math.inf)
            rows["all weights stay"], *want = measure(
                pipeline, steps, resolution, None, options.repeats
            )
            _show(name, "all weights stay", rows["all weights stay"])
        except Exception:
            traceback.print_exc()
            continue
        limits: dict[str, Any] = {"no limit": None}
        limits |= {f"{gigabytes:g} GB": gigabytes * 1e9 for gigabytes in options.gigabytes}
        for title, limit in (limits | {"low memory": "low"}).items():
            try:
                plan = settled(pipeline, limit)
                figures, latents, mesh = measure(
                    pipeline, steps, resolution, pipeline.memory_limit, options.repeats
                )
                rows[title] = plan | figures | compare(latents, mesh, want)
            except Exception as error:
                traceback.print_exc()
                rows[title] = {"error": f"{type(error).__name__}: {error}"[:300]}
            _show(name, title, rows[title])
            if options.json:
                options.json.write_text(json.dumps(result) + "\n", encoding="utf-8")
        del pipeline, want


def _show(model: str, title: str, figures: dict[str, Any]) -> None:
    stages = figures.pop("stages", {})
    print(f"{model}, {title}: " + ", ".join(f"{k} {v}" for k, v in figures.items()), flush=True)
    if stages:
        figures["stages"] = stages
        line = ", ".join(
            f"{name} {1e3 * s['seconds']:.0f} ms {s['peak_mb']:,} MB" for name, s in stages.items()
        )
        print(f"    {line}", flush=True)


if __name__ == "__main__":
    main()
