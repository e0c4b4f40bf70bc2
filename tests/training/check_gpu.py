# SPDX-License-Identifier: Apache-2.0
"""Run by hand on a machine with a GPU: do the kernels agree with torch, and how fast is it all?

`PYTHONPATH=. python tests/training/check_gpu.py --out FOLDER` prints a table, and fails if
anything differs.
"""

import argparse
import os
import time
from pathlib import Path

import torch

from training.programs import sdf
from training.programs.batch import ProgramBatch
from training.programs.contact_sheet import main as contact_sheet
from training.programs.programs import make_programs
from training.programs.recentre import recentre_on_gpu
from training.programs.render import pack_views, random_cameras, random_lights, render
from training.programs.sampling import supervision, surface_points
from training.programs.trace import trace
from training.programs.trace_triton import trace_triton


def compare() -> None:
    host = ProgramBatch.make(5, range(36))
    device = host.to("cuda")
    points = torch.rand(36, 4096, 3, generator=torch.Generator().manual_seed(0)) * 2.02 - 1.01
    want, want_ids = sdf.evaluate_ids(host, points)
    got, got_ids = sdf.evaluate_ids(device, points.cuda())
    differ = float((got.cpu() - want).abs().max())
    ids = float((got_ids.cpu() != want_ids).float().mean())
    print(f"distances differ by {differ:.2e}, nearest primitive in {ids:.2e} of the points")
    assert differ < 1e-5 and ids < 1e-3

    want, ascent = sdf.gradients(host, points)
    got, got_ascent = sdf.gradients(device, points.cuda())
    close = float(((got_ascent.cpu() * ascent).sum(dim=-1) > 0.99).float().mean())
    print(f"gradients: distances differ by {float((got.cpu() - want).abs().max()):.2e}, "
          f"directions agree in {close:.4f}")  # fmt: skip
    assert close > 0.998

    some = host[:6]
    views = pack_views(random_cameras(1, range(6), some), random_lights(1, range(6)))
    want, want_share = trace(some, views, 64)
    got, got_share = trace_triton(some.to("cuda"), views.cuda(), 64)
    share = float((got_share.cpu() - want_share).abs().mean())
    colour = float((got.cpu() - want).abs().mean())
    print(f"pictures: coverage differs by {share:.2e}, colour by {colour:.2e} in the mean")
    assert share < 1e-3 and colour < 1e-3


def seconds(work) -> float:
    work()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / 3


def measure() -> None:
    start = time.perf_counter()
    make_programs(1, range(2000))
    print(f"make_programs, 1 process: {2000 / (time.perf_counter() - start):.0f} programs/s")
    start = time.perf_counter()
    cores = os.cpu_count() or 1
    programs = make_programs(2, range(40_000), processes=cores)
    print(f"make_programs, {cores} processes: 40,000 in {time.perf_counter() - start:.1f} s")
    batch = ProgramBatch.from_programs(programs, "cuda")[:512]
    generator = torch.Generator("cuda").manual_seed(0)
    indices = range(512)
    cameras, lights = random_cameras(1, indices, batch), random_lights(1, indices, "cuda")
    pictures = render(batch, cameras, lights, 128)
    surface = surface_points(batch, 2048, generator)[0]
    rows = {
        "512 cameras and lights": lambda: (
            random_cameras(1, indices, batch),
            random_lights(1, indices, "cuda"),
        ),
        "512 pictures at 128": lambda: render(batch, cameras, lights, 128),
        "512 pictures recentred": lambda: recentre_on_gpu(pictures),
        "512 x 2048 surface points": lambda: surface_points(batch, 2048, generator),
        "512 x 4096 supervision, given surface": lambda: supervision(
            batch, 4096, generator, surface
        ),
        "64 grids of 64^3": lambda: sdf.grid(batch[:64], 64),
    }
    for name, work in rows.items():
        print(f"{name}: {seconds(work) * 1000:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    folder = parser.parse_args().out
    print(torch.cuda.get_device_name())
    start = time.perf_counter()
    compare()
    print(f"compared in {time.perf_counter() - start:.1f} s")
    measure()
    for seed, extra in ((7, ["--studio"]), (11, [])):
        name = folder / f"sheet{seed}.png"
        contact_sheet(["--seed", str(seed), "--columns", "10", "--out", str(name), *extra])


if __name__ == "__main__":
    main()
