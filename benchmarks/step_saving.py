# SPDX-License-Identifier: Apache-2.0
"""What leaving denoising steps out costs: IoU against time, on shapes the small model never saw.

    python -m benchmarks.step_saving [--count 24] [--json FILE]

Three ways to take less time: fewer steps, stopping when the decoded signs no longer change
(`StepSaving.stop_below`), and computing only every other velocity while they change little
(`reuse_below`). Each run is compared with the true shape and with the run that takes all steps;
seconds are those of denoising, the looks at the shape counted in.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
from hy3dgen.shapegen.step_saving import StepSaving, coarse_field, synchronised_clock
from hy3dgen.worker.model_cache import bundled_folder
from training.evaluate import held_out_pictures
from training.metrics import true_solid
from training.programs.batch import ProgramBatch
from training.programs.programs import make_programs

from .machine import processor_name

RESOLUTION, STEPS, SEED = 64, 30, 7
WAYS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "all steps": [(f"{STEPS} steps", {})],
    "fewer steps": [
        (f"{steps} steps", {"num_inference_steps": steps}) for steps in (3, 4, 5, 7, 10, 15, 20)
    ],
    "stop early": [
        (f"stop below {part:g}", {"step_saving": StepSaving(stop_below=part)})
        for part in (0.003, 0.01, 0.02, 0.04, 0.08)
    ],
    "reuse velocities": [
        (f"reuse below {part:g}", {"step_saving": StepSaving(reuse_below=part)})
        for part in (0.01, 0.04, 0.15)
    ],
    "both": [
        (f"stop {stop:g}, reuse {reuse:g}", {"step_saving": StepSaving(stop, reuse)})
        for stop, reuse in ((0.003, 0.04), (0.01, 0.1))
    ],
}


@torch.inference_mode()
def measure(count: int) -> list[dict[str, Any]]:
    pipeline = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(bundled_folder(), subfolder=None)
    clock = synchronised_clock(pipeline.device)
    programs = ProgramBatch.from_programs(make_programs(SEED, range(count)))
    truth = true_solid(programs, RESOLUTION).numpy()
    pictures = held_out_pictures(programs, SEED)
    full: list[np.ndarray] = []
    rows = []
    for way, settings in WAYS.items():
        for name, options in settings:
            seconds, solids = 0.0, []
            for number, picture in enumerate(pictures):
                times: dict[str, float] = {}

                def note(stage: str, _step: int, _total: int, times: Any = times) -> None:
                    times[stage] = clock()  # of the last call

                started = clock()
                latents = pipeline(
                    picture, generator=torch.Generator().manual_seed(SEED + number),
                    output_type="latent", guidance_scale=2.0, progress=note,
                    **{"num_inference_steps": STEPS, **options},
                )  # fmt: skip
                seconds += times["denoise"] - times.get("condition", started)
                field = coarse_field(pipeline.vae, latents, RESOLUTION - 1)
                solids.append((field.reshape(truth.shape[1:]) > 0).cpu().numpy())
            full = full or solids
            rows.append(
                {
                    "way": way,
                    "name": name,
                    "seconds": round(seconds / count, 4),
                    "iou_with_truth": _mean_iou(solids, list(truth)),
                    "iou_with_all_steps": _mean_iou(solids, full),
                }
            )
            print(rows[-1], flush=True)
    return rows


def _mean_iou(ones: list[np.ndarray], others: list[np.ndarray]) -> float:
    pairs = zip(ones, others, strict=True)
    return round(float(np.mean([(a & b).sum() / max((a | b).sum(), 1) for a, b in pairs])), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=24, help="shapes")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    rows = measure(options.count)
    result = {"device": processor_name(), "threads": torch.get_num_threads(), "seed": SEED}
    result |= {"shapes": options.count, "steps": STEPS, "rows": rows}
    if options.json:
        options.json.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
