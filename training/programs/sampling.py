# SPDX-License-Identifier: Apache-2.0
"""Points on surfaces, and points with distances to learn from."""

import torch

from .batch import ProgramBatch
from .sdf import evaluate, gradients

BAND = 0.06  # points this near the surface are projected onto it
OVERSAMPLING = 12  # candidates for each point asked for
NEWTON_STEPS = 5
SIGMAS = (0.01, 0.03, 0.1)  # of supervision near the surface
BOUND = 1.01  # the pipeline's box


def surface_points(
    batch: ProgramBatch, n: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (B, n, 3) on every surface and outward unit normals (B, n, 3).

    Roughly uniform over the area: points drawn uniformly from a thin band on both sides of the
    surface are pulled onto it along the gradient. Creases get a little more or less than their
    share. Less than 1 % of points end farther than 0.005 from the surface.
    """
    b, device = len(batch), batch.device
    reach = batch.extents[:, None, :] + BAND
    candidates = torch.rand(b, OVERSAMPLING * n, 3, device=device, generator=generator)
    candidates = (candidates * 2 - 1) * reach
    near = evaluate(batch, candidates).abs() < BAND
    # The first n near ones, in the random order they came; too few of them are used again.
    order = torch.argsort((~near).to(torch.uint8), dim=1, stable=True)
    found = near.sum(dim=1, keepdim=True).clamp(min=1)
    pick = torch.arange(n, device=device)[None] % found
    chosen = torch.gather(order, 1, pick)
    points = torch.gather(candidates, 1, chosen[..., None].expand(-1, -1, 3))
    again = (torch.arange(n, device=device)[None] >= found)[..., None]
    jitter = torch.randn(b, n, 3, device=device, generator=generator) * (BAND / 3)
    points = points + jitter * again
    for _ in range(NEWTON_STEPS):
        distances, ascents = gradients(batch, points)
        points = points - distances[..., None] * ascents
    return points, gradients(batch, points)[1]


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
        near = torch.gather(surface, 1, pick[..., None].expand(-1, -1, 3))
    sigmas = torch.tensor(SIGMAS, device=device)[torch.arange(half, device=device) % len(SIGMAS)]
    noise = torch.randn(b, half, 3, device=device, generator=generator)
    near = (near + noise * sigmas[None, :, None]).clamp(-BOUND, BOUND)
    anywhere = torch.rand(b, n - half, 3, device=device, generator=generator) * 2 - 1
    points = torch.cat([near, anywhere * BOUND], dim=1)
    return points, evaluate(batch, points)
