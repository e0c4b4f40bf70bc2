# SPDX-License-Identifier: Apache-2.0
"""Signed distances to programs: negative inside, close to true distances, plain torch.

On CUDA the same functions run as fused kernels (`sdf_triton.py`). Distances to single boxes,
capsules, frusta, tori and prisms are exact; an ellipsoid's is of first order (exact at the surface
and on its axes, too long far from a flat one); subtraction and the inside of unions give the usual
lower bound.

Sources: Quilez, "Distance functions" (https://iquilezles.org/articles/distfunctions/), written
anew; the prism's trapezoid may lean, which is ours.
"""

import torch

from .batch import ProgramBatch
from .shape import BOX, CAPSULE, ELLIPSOID, FRUSTUM, SMOOTH_UNION, SUBTRACT, TORUS

Parts = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

FAR = 1e3  # what an empty program would give


def evaluate(batch: ProgramBatch, points: torch.Tensor) -> torch.Tensor:
    """Signed distances (B, N) of the points (B, N, 3)."""
    return evaluate_ids(batch, points)[0]


def evaluate_ids(batch: ProgramBatch, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances (B, N) and the index of the primitive whose surface is nearest, (B, N) int32.

    A surface made by cutting belongs to the cutter.
    """
    if points.is_cuda:
        from .sdf_triton import evaluate_ids_triton

        return evaluate_ids_triton(batch, points)
    distances = points.new_empty(points.shape[:2])
    closest = torch.empty(points.shape[:2], dtype=torch.int32)
    for b in range(len(batch)):
        distances[b], closest[b] = evaluate_one(batch, b, points[b])
    return distances, closest


def gradients(
    batch: ProgramBatch, points: torch.Tensor, step: float = 1e-3
) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances (B, N) and unit directions of steepest ascent (B, N, 3), by differences.

    Four samples at the corners of a tetrahedron; the distance is their mean, so it is off by the
    curvature over `step`. On a surface the direction is the outward normal.
    """
    if points.is_cuda:
        from .sdf_triton import gradients_triton

        return gradients_triton(batch, points, step)
    corners = points.new_tensor([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
    samples = torch.stack([evaluate(batch, points + step * corner) for corner in corners])
    ascent = torch.einsum("kbn,kc->bnc", samples, corners)
    return samples.mean(dim=0), torch.nn.functional.normalize(ascent, dim=-1, eps=1e-12)


def grid(batch: ProgramBatch, resolution: int = 64, bound: float = 1.01) -> torch.Tensor:
    """Distances (B, R, R, R), indexed [x, y, z], at R points from -bound to bound on each axis."""
    axis = torch.linspace(-bound, bound, resolution, device=batch.device)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(1, -1, 3)
    shape = (len(batch), resolution, resolution, resolution)
    return evaluate(batch, points.expand(len(batch), -1, -1)).reshape(shape)


def evaluate_one(
    batch: ProgramBatch, b: int, points: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances (N,) and nearest primitives (N,) of points (N, 3) to the b-th program."""
    distance = torch.full(points.shape[:1], FAR)
    closest = torch.zeros(points.shape[:1], dtype=torch.int32)
    types, ops = batch.types[b].tolist(), batch.ops[b].tolist()
    params, smooth = batch.params[b].tolist(), batch.smooth[b].tolist()
    for i in range(int(batch.counts[b])):
        local = (points - batch.translations[b, i]) @ batch.rotations[b, i]  # rows times R = R^T p
        own = primitive_distance(types[i], params[i], local.unbind(-1))
        if ops[i] == SUBTRACT:
            own = -own
            wins = own > distance
            distance = torch.maximum(distance, own)
        else:
            wins = own < distance
            lower = torch.minimum(distance, own)
            if ops[i] == SMOOTH_UNION:
                k = smooth[i]
                blend = (k - (distance - own).abs()).clamp(min=0)
                lower = lower - blend * blend * (0.25 / k)
            distance = lower
        closest = torch.where(wins, i, closest)
    return distance, closest


def primitive_distance(kind: int, p: list[float], local: Parts) -> torch.Tensor:
    """Signed distance of one primitive at points given in its own frame as (x, y, z)."""
    x, y, z = local
    if kind == BOX:
        qx, qy, qz = x.abs() - p[0], y.abs() - p[1], z.abs() - p[2]
        outside = _length(qx.clamp(min=0), qy.clamp(min=0), qz.clamp(min=0))
        return outside + torch.maximum(torch.maximum(qx, qy), qz).clamp(max=0) - p[3]
    if kind == ELLIPSOID:
        # The tiny shift keeps the centre, where the formula is 0/0, on the right side.
        x, y, z = (x.abs() + 1e-5) / p[0], y / p[1], z / p[2]
        k0 = _length(x, y, z)
        k1 = _length(x / p[0], y / p[1], z / p[2])
        # Inside, no point is deeper than the smallest radius; the formula alone says otherwise.
        return (k0 * (k0 - 1.0) / k1).clamp(min=-min(p[:3]))
    if kind == CAPSULE:
        return _length(x, y - y.clamp(-p[1], p[1]), z) - p[0]
    if kind == FRUSTUM:
        return _frustum(_length(x, z), y, *p[:4])
    if kind == TORUS:
        return _length(_length(x, z) - p[0], y) - p[1]
    return _prism(x, y, z, *p)


def _length(*parts: torch.Tensor) -> torch.Tensor:
    total = parts[0] * parts[0]
    for part in parts[1:]:
        total = total + part * part
    return total.sqrt()


def _frustum(q, y, bottom: float, top: float, half: float, rounding: float) -> torch.Tensor:
    # Nearest point on the two discs, and on the slanted side; the nearer of the two counts.
    disc_x = q - torch.where(y < 0, q.clamp(max=bottom), q.clamp(max=top))
    disc_y = y.abs() - half
    slope_x, slope_y = top - bottom, 2 * half
    along = ((q - bottom) * slope_x + (y + half) * slope_y) / (slope_x**2 + slope_y**2)
    along = along.clamp(0, 1)
    side_x, side_y = q - bottom - slope_x * along, y + half - slope_y * along
    inside = (side_x < 0) & (disc_y < 0)
    nearest = torch.minimum(disc_x**2 + disc_y**2, side_x**2 + side_y**2).sqrt()
    return torch.where(inside, -nearest, nearest) - rounding


def _prism(x, y, z, bottom, top, half, depth, shear, rounding) -> torch.Tensor:
    # The quad's corners: (-shear -+ bottom, -half) and (shear -+ top, half).
    below = ((x + shear).abs() - bottom).clamp(min=0) ** 2 + (y + half) ** 2
    above = ((x - shear).abs() - top).clamp(min=0) ** 2 + (y - half) ** 2
    nearest, inside = torch.minimum(below, above), y.abs() < half
    for side in (1.0, -1.0):
        edge_x, edge_y = 2 * shear + side * (top - bottom), 2 * half
        wx, wy = x + shear - side * bottom, y + half
        along = ((wx * edge_x + wy * edge_y) / (edge_x**2 + edge_y**2)).clamp(0, 1)
        dx, dy = wx - along * edge_x, wy - along * edge_y
        nearest = torch.minimum(nearest, dx**2 + dy**2)
        inside = inside & (side * (edge_x * wy - edge_y * wx) > 0)
    profile = nearest.sqrt()
    profile = torch.where(inside, -profile, profile)
    ends = z.abs() - depth
    outside = _length(profile.clamp(min=0), ends.clamp(min=0))
    return outside + torch.maximum(profile, ends).clamp(max=0) - rounding
