# SPDX-License-Identifier: Apache-2.0
"""How well `get_optimal_settings` knows what a call will take: predicted beside measured.

    python -m benchmarks.settings_prediction [--model FOLDER | --size 2mini] [--device cpu]
        [--json FILE]

Measures the stages first, as the pipeline does, then runs a grid of settings. Time is told twice:
by the clock, and in seconds of processors, which other programs on the machine disturb less; each
is predicted from stages measured in the same way. The surface's size comes from one mesh made
before, as in a pipeline that has been used. Memory is the process' peak, on a GPU what torch
allocated.
"""

import argparse
import json
import platform
import time
from itertools import product
from pathlib import Path
from typing import Any

import torch

from hy3dgen.memory import give_back_freed, peak_memory
from hy3dgen.rembg import BackgroundRemover
from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
from hy3dgen.shapegen.calibration import machine_costs, measure_costs, model_traits
from hy3dgen.shapegen.cost_model import CallSettings, predict
from hy3dgen.shapegen.devices import default_dtype, pick_device
from hy3dgen.worker.model_cache import choose_model

from .machine import processor_name
from .random_models import SIZES, random_pipeline

PICTURE = Path(__file__).resolve().parent.parent / "examples" / "pictures" / "train.png"
_CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def measure(pipeline: Any, picture: Any, settings: CallSettings) -> dict[str, float]:
    """Seconds by both clocks and peak bytes of one call, until its mesh is in host memory."""
    cuda = pipeline.device.type == "cuda"
    arguments = dict(vars(settings), output_type="mesh")
    generator = torch.Generator().manual_seed(0)
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    give_back_freed()
    with peak_memory() as peak:
        starts = {name: clock() for name, clock in _CLOCKS.items()}
        pipeline(picture, generator=generator, **arguments)
        seconds = {name: clock() - starts[name] for name, clock in _CLOCKS.items()}
    return {**seconds, "bytes": torch.cuda.max_memory_allocated() if cuda else peak.bytes}


def compare(pipeline: Any, picture: Any, grid: list[CallSettings]) -> list[dict[str, Any]]:
    """One row for each setting; a ratio is predicted over measured."""
    traits = model_traits(pipeline, pipeline._usual_settings())
    clocks = ["wall"] if pipeline.device.type == "cuda" else list(_CLOCKS)
    costs = {
        name: measure_costs(pipeline, traits, None if name == "wall" else _CLOCKS[name])
        for name in clocks
    }
    measure(pipeline, picture, grid[0])  # loads what a first call loads
    surface = pipeline._surfaces[-1]
    rows = []
    for settings in grid:
        memory = machine_costs(pipeline, traits)
        if pipeline.device.type == "cuda":
            measure(pipeline, picture, settings)  # libraries plan for sizes that are new to them
        found = measure(pipeline, picture, settings)
        row: dict[str, Any] = {
            **{k: v for k, v in vars(settings).items() if k not in ("guidance_scale", "reducer")},
            "ratios": {},
        }
        for name in clocks:
            expected = predict(costs[name], traits, settings, surface)
            row[f"{name}_seconds"] = [round(expected.seconds, 3), round(found[name], 3)]
            row["ratios"][name] = round(expected.seconds / found[name], 3)
        expected = predict(memory, traits, settings, surface)
        row["peak_mb"] = [expected.peak_memory >> 20, int(found["bytes"]) >> 20]
        row["ratios"]["memory"] = round(expected.peak_memory / found["bytes"], 3)
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--model", help="a model folder; without it the bundled one")
    parser.add_argument("--subfolder")
    parser.add_argument("--size", choices=SIZES, help="random weights of that model's size instead")
    parser.add_argument("--device", help="default: a GPU if there is one")
    parser.add_argument("--steps", type=int, nargs="+", default=[5, 10])
    parser.add_argument("--resolutions", type=int, nargs="+", default=[64, 96, 128, 160, 192])
    parser.add_argument("--decoders", nargs="+", default=["coarse_to_fine"])
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    if options.size:
        device = pick_device(options.device)
        pipeline = random_pipeline(options.size, device, default_dtype(device))
        scale = 5.0
    else:
        choice = choose_model(options.model, options.subfolder)
        pipeline = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
            choice.path, subfolder=choice.subfolder, device=options.device, local_files_only=True
        )
        scale = choice.defaults.guidance_scale
    picture = BackgroundRemover()(options.picture)
    grid = [
        CallSettings(steps, scale, resolution, volume_decoder=decoder)
        for decoder, resolution, steps in product(
            options.decoders, options.resolutions, options.steps
        )
    ]
    rows = compare(pipeline, picture, grid)
    off = {name: max(abs(row["ratios"][name] - 1) for row in rows) for name in rows[0]["ratios"]}
    cuda = pipeline.device.type == "cuda"
    result = {
        "device": torch.cuda.get_device_name() if cuda else processor_name(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "model": options.size or options.model or "bundled",
        "pairs_are": "[predicted, measured]",
        "largest_error": {name: round(value, 3) for name, value in off.items()},
        "settings": rows,
    }
    print({name: f"{value:.0%}" for name, value in off.items()})
    if options.json:
        options.json.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
