# SPDX-License-Identifier: Apache-2.0
"""How well the panel knows what a mesh of the bundled model will take without torch.

    python -m benchmarks.settings_prediction_numpy [--json FILE]

Measures the stages as the worker does, makes one mesh for the size of its surface, then compares
predicted with measured seconds for positions of the slider.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

from hy3dgen.numpy_forward.pipeline import processors
from hy3dgen.rembg import BackgroundRemover
from hy3dgen.worker.engines import NumpyEngine
from hy3dgen.worker.model_cache import choose_model

from .machine import processor_name

PICTURE = Path(__file__).resolve().parent.parent / "examples" / "pictures" / "train.png"
SPEEDS = (0.0, 0.25, 0.5, 0.75, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="settings_prediction_numpy")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    engine, choice = NumpyEngine("this benchmark asks for numpy"), choose_model(None, None)
    picture = np.asarray(BackgroundRemover()(str(PICTURE)))
    engine.load(choice, False)
    began = time.perf_counter()
    figures = engine.figures(choice.defaults, lambda: None)
    measuring = time.perf_counter() - began

    def make(settings: dict) -> float:
        began = time.perf_counter()
        engine.run({"front": picture}, {**settings, "seed": 0}, lambda *_: None, None)
        return time.perf_counter() - began

    make(figures.settings(1.0))
    figures = engine.figures(choice.defaults, lambda: None)
    rows = []
    for speed in SPEEDS:
        settings = figures.settings(speed)
        taken = make(settings)
        rows.append(
            {
                "speed_priority": speed,
                **{n: settings[n] for n in ("num_inference_steps", "octree_resolution")},
                "predicted_seconds": round(settings.seconds, 2),
                "measured_seconds": round(taken, 2),
                "ratio": round(settings.seconds / taken, 2),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    result = {
        "processor": f"{processor_name()}, {processors()} of {os.cpu_count()} cores",
        "measuring_seconds": round(measuring, 2),
        "rows": rows,
    }
    if options.json:
        options.json.write_text(json.dumps(result, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
