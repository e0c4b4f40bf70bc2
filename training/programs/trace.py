# SPDX-License-Identifier: Apache-2.0
"""Sphere tracing and shading, plain torch: the reference of `trace_triton.py`.

Shading happens in linear light: ambient from sky and ground with occlusion, three distant lights,
one soft shadow, one highlight. Sphere tracing: Hart 1996; the soft shadow's penumbra is the ratio
of distance to the way travelled, as in Quilez, "Soft shadows in raymarched SDFs".
"""

import torch

from .batch import ProgramBatch
from .sdf import evaluate_one

# Both tracers use these; changing one changes every picture that was trained on.
STEPS = 72
CLOSE = 1e-3  # a ray this near has hit
GIVE_UP = 1e-2  # a ray out of steps has hit if at least this near
RELAX = 0.95  # ellipsoids' distances may be a little too long
MARGIN = 0.02  # around the shape's box
NORMAL_STEP = 2e-3
SHADOW_STEPS = 18
SHADOW_SHARPNESS = 9.0
GAMMA = 2.2


def trace(batch: ProgramBatch, views: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean sRGB colour of the samples that hit (B, H, W, 3), and their share (B, H, W)."""
    colours, shares = [], []
    for b in range(len(batch)):
        colour, hit = _trace_one(batch, b, views[b], size)
        share = hit.float().mean(dim=-1)
        mean = colour.sum(dim=-2) / hit.sum(dim=-1).clamp(min=1)[..., None]
        colours.append(mean)
        shares.append(share)
    return torch.stack(colours), torch.stack(shares)


def _trace_one(batch, b, view, size) -> tuple[torch.Tensor, torch.Tensor]:
    """Colours (H, W, 4, 3), zero where nothing is hit, and hits (H, W, 4)."""
    origin, frame = view[:3], view[3:12].reshape(3, 3)
    pixel = torch.arange(size, dtype=torch.float32)
    sample = torch.tensor([0.25, 0.75])
    at = (pixel[:, None] + sample) / size * 2 - 1  # (size, 2)
    shape = (size, size, 2, 2)
    u = at[None, :, None, :].expand(shape)
    v = -at[:, None, :, None].expand(shape)
    plane = torch.stack([u, v], dim=-1).reshape(-1, 2) * view[12]
    rays = plane[:, :1] * frame[:, 0] + plane[:, 1:] * frame[:, 1] + frame[:, 2]
    rays = rays / rays.square().sum(dim=1, keepdim=True).sqrt()

    safe = torch.where(rays.abs() < 1e-8, 1e-8, rays)
    box = batch.extents[b] + MARGIN
    one, two = (-box - origin) / safe, (box - origin) / safe
    enter = torch.minimum(one, two).amax(dim=1).clamp(min=0)
    leave = torch.maximum(one, two).amin(dim=1)

    along = enter.clone()
    hit = torch.zeros(len(rays), dtype=torch.bool)
    live = torch.nonzero(leave > enter).squeeze(1)
    for step in range(STEPS):
        if len(live) == 0:
            break
        distance = evaluate_one(batch, b, origin + rays[live] * along[live, None])[0]
        close = distance < CLOSE
        if step == STEPS - 1:
            close = distance < GIVE_UP
        hit[live[close]] = True
        going = ~close
        along[live[going]] += distance[going] * RELAX
        live = live[going & (along[live] < leave[live])]

    colours = torch.zeros(len(rays), 3)
    found = torch.nonzero(hit).squeeze(1)
    if len(found):
        points = origin + rays[found] * along[found, None]
        colours[found] = _shade(batch, b, view, points, rays[found])
    return colours.reshape(size, size, 4, 3), hit.reshape(size, size, 4)


def _shade(batch, b, view, points, rays) -> torch.Tensor:
    def field(at):
        return evaluate_one(batch, b, at)[0]

    closest = evaluate_one(batch, b, points)[1].long()
    albedo = batch.colours[b][closest] ** GAMMA
    corners = torch.tensor([[1.0, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
    normals = sum(field(points + NORMAL_STEP * c)[:, None] * c for c in corners)
    normals = normals / normals.square().sum(dim=1, keepdim=True).sqrt().clamp(min=1e-9)

    near = field(points + 0.06 * normals)
    far = field(points + 0.2 * normals)
    open_ = (1 - 4.5 * (0.06 - near) - 2.2 * (0.2 - far)).clamp(0.2, 1)
    sky, ground = view[31:34], view[34:37]
    ambient = ground + (sky - ground) * (0.5 + 0.5 * normals[:, 1:2])
    light = ambient * open_[:, None]

    key = view[13:16]
    lit = torch.ones(len(points))
    start = points + 0.015 * normals
    way = torch.full((len(points),), 0.03)
    for _ in range(SHADOW_STEPS):
        distance = field(start + way[:, None] * key)
        lit = torch.minimum(lit, (SHADOW_SHARPNESS * distance / way).clamp(0, 1))
        way = way + distance.clamp(0.03, 0.25)
    lit = 1 - view[37] * (1 - lit)

    highlight = 0.0
    for i in range(3):
        direction, colour = view[13 + 3 * i : 16 + 3 * i], view[22 + 3 * i : 25 + 3 * i]
        facing = (normals @ direction).clamp(min=0)
        if i == 0:
            half = direction - rays
            half = half / half.square().sum(dim=1, keepdim=True).sqrt()
            shine = (normals * half).sum(dim=1).clamp(min=1e-4) ** view[39]
            highlight = (shine * view[38] * lit)[:, None] * colour
            facing = facing * lit
        light = light + facing[:, None] * colour
    linear = albedo * light + highlight
    return linear.clamp(1e-6, 1) ** (1 / GAMMA)
