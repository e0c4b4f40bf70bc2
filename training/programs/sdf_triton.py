# SPDX-License-Identifier: Apache-2.0
"""The distance functions of `sdf.py` as one fused kernel: a shape and a block of points each.

Kernels loop over the shape's primitives; the type decides by a scalar branch, so a block never
computes a distance that it does not need. Formulas are those of `sdf.py`, which explains them.
"""

import torch
import triton
import triton.language as tl

from .batch import PACKED, ProgramBatch

BLOCK = 256


@triton.jit
def primitive_distance(kind, p0, p1, p2, p3, p4, p5, x, y, z):
    own = x * 0.0
    if kind == 0:  # box
        qx = tl.abs(x) - p0
        qy = tl.abs(y) - p1
        qz = tl.abs(z) - p2
        ax = tl.maximum(qx, 0.0)
        ay = tl.maximum(qy, 0.0)
        az = tl.maximum(qz, 0.0)
        deepest = tl.maximum(tl.maximum(qx, qy), qz)
        own = tl.sqrt(ax * ax + ay * ay + az * az) + tl.minimum(deepest, 0.0) - p3
    if kind == 1:  # ellipsoid
        ex = (tl.abs(x) + 1e-5) / p0
        ey = y / p1
        ez = z / p2
        fx = ex / p0
        fy = ey / p1
        fz = ez / p2
        k0 = tl.sqrt(ex * ex + ey * ey + ez * ez)
        k1 = tl.sqrt(fx * fx + fy * fy + fz * fz)
        own = tl.maximum(k0 * (k0 - 1.0) / k1, -tl.minimum(tl.minimum(p0, p1), p2))
    if kind == 2:  # capsule
        cy = y - tl.minimum(tl.maximum(y, -p1), p1)
        own = tl.sqrt(x * x + cy * cy + z * z) - p0
    if kind == 3:  # frustum
        q = tl.sqrt(x * x + z * z)
        disc_x = q - tl.where(y < 0, tl.minimum(q, p0), tl.minimum(q, p1))
        disc_y = tl.abs(y) - p2
        slope_x = p1 - p0
        slope_y = 2.0 * p2
        along = (q - p0) * slope_x + (y + p2) * slope_y
        along = along / (slope_x * slope_x + slope_y * slope_y)
        along = tl.minimum(tl.maximum(along, 0.0), 1.0)
        side_x = q - p0 - slope_x * along
        side_y = y + p2 - slope_y * along
        nearest = tl.minimum(disc_x * disc_x + disc_y * disc_y, side_x * side_x + side_y * side_y)
        nearest = tl.sqrt(nearest)
        own = tl.where((side_x < 0) & (disc_y < 0), -nearest, nearest) - p3
    if kind == 4:  # torus
        ring = tl.sqrt(x * x + z * z) - p0
        own = tl.sqrt(ring * ring + y * y) - p1
    if kind == 5:  # prism; p4 is the shear, p5 the rounding
        bx = tl.maximum(tl.abs(x + p4) - p0, 0.0)
        tx = tl.maximum(tl.abs(x - p4) - p1, 0.0)
        flat = tl.minimum(bx * bx + (y + p2) * (y + p2), tx * tx + (y - p2) * (y - p2))
        rise = 2.0 * p2
        wy = y + p2
        right_x = 2.0 * p4 + (p1 - p0)
        wx = x + p4 - p0
        u = (wx * right_x + wy * rise) / (right_x * right_x + rise * rise)
        u = tl.minimum(tl.maximum(u, 0.0), 1.0)
        rx = wx - u * right_x
        ry = wy - u * rise
        inside = (tl.abs(y) < p2) & (right_x * wy - rise * wx > 0)
        left_x = 2.0 * p4 - (p1 - p0)
        vx = x + p4 + p0
        w = (vx * left_x + wy * rise) / (left_x * left_x + rise * rise)
        w = tl.minimum(tl.maximum(w, 0.0), 1.0)
        lx = vx - w * left_x
        ly = wy - w * rise
        inside = inside & (rise * vx - left_x * wy > 0)
        edge = tl.minimum(rx * rx + ry * ry, lx * lx + ly * ly)
        profile = tl.sqrt(tl.minimum(flat, edge))
        profile = tl.where(inside, -profile, profile)
        ends = tl.abs(z) - p3
        ox = tl.maximum(profile, 0.0)
        oz = tl.maximum(ends, 0.0)
        own = tl.sqrt(ox * ox + oz * oz) + tl.minimum(tl.maximum(profile, ends), 0.0) - p5
    return own


@triton.jit
def field(table, kinds, count, x, y, z):
    """Distances and nearest primitives of a block of points; table and kinds: one shape's rows."""
    distance = x * 0.0 + 1000.0
    closest = (x * 0.0).to(tl.int32)
    for i in range(count):
        row = table + i * 24
        px = x - tl.load(row + 9)
        py = y - tl.load(row + 10)
        pz = z - tl.load(row + 11)
        # The primitive's own frame: transposed rotation.
        lx = tl.load(row + 0) * px + tl.load(row + 3) * py + tl.load(row + 6) * pz
        ly = tl.load(row + 1) * px + tl.load(row + 4) * py + tl.load(row + 7) * pz
        lz = tl.load(row + 2) * px + tl.load(row + 5) * py + tl.load(row + 8) * pz
        kind = tl.load(kinds + 2 * i)
        op = tl.load(kinds + 2 * i + 1)
        own = primitive_distance(
            kind,
            tl.load(row + 12),
            tl.load(row + 13),
            tl.load(row + 14),
            tl.load(row + 15),
            tl.load(row + 16),
            tl.load(row + 17),
            lx,
            ly,
            lz,
        )
        if op == 2:  # subtract
            closest = tl.where(-own > distance, i, closest)
            distance = tl.maximum(distance, -own)
        else:
            closest = tl.where(own < distance, i, closest)
            lower = tl.minimum(distance, own)
            if op == 1:  # smooth union
                k = tl.load(row + 18)
                blend = tl.maximum(k - tl.abs(distance - own), 0.0)
                lower = lower - blend * blend * (0.25 / k)
            distance = lower
    return distance, closest


@triton.jit
def _evaluate_kernel(
    table,
    kinds,
    counts,
    points,
    distances,
    ids,
    n,
    point_stride,
    P: tl.constexpr,
    BLOCK: tl.constexpr,
):
    b = tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    point = points + b * point_stride + at * 3
    x = tl.load(point, mask=mask, other=0.0)
    y = tl.load(point + 1, mask=mask, other=0.0)
    z = tl.load(point + 2, mask=mask, other=0.0)
    distance, closest = field(table + b * P * 24, kinds + b * P * 2, tl.load(counts + b), x, y, z)
    tl.store(distances + b * n + at, distance, mask=mask)
    tl.store(ids + b * n + at, closest, mask=mask)


@triton.jit
def _gradient_kernel(
    table,
    kinds,
    counts,
    points,
    distances,
    ascents,
    n,
    point_stride,
    step,
    P: tl.constexpr,
    BLOCK: tl.constexpr,
):
    b = tl.program_id(1).to(tl.int64)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    point = points + b * point_stride + at * 3
    x = tl.load(point, mask=mask, other=0.0)
    y = tl.load(point + 1, mask=mask, other=0.0)
    z = tl.load(point + 2, mask=mask, other=0.0)
    total = x * 0.0
    gx = x * 0.0
    gy = x * 0.0
    gz = x * 0.0
    count = tl.load(counts + b)
    for corner in range(4):
        sx = tl.where((corner == 0) | (corner == 3), 1.0, -1.0)
        sy = tl.where(corner >= 2, 1.0, -1.0)
        sz = tl.where((corner == 1) | (corner == 3), 1.0, -1.0)
        distance, _ = field(
            table + b * P * 24,
            kinds + b * P * 2,
            count,
            x + step * sx,
            y + step * sy,
            z + step * sz,
        )
        total += distance
        gx += distance * sx
        gy += distance * sy
        gz += distance * sz
    scale = 1.0 / tl.maximum(tl.sqrt(gx * gx + gy * gy + gz * gz), 1e-12)
    tl.store(distances + b * n + at, total * 0.25, mask=mask)
    ascent = ascents + (b * n + at) * 3
    tl.store(ascent, gx * scale, mask=mask)
    tl.store(ascent + 1, gy * scale, mask=mask)
    tl.store(ascent + 2, gz * scale, mask=mask)


def _prepared(batch: ProgramBatch, points: torch.Tensor) -> tuple[torch.Tensor, tuple]:
    assert len(points) == len(batch) and points.shape[2] == 3
    points = points.float()
    if points.stride(2) != 1 or points.stride(1) != 3:
        points = points.contiguous()
    launch = (triton.cdiv(points.shape[1], BLOCK), len(batch))
    return points, launch


def evaluate_ids_triton(
    batch: ProgramBatch, points: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `sdf.evaluate_ids` gives; one (N, 3) for all shapes may be passed expanded."""
    points, launch = _prepared(batch, points)
    b, n, _ = points.shape
    table, kinds = batch.packed()
    distances = torch.empty(b, n, device=points.device)
    ids = torch.empty(b, n, dtype=torch.int32, device=points.device)
    _evaluate_kernel[launch](
        table,
        kinds,
        batch.counts,
        points,
        distances,
        ids,
        n,
        points.stride(0),
        P=batch.types.shape[1],
        BLOCK=BLOCK,
    )
    return distances, ids


def gradients_triton(
    batch: ProgramBatch, points: torch.Tensor, step: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `sdf.gradients` gives."""
    points, launch = _prepared(batch, points)
    b, n, _ = points.shape
    table, kinds = batch.packed()
    distances = torch.empty(b, n, device=points.device)
    ascents = torch.empty(b, n, 3, device=points.device)
    _gradient_kernel[launch](
        table,
        kinds,
        batch.counts,
        points,
        distances,
        ascents,
        n,
        points.stride(0),
        step,
        P=batch.types.shape[1],
        BLOCK=BLOCK,
    )
    return distances, ascents


assert PACKED == 24, "the kernels above have the row length written out"
