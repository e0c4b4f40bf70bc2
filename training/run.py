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
from .pool import TRAINING_SEED, ShapePool, encode_clouds, make_pictures, make_shape_pool
from .programs.batch import ProgramBatch
from .sampler import image_to_shape_iou
from .train_flow import FlowPool, train_flow
from .train_vae import posterior_of, train_vae

CHECK_SEED = 1  # of the held-out programs that the log reports on


@dataclass(frozen=True)
class Sizes:
    """How much of everything; the defaults are for one H100."""

    shapes: int = 160_000
    vae_shapes: int = 60_000
    views: int = 2
    refreshed: int = 8_000
    held_out: int = 128
    vae_batch: int = 256
    vae_queries: int = 1024
    flow_batch: int = 1024


TINY = Sizes(12, 8, 1, 2, 2, 4, 256, 8)


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
    parser.add_argument("--vae-seconds", type=float, default=270.0)
    parser.add_argument("--flow-seconds", type=float, default=960.0)
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
    held_out = make_shape_pool(CHECK_SEED, 0, sizes.held_out, device, options.processes)
    log("held-out shapes made")

    shapes = make_shape_pool(
        TRAINING_SEED, options.first_program, sizes.vae_shapes, device, options.processes
    )
    log(f"{len(shapes)} shapes made")
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

    flow_pool, scale = make_flow_pool(vae, shapes, sizes, options, device, log)
    del shapes
    (options.out / "scale.json").write_text(json.dumps({"scale_factor": scale}), encoding="utf-8")
    flow_parts: dict[str, nn.Module] = {"model": denoiser, "conditioner": conditioner}
    if options.resume_flow:
        load_parts(options.out, flow_parts)
    check_pictures = make_pictures(held_out.programs, CHECK_SEED, 0, device)
    fresh = FreshShapes(vae, scale, sizes, options, device)

    def on_minute(elapsed: float) -> None:
        save_parts(options.out, flow_parts)
        scores = image_to_shape_iou(
            denoiser, conditioner, vae, scale, check_pictures, held_out.programs
        )
        log(
            f"flow {elapsed:5.0f} s: held-out image-to-shape IoU "
            f"median {scores.median():.4f}, mean {scores.mean():.4f}"
        )

    train_flow(
        denoiser,
        conditioner,
        flow_pool,
        seconds=options.flow_seconds,
        batch_size=sizes.flow_batch,
        learning_rate=options.flow_lr,
        seed=TRAINING_SEED + 1,
        log=log,
        on_minute=on_minute,
        refresh=fresh.refresh,
        refresh_every=45.0,
        max_steps=options.max_steps,
    )
    on_minute(options.flow_seconds)
    export_folder(options.out / "tiny", {**flow_parts, "vae": vae}, scale)
    log("exported")


def make_flow_pool(
    vae: nn.Module,
    shapes: ShapePool,
    sizes: Sizes,
    options: argparse.Namespace,
    device: torch.device,
    log: Log,
) -> tuple[FlowPool, float]:
    """Latents and pictures of `sizes.shapes` programs, and the latents' scale factor."""
    more = sizes.shapes - len(shapes)
    first = options.first_program + len(shapes)
    rest = make_shape_pool(
        TRAINING_SEED, first, more, device, options.processes, with_queries=False
    )
    log(f"{more} more shapes made")
    clouds = torch.cat([shapes.clouds, rest.clouds])
    means, deviations = encode_clouds(encoder_of(vae), clouds)
    scale = latent_scale(means)
    log(f"latents made, scale factor {scale:.4f}")
    programs = [shapes.programs, rest.programs]
    views = []
    for view in range(sizes.views):
        number = options.first_program + view * 10_000_000
        parts = []
        for part in programs:
            parts.append(make_pictures(part, TRAINING_SEED, number, device))
            number += len(part)
        views.append(torch.cat(parts))
    log(f"{sum(len(v) for v in views)} pictures made")
    return FlowPool(means * scale, deviations * scale, torch.stack(views, dim=1)), scale


def encoder_of(vae: nn.Module):
    """A function from clouds to mean and deviation of their latents, for `encode_clouds`."""

    @torch.inference_mode()
    def encode(clouds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return posterior_of(vae, clouds)

    return encode


class FreshShapes:
    """Replaces the oldest rows of a pool with new programs and pictures, a few at a time."""

    def __init__(
        self,
        vae: nn.Module,
        scale: float,
        sizes: Sizes,
        options: argparse.Namespace,
        device: torch.device,
    ) -> None:
        self.vae, self.scale, self.count, self.device = vae, scale, sizes.refreshed, device
        self.processes = options.processes
        self.next_program = options.first_program + sizes.shapes
        self.next_row = 0

    def refresh(self, pool: FlowPool) -> None:
        first, count = self.next_program, self.count
        shapes: ShapePool = make_shape_pool(
            TRAINING_SEED, first, count, self.device, self.processes, with_queries=False
        )
        means, deviations = encode_clouds(encoder_of(self.vae), shapes.clouds)
        programs: ProgramBatch = shapes.programs
        rows = (torch.arange(count, device=self.device) + self.next_row) % len(pool.means)
        pool.means[rows] = means * self.scale
        pool.deviations[rows] = deviations * self.scale
        for view in range(pool.pictures.shape[1]):
            pictures = make_pictures(
                programs, TRAINING_SEED, first + view * 10_000_000, self.device
            )
            pool.pictures[rows, view] = pictures
        self.next_program += count
        self.next_row = (self.next_row + count) % len(pool.means)


if __name__ == "__main__":
    main()
