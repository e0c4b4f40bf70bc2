# SPDX-License-Identifier: Apache-2.0
"""Weights of eight bits: what they cost in IoU on the small model, and save in time and memory.

    python -m benchmarks.quantised --quality [--count 24] [--json FILE]
    python -m benchmarks.quantised --speed [--dry-run] [--json FILE]

Quality: the bundled model, on shapes it never saw; any device, as eight-bit floats are rounded in
the same way everywhere. Speed: 2.0 at 50 steps with random weights, in one process; the latents'
difference is told, though random weights say little about quality.
"""

import argparse
import gc
import json
import platform
import statistics
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hy3dgen.pictures import load_picture
from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
from hy3dgen.shapegen.devices import default_dtype, pick_device
from hy3dgen.shapegen.step_saving import coarse_field
from hy3dgen.worker.model_cache import bundled_folder
from training.evaluate import held_out_pictures
from training.metrics import true_solid
from training.programs.batch import ProgramBatch
from training.programs.programs import make_programs

from .machine import processor_name
from .random_models import random_pipeline
from .shape_stages import PICTURE
from .step_saving import RESOLUTION, SEED

STEPS = 30
WAYS: dict[str, tuple[str, tuple[str, ...]] | None] = {
    "full precision": None,
    "int8": ("int8", ("model",)),
    "int8, encoder too": ("int8", ("model", "conditioner")),
    "fp8": ("fp8", ("model",)),
    "fp8, encoder too": ("fp8", ("model", "conditioner")),
}


@torch.inference_mode()
def quality(count: int) -> dict[str, Any]:
    """Mean IoU with the true solids, and with those of full precision, of each way."""
    programs = ProgramBatch.from_programs(make_programs(SEED, range(count)))
    truth = true_solid(programs, RESOLUTION).numpy()
    pictures = held_out_pictures(programs, SEED)
    rows: dict[str, Any] = {}
    full: list[np.ndarray] = []
    for name, way in WAYS.items():
        pipeline = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
            bundled_folder(), subfolder=None
        )
        if way is not None:
            pipeline.quantize(*way)
        solids = []
        for number, picture in enumerate(pictures):
            latents = pipeline(
                picture, generator=torch.Generator().manual_seed(SEED + number),
                output_type="latent", guidance_scale=2.0, num_inference_steps=STEPS,
                enable_pbar=False,
            )  # fmt: skip
            field = coarse_field(pipeline.vae, latents, RESOLUTION - 1)
            solids.append((field.reshape(truth.shape[1:]) > 0).cpu().numpy())
        full = full or solids
        ious = _ious(solids, list(truth))
        rows[name] = {
            "iou_with_truth": round(float(np.mean(ious)), 4),
            "iou_with_full_precision": round(float(np.mean(_ious(solids, full))), 4),
            "drop_in_points": round(
                100 * float(np.mean(_ious(full, list(truth))) - np.mean(ious)), 2
            ),
        }
        print(f"{name}: {rows[name]}", flush=True)
    return {"shapes": count, "steps": STEPS, "seed": SEED, "rows": rows}


def _ious(ones: list[np.ndarray], others: list[np.ndarray]) -> list[float]:
    pairs = zip(ones, others, strict=True)
    return [float((a & b).sum() / max((a | b).sum(), 1)) for a, b in pairs]


def speed(device: torch.device, dry: bool) -> dict[str, Any]:
    """Seconds of denoising and of whole calls, and memory, of each way."""
    rows: dict[str, Any] = {}
    steps = 3 if dry else 50
    want = None
    for name, way in WAYS.items():
        gc.collect()
        cuda = device.type == "cuda"
        if cuda:
            torch.cuda.empty_cache()
        try:
            pipeline = random_pipeline("2.0", device, default_dtype(device), dry)
            if way is not None:
                pipeline.quantize(*way)
            gc.collect()
            if cuda:
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            weights = torch.cuda.memory_allocated() >> 20 if cuda else None
            seconds = []
            for _ in range(4):
                if cuda:
                    torch.cuda.synchronize()
                start = time.perf_counter()
                latents = pipeline(
                    load_picture(PICTURE), generator=torch.Generator().manual_seed(0),
                    num_inference_steps=steps, output_type="latent", enable_pbar=False,
                )  # fmt: skip
                if cuda:
                    torch.cuda.synchronize()
                seconds.append(time.perf_counter() - start)
            want = latents.float() if want is None else want
            row = {
                "seconds": round(statistics.median(seconds[1:]), 4),
                "weights_mb": weights,
                "peak_mb": torch.cuda.max_memory_allocated() >> 20 if cuda else None,
                "latents_differ_by": round(float((latents.float() - want).norm() / want.norm()), 4),
            }
            if rows and "seconds" in rows[next(iter(rows))]:
                row["ratio"] = round(rows[next(iter(rows))]["seconds"] / row["seconds"], 3)
            rows[name] = row
            del pipeline
        except Exception as error:
            traceback.print_exc()
            rows[name] = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(f"{name}: {rows[name]}", flush=True)
    return {"model": "2.0", "steps": steps, "dry_run": dry, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quality", action="store_true", help="IoU of the bundled model")
    parser.add_argument("--speed", action="store_true", help="2.0 with random weights")
    parser.add_argument("--count", type=int, default=24, help="shapes")
    parser.add_argument("--dry-run", action="store_true", help="with --speed: tiny networks")
    parser.add_argument("--device", help="with --speed; default: a GPU if there is one")
    parser.add_argument("--json", type=Path, help="add the figures to this file")
    options = parser.parse_args()
    device = pick_device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
    where = {"device": name, "torch": torch.__version__, "python": platform.python_version()}
    results: dict[str, Any] = {}
    if options.json and options.json.exists():
        results = json.loads(options.json.read_text(encoding="utf-8"))
    if options.quality:
        results["quality"] = where | quality(options.count)
    if options.speed:
        results["speed"] = where | speed(device, options.dry_run)
    if options.json:
        options.json.write_text(json.dumps(results) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
