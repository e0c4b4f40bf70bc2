# SPDX-License-Identifier: Apache-2.0
"""Trains the small model from nothing, or goes on from what an earlier run left.

::

    python -m training.run --out FOLDER                     # about 25 minutes on one H100
    python -m training.run --out FOLDER --vae-seconds 0     # goes on with the VAE in FOLDER
    python -m training.run --out FOLDER --tiny              # a minute on a CPU, to try the code

FOLDER gets `log.txt`, one weight file per network whenever there are new ones, and at the end
`tiny/`, the model folder as it is bundled.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from . import architecture
from .export import export_folder, latent_scale, load_parts, save_parts
from .pool import TRAINING_SEED, encode_clouds, make_pictures, make_shape_pool
from .programs.batch import ProgramBatch
from .programs.programs import make_programs
from .sampler import image_to_shape_iou
from .train_flow import FlowPool, train_flow
from .train_vae import posterior_of, train_vae

CHECK_SEED = 1  # of the held-out programs that the log reports on
VIEW_STRIDE = 10_000_000  # a shape's second view has the camera of shape number + this
SWEEP = ((20, 2.0), (20, 1.0), (20, 1.5), (20, 3.0), (10, 1.5), (10, 2.0), (5, 1.5), (5, 2.0))
"""Steps and guidance scales that the end of a run reports on."""


@dataclass(frozen=True)
class Sizes:
    """How much of everything; the defaults are for one H100."""

    shapes: int = 160_000
    vae_shapes: int = 60_000
    views: int = 2
    spare: int = 160_000  # programs that replace others while training goes on
    refreshed: int = 8_000
    held_out: int = 128
    vae_batch: int = 256
    vae_queries: int = 1024
    flow_batch: int = 1024


TINY = Sizes(
    shapes=12, vae_shapes=8, views=1, spare=4, refreshed=2, held_out=2, vae_batch=4, flow_batch=8
)


class Log:
    """Lines to the screen and to a file, with the seconds since the start."""

    def __init__(self, path: Path) -> None:
        self.path, self.started = path, time.perf_counter()

    def __call__(self, text: str) -> None:
        line = f"[{time.perf_counter() - self.started:6.1f}] {text}"
        print(line, flush=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vae-seconds", type=float, default=140.0)
    parser.add_argument("--flow-seconds", type=float, default=930.0)
    parser.add_argument("--vae-lr", type=float, default=3e-3)
    parser.add_argument("--flow-lr", type=float, default=2e-3)
    parser.add_argument("--shapes", type=int, default=Sizes.shapes)
    parser.add_argument("--vae-shapes", type=int, default=Sizes.vae_shapes)
    parser.add_argument("--first-program", type=int, default=0, help="continue the data from here")
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--device")
    parser.add_argument("--max-steps", type=int)
    parser.add_argument("--resume-flow", action="store_true", help="start from FOLDER's denoiser")
    parser.add_argument("--tiny", action="store_true", help="sizes for trying the code on a CPU")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    device = architecture.select_device(options.device)
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(TRAINING_SEED)
    log = Log(options.out / "log.txt")
    sizes = Sizes(shapes=options.shapes, vae_shapes=options.vae_shapes)
    if options.tiny:
        sizes = TINY
        options.max_steps = options.max_steps or 6
        options.processes = 1

    vae = architecture.build_vae().to(device)
    denoiser = architecture.build_denoiser().to(device)
    conditioner = architecture.build_conditioner().to(device)
    for name, part in (("vae", vae), ("model", denoiser), ("conditioner", conditioner)):
        log(f"{name}: {architecture.parameter_count(part) / 1e6:.2f} M parameters")
    generator = torch.Generator(device).manual_seed(TRAINING_SEED)
    held_out = make_shape_pool(
        ProgramBatch.from_programs(make_programs(CHECK_SEED, range(sizes.held_out)), device),
        torch.Generator(device).manual_seed(CHECK_SEED),
    )
    numbers = range(options.first_program, options.first_program + sizes.shapes + sizes.spare)
    programs = ProgramBatch.from_programs(
        make_programs(TRAINING_SEED, numbers, processes=options.processes)
    )
    log(f"{len(programs)} programs made")
    shapes = make_shape_pool(programs[slice(0, sizes.vae_shapes)].to(device), generator)
    log(f"{len(shapes)} shapes sampled")
    if options.vae_seconds > 0:
        train_vae(
            vae,
            shapes,
            held_out,
            seconds=options.vae_seconds,
            batch_size=sizes.vae_batch,
            queries_per_shape=sizes.vae_queries,
            learning_rate=options.vae_lr,
            seed=TRAINING_SEED,
            log=log,
            max_steps=options.max_steps,
        )
        save_parts(options.out, {"vae": vae})
    else:
        load_parts(options.out, {"vae": vae})
    vae.eval().requires_grad_(False)

    clouds = shapes.clouds
    rest = programs[slice(sizes.vae_shapes, sizes.shapes)].to(device)
    clouds = torch.cat([clouds, make_shape_pool(rest, generator, with_queries=False).clouds])
    means, deviations = encode_clouds(encoder_of(vae), clouds)
    del shapes, clouds, rest
    scale = latent_scale(means)
    log(f"{len(means)} latents made, scale factor {scale:.4f}")
    pictures = make_views(programs[slice(0, sizes.shapes)].to(device), numbers.start, sizes.views)
    log(f"{pictures.shape[0] * pictures.shape[1]} pictures made")
    flow_pool = FlowPool(means * scale, deviations * scale, pictures)
    (options.out / "scale.json").write_text(json.dumps({"scale_factor": scale}), encoding="utf-8")
    flow_parts: dict[str, nn.Module] = {"model": denoiser, "conditioner": conditioner}
    if options.resume_flow:
        load_parts(options.out, flow_parts)
    check_pictures = make_pictures(held_out.programs, CHECK_SEED, 0)
    fresh = FreshShapes(vae, scale, programs, numbers.start, sizes, generator)

    def check(elapsed: float, steps: int = 20, guidance_scale: float = 2.0) -> None:
        scores = image_to_shape_iou(
            denoiser,
            conditioner,
            vae,
            scale,
            check_pictures,
            held_out.programs,
            steps=steps,
            guidance_scale=guidance_scale,
        )
        log(
            f"flow {elapsed:5.0f} s: held-out image-to-shape IoU median {scores.median():.4f}, "
            f"mean {scores.mean():.4f} with {steps} steps, guidance {guidance_scale}"
        )
        save_parts(options.out, flow_parts)

    train_flow(
        denoiser,
        conditioner,
        flow_pool,
        seconds=options.flow_seconds,
        batch_size=sizes.flow_batch,
        learning_rate=options.flow_lr,
        seed=TRAINING_SEED + 1,
        log=log,
        check=check,
        refresh=fresh.refresh,
        max_steps=options.max_steps,
    )
    export_folder(options.out / "tiny", {**flow_parts, "vae": vae}, scale)
    log("exported")
    for steps, guidance_scale in SWEEP:
        check(options.flow_seconds, steps, guidance_scale)


def make_views(programs: ProgramBatch, first: int, views: int) -> torch.Tensor:
    """Pictures (N, V, 3, 112, 112) uint8 of programs that are numbered from `first`."""
    return torch.stack(
        [
            make_pictures(programs, TRAINING_SEED, first + view * VIEW_STRIDE)
            for view in range(views)
        ],
        dim=1,
    )


def encoder_of(vae: nn.Module):
    """A function from clouds to mean and deviation of their latents, for `encode_clouds`."""

    @torch.inference_mode()
    def encode(clouds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return posterior_of(vae, clouds)

    return encode


class FreshShapes:
    """Replaces the oldest rows of a pool with shapes not seen yet, a few at a time."""

    def __init__(
        self,
        vae: nn.Module,
        scale: float,
        programs: ProgramBatch,
        first_number: int,
        sizes: Sizes,
        generator: torch.Generator,
    ) -> None:
        self.encode, self.scale, self.programs = encoder_of(vae), scale, programs
        self.first_number, self.count, self.generator = first_number, sizes.refreshed, generator
        self.next = sizes.shapes

    def refresh(self, pool: FlowPool) -> None:
        rows = slice(self.next, min(self.next + self.count, len(self.programs)))
        if rows.start == rows.stop:
            return
        self.next = rows.stop
        device = pool.means.device
        programs = self.programs[rows].to(device)
        shapes = make_shape_pool(programs, self.generator, with_queries=False)
        means, deviations = encode_clouds(self.encode, shapes.clouds)
        at = torch.arange(rows.start, rows.stop, device=device) % len(pool.means)
        pool.means[at] = means * self.scale
        pool.deviations[at] = deviations * self.scale
        views = pool.pictures.shape[1]
        pool.pictures[at] = make_views(programs, self.first_number + rows.start, views)


if __name__ == "__main__":
    main()
