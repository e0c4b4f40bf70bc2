# SPDX-License-Identifier: Apache-2.0
"""Points on surfaces, and points with distances to learn from."""

import torch

from .batch import ProgramBatch
from .sdf import evaluate, gradients

BAND = 0.06  # points this near the surface are projected onto it
OVERSAMPLING = 12  # candidates for each point asked for
NEWTON_STEPS = 5
ON_SURFACE = 2e-3
SIGMAS = (0.01, 0.03, 0.1)  # of supervision near the surface
BOUND = 1.01  # the pipeline's box


def surface_points(
    batch: ProgramBatch, n: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (B, n, 3) on every surface and outward unit normals (B, n, 3).

    Roughly uniform over the area: points drawn uniformly from a thin band on both sides of the
    surface are pulled onto it along the gradient. Creases get a little more or less than their
    share. All points end within `ON_SURFACE`; where parts overlap only a little, points that start
    on the hidden seam find no surface and are left out.
    """
    b, device = len(batch), batch.device
    reach = batch.extents[:, None, :] + BAND
    candidates = torch.rand(b, OVERSAMPLING * n, 3, device=device, generator=generator)
    candidates = (candidates * 2 - 1) * reach
    near = evaluate(batch, candidates).abs() < BAND
    pick, fresh = _first(near, n + n // 4)
    points = _take(candidates, pick)
    jitter = torch.randn(points.shape, device=device, generator=generator) * (BAND / 3)
    points = torch.where(fresh[..., None], points, points + jitter)
    for _ in range(NEWTON_STEPS):
        distances, ascents = gradients(batch, points)
        points = points - distances[..., None] * ascents
    normals = gradients(batch, points)[1]
    # On a knife edge the differences may cancel: no normal, so no point either.
    good = (evaluate(batch, points).abs() < ON_SURFACE) & (normals.square().sum(dim=-1) > 0.5)
    pick, _ = _first(good, n)
    return _take(points, pick), _take(normals, pick)


def _first(good: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Places of the first n good ones in each row (B, n), and which are no repetition (B, n).

    A row with fewer good ones than n gives them again from the start.
    """
    order = torch.argsort((~good).to(torch.uint8), dim=1, stable=True)
    place = torch.arange(n, device=good.device)[None]
    found = good.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.gather(order, 1, place % found), place < found


def _take(vectors: torch.Tensor, pick: torch.Tensor) -> torch.Tensor:
    return torch.gather(vectors, 1, pick[..., None].expand(-1, -1, 3))


def supervision(
    batch: ProgramBatch,
    n: int,
    generator: torch.Generator,
    surface: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (B, n, 3) and their signed distances (B, n), the order meaning nothing.

    Half of them lie about surface points at the distances `SIGMAS`, half anywhere in the box.
    `surface` (B, m, 3), if given, are the surface points to use, repeated if there are too few.
    """
    b, device = len(batch), batch.device
    half = n // 2
    if surface is None:
        surface = surface_points(batch, half, generator)[0]
    pick = torch.randint(surface.shape[1], (b, half), device=device, generator=generator)
    if surface.shape[1] == half:
        near = surface
    else:
        near = _take(surface, pick)
    sigmas = torch.tensor(SIGMAS, device=device)[torch.arange(half, device=device) % len(SIGMAS)]
    noise = torch.randn(b, half, 3, device=device, generator=generator)
    near = (near + noise * sigmas[None, :, None]).clamp(-BOUND, BOUND)
    anywhere = torch.rand(b, n - half, 3, device=device, generator=generator) * 2 - 1
    points = torch.cat([near, anywhere * BOUND], dim=1)
    return points, evaluate(batch, points)
