# SPDX-License-Identifier: Apache-2.0
"""What a second GPU is good for: one picture spread over both, and a queue of pictures.

    python -m benchmarks.several_gpus [--json FILE]

Random weights of the published sizes (`benchmarks.random_models`). The difference between latents
of one GPU and of two is given as a part of the largest.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hy3dgen.pictures import load_picture
from hy3dgen.shapegen.pipeline_pool import PipelinePool

from .random_models import random_pipeline
from .real_time import FACES, ROWS, ours
from .shape_stages import PICTURE

QUEUE = 8


def once(pipeline: Any, picture: Any, settings: dict[str, Any]) -> float:
    """Seconds of the fastest of three warm calls."""
    for _ in range(3):
        ours(pipeline, picture, settings)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        ours(pipeline, picture, settings)
        times.append(time.perf_counter() - start)
    return round(min(times), 4)


def latents_of(pipeline: Any, picture: Any, settings: dict[str, Any]) -> torch.Tensor:
    noise = torch.Generator().manual_seed(0)
    return pipeline(picture, generator=noise, output_type="latent", **settings).float()


def measure(name: str, devices: list[torch.device], dry: bool) -> dict[str, Any]:
    row = ROWS[name]
    picture = load_picture(PICTURE)
    dtype = torch.float16 if devices[0].type == "cuda" else torch.float32
    pipelines = [random_pipeline(row.model, device, dtype, dry) for device in devices]
    pipelines[1].model.load_state_dict(pipelines[0].model.state_dict())
    pipelines[1].vae.load_state_dict(pipelines[0].vae.state_dict())
    pipelines[1].conditioner.load_state_dict(pipelines[0].conditioner.state_dict())
    settings = {
        "num_inference_steps": 2 if dry else row.steps, "guidance_scale": row.guidance,
        "octree_resolution": 64 if dry else row.resolution,
    }  # fmt: skip
    alone = once(pipelines[0], picture, settings)
    latents = latents_of(pipelines[0], picture, settings)
    pipelines[0].spread_over(devices[1])
    both = once(pipelines[0], picture, settings)
    difference = (latents_of(pipelines[0], picture, settings) - latents).abs().max()
    pipelines[0].spread_over(None)

    def queue(members: list[Any]) -> tuple[float, list[Any]]:
        pool = PipelinePool(members)
        arguments = {**settings, "output_type": "mesh", "face_count": FACES}
        pool([picture] * len(members), **arguments)
        start = time.perf_counter()
        made = pool([picture] * QUEUE, seeds=range(QUEUE), **arguments)
        return round(time.perf_counter() - start, 4), made

    one_by_one, first = queue(pipelines[:1])
    side_by_side, second = queue(pipelines)
    return {
        "one_gpu": alone,
        "spread": both,
        "spread_ratio": round(alone / both, 2),
        "spread_latents_off_by": float(difference / latents.abs().max()),
        "queue_one_gpu": one_by_one,
        "queue_two_gpus": side_by_side,
        "queue_ratio": round(one_by_one / side_by_side, 2),
        "queue_same": all(
            np.array_equal(a.mesh_f, b.mesh_f) and np.array_equal(a.mesh_v, b.mesh_v)
            for a, b in zip(first, second, strict=True)
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", nargs="+", choices=ROWS, default=["2.0 50 384", "2.0-turbo 5 384"]
    )
    parser.add_argument("--dry-run", action="store_true", help="tiny networks on the processor")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    names = ["cpu", "cpu"] if options.dry_run else ["cuda:0", "cuda:1"]
    devices = [torch.device(name) for name in names]
    rows = {}
    for name in options.rows:
        rows[name] = measure(name, devices, options.dry_run)
        print(name, rows[name], flush=True)
    if options.json:
        device = "cpu" if options.dry_run else torch.cuda.get_device_name(0)
        result = {"device": f"2 x {device}", "torch": torch.__version__, "queue": QUEUE}
        result |= {"dry_run": options.dry_run, "rows": rows}
        options.json.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
