# SPDX-License-Identifier: Apache-2.0
"""Scores the bundled model on shapes that it has never seen.

::

    python -m training.evaluate --seed S --count N --json

Two numbers per shape, each a volume IoU on a 64^3 grid: how well the autoencoder gives back a
shape from its surface points, and how well the whole pipeline makes it from one picture. The
baseline compares each made shape with the next shape in the list, so it shows what a model that
ignores its picture would get. Everything goes through the pipeline that users call.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import hy3dgen
from hy3dgen.shapegen.pipelines import Hunyuan3DDiTFlowMatchingPipeline

from .architecture import SURFACE_POINTS, select_device
from .metrics import decoded_solid, iou, true_solid
from .pool import TRAINING_SEED
from .programs.batch import ProgramBatch
from .programs.programs import FAMILIES, make_programs
from .programs.render import random_cameras, random_lights, render
from .programs.sampling import surface_points

RESOLUTION = 64
PICTURE_SIZE = 256
BUNDLED = Path(hy3dgen.__file__).parent / "assets" / "tiny"


def held_out_pictures(programs: ProgramBatch, seed: int, first: int = 0) -> list[Image.Image]:
    """An RGBA picture of each program, as a user's cut-out would be."""
    numbers = range(first, first + len(programs))
    rgba = render(
        programs,
        random_cameras(seed, numbers, programs),
        random_lights(seed, numbers, programs.device),
        PICTURE_SIZE,
    )
    return [Image.fromarray(picture) for picture in rgba.cpu().numpy()]


@torch.inference_mode()
def score(
    pipeline: Hunyuan3DDiTFlowMatchingPipeline,
    seed: int,
    count: int,
    *,
    num_inference_steps: int,
    guidance_scale: float,
    batch_size: int = 16,
    progress: Callable[[int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Per shape: family id, VAE IoU, image-to-shape IoU, and the IoU with the next shape."""
    device = pipeline.device
    vae = pipeline.vae
    programs = ProgramBatch.from_programs(make_programs(seed, range(count)), device)
    reconstructed, generated, made, truths = [], [], [], []
    for start in range(0, count, batch_size):
        part = programs[slice(start, start + batch_size)]
        truth = true_solid(part, RESOLUTION)
        generator = torch.Generator(device).manual_seed(seed + start)
        points, normals = surface_points(part, SURFACE_POINTS, generator)
        surface = torch.cat([points, normals], dim=-1).to(pipeline.dtype)
        tokens = vae.decode(vae.encode(surface, sample_posterior=False, generator=generator))
        reconstructed.append(iou(decoded_solid(vae, tokens, RESOLUTION), truth))
        latents = pipeline(
            image=held_out_pictures(part, seed, start),
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            generator=[
                torch.Generator("cpu").manual_seed(seed + start + i) for i in range(len(part))
            ],
            output_type="latent",
            enable_pbar=False,
        )
        solid = decoded_solid(vae, vae.decode(latents / vae.scale_factor), RESOLUTION)
        generated.append(iou(solid, truth))
        made.append(solid.cpu())
        truths.append(truth.cpu())
        if progress is not None:
            progress(min(start + batch_size, count))
    solids, wanted = torch.cat(made), torch.cat(truths)
    return {
        "family": programs.family.cpu().numpy(),
        "vae": torch.cat(reconstructed).cpu().numpy(),
        "image_to_shape": torch.cat(generated).cpu().numpy(),
        "shuffled": iou(solids, wanted.roll(1, dims=0)).numpy(),
    }


def summarise(scores: dict[str, np.ndarray]) -> dict[str, Any]:
    """Mean and median of each score, over everything and per family."""

    def of(values: np.ndarray) -> dict[str, float]:
        return {
            "mean": round(float(values.mean()), 4),
            "median": round(float(np.median(values)), 4),
        }

    kinds = ("vae", "image_to_shape", "shuffled")
    families = {
        name: {"count": int(chosen.sum()), **{kind: of(scores[kind][chosen]) for kind in kinds}}
        for number, name in enumerate(FAMILIES)
        if (chosen := scores["family"] == number).any()
    }
    return {**{f"{kind}_iou": of(scores[kind]) for kind in kinds}, "families": families}


def main() -> None:
    parser = argparse.ArgumentParser(description="Score a small model on held-out shapes.")
    parser.add_argument("--seed", type=int, required=True, help="any but the training seed")
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--model", type=Path, default=BUNDLED, help="folder with config.yaml")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--guidance-scale", type=float, default=2.0)
    parser.add_argument("--device")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    options = parser.parse_args()
    if options.seed == TRAINING_SEED:
        parser.error(f"seed {TRAINING_SEED} was used in training; take any other")
    if options.count < 2:
        parser.error("--count must be at least 2, so that there is a shuffled baseline")
    device = select_device(options.device)
    pipeline = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
        str(options.model.parent.resolve()),
        subfolder=options.model.name,
        device=device,
        dtype=torch.float32,
    )
    started = time.perf_counter()
    scores = score(
        pipeline,
        options.seed,
        options.count,
        num_inference_steps=options.steps,
        guidance_scale=options.guidance_scale,
        progress=lambda n: print(f"\r{n}/{options.count} shapes", end="", file=sys.stderr),
    )
    print(file=sys.stderr)
    result = {
        "seed": options.seed,
        "count": options.count,
        "grid": RESOLUTION,
        "num_inference_steps": options.steps,
        "guidance_scale": options.guidance_scale,
        "device": str(device),
        "seconds": round(time.perf_counter() - started, 1),
        **summarise(scores),
    }
    print(json.dumps(result, indent=1) if options.json else as_table(result))


def as_table(result: dict[str, Any]) -> str:
    """A table for people: one row per family, and all of them."""
    columns = ("VAE mean", "image mean", "median", "shuffled")
    head = f"{'family':<12}{'shapes':>7}" + "".join(f"{name:>12}" for name in columns)
    rows = [head, "-" * len(head)]
    total = {
        "count": result["count"],
        **{kind: result[f"{kind}_iou"] for kind in ("vae", "image_to_shape", "shuffled")},
    }
    for name, row in [*result["families"].items(), ("all", total)]:
        rows.append(
            f"{name:<12}{row['count']:>7}{row['vae']['mean']:>12.3f}"
            f"{row['image_to_shape']['mean']:>12.3f}{row['image_to_shape']['median']:>12.3f}"
            f"{row['shuffled']['mean']:>12.3f}"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
