# SPDX-License-Identifier: Apache-2.0
"""The tracer of `trace.py` as one kernel: a tile of 16x8 pixels each, marching loop inside."""

import torch
import triton
import triton.language as tl

from . import trace as reference
from .batch import ProgramBatch
from .render import VIEW
from .sdf_triton import field

TILE_X, TILE_Y = 16, 8


@triton.jit
def _slab(box, origin, ray):
    safe = tl.where(tl.abs(ray) < 1e-8, 1e-8, ray)
    one = (-box - origin) / safe
    two = (box - origin) / safe
    return tl.minimum(one, two), tl.maximum(one, two)


@triton.jit
def _trace_kernel(
    table,
    kinds,
    counts,
    extents,
    views,
    colours,
    shares,
    size,
    tiles_x,
    P: tl.constexpr,
    VIEW: tl.constexpr,
    TILE_X: tl.constexpr,
    TILE_Y: tl.constexpr,
    STEPS: tl.constexpr,
    CLOSE: tl.constexpr,
    GIVE_UP: tl.constexpr,
    RELAX: tl.constexpr,
    MARGIN: tl.constexpr,
    NORMAL_STEP: tl.constexpr,
    SHADOW_STEPS: tl.constexpr,
    SHADOW_SHARPNESS: tl.constexpr,
    GAMMA: tl.constexpr,
):
    b = tl.program_id(1).to(tl.int64)
    tile = tl.program_id(0)
    lane = tl.arange(0, TILE_X * TILE_Y)
    column = (tile % tiles_x) * TILE_X + lane % TILE_X
    row = (tile // tiles_x) * TILE_Y + lane // TILE_X
    mask = (column < size) & (row < size)
    rows = table + b * P * 24
    types = kinds + b * P * 2
    count = tl.load(counts + b)
    view = views + b * VIEW
    box_x = tl.load(extents + b * 3) + MARGIN
    box_y = tl.load(extents + b * 3 + 1) + MARGIN
    box_z = tl.load(extents + b * 3 + 2) + MARGIN
    origin_x = tl.load(view)
    origin_y = tl.load(view + 1)
    origin_z = tl.load(view + 2)
    tangent = tl.load(view + 12)

    zero = column.to(tl.float32) * 0.0
    red = zero
    green = zero
    blue = zero
    share = zero
    for sample in range(4):
        # Where the ray goes, and where it may meet the shape's box.
        u = (column + 0.25 + 0.5 * (sample % 2)) / size * 2.0 - 1.0
        v = -((row + 0.25 + 0.5 * (sample // 2)) / size * 2.0 - 1.0)
        u = u * tangent
        v = v * tangent
        ray_x = u * tl.load(view + 3) + v * tl.load(view + 4) + tl.load(view + 5)
        ray_y = u * tl.load(view + 6) + v * tl.load(view + 7) + tl.load(view + 8)
        ray_z = u * tl.load(view + 9) + v * tl.load(view + 10) + tl.load(view + 11)
        norm = 1.0 / tl.sqrt(ray_x * ray_x + ray_y * ray_y + ray_z * ray_z)
        ray_x = ray_x * norm
        ray_y = ray_y * norm
        ray_z = ray_z * norm
        low_x, high_x = _slab(box_x, origin_x, ray_x)
        low_y, high_y = _slab(box_y, origin_y, ray_y)
        low_z, high_z = _slab(box_z, origin_z, ray_z)
        along = tl.maximum(tl.maximum(tl.maximum(low_x, low_y), low_z), 0.0)
        leave = tl.minimum(tl.minimum(high_x, high_y), high_z)

        live = tl.where((leave > along) & mask, 1, 0)
        hit = live * 0
        step = 0
        while (step < STEPS) & (tl.max(live, axis=0) > 0):
            distance, _ = field(
                rows,
                types,
                count,
                origin_x + ray_x * along,
                origin_y + ray_y * along,
                origin_z + ray_z * along,
            )
            limit = tl.where(step == STEPS - 1, GIVE_UP, CLOSE)
            close = distance < limit
            hit = tl.where((live > 0) & close, 1, hit)
            live = tl.where(close, 0, live)
            along = tl.where(live > 0, along + distance * RELAX, along)
            live = tl.where(along < leave, live, 0)
            step += 1

        if tl.max(hit, axis=0) > 0:
            x = origin_x + ray_x * along
            y = origin_y + ray_y * along
            z = origin_z + ray_z * along
            _surface, closest = field(rows, types, count, x, y, z)
            paint = rows + closest * 24
            albedo_r = tl.exp(tl.log(tl.maximum(tl.load(paint + 19), 1e-6)) * GAMMA)
            albedo_g = tl.exp(tl.log(tl.maximum(tl.load(paint + 20), 1e-6)) * GAMMA)
            albedo_b = tl.exp(tl.log(tl.maximum(tl.load(paint + 21), 1e-6)) * GAMMA)

            nx = zero
            ny = zero
            nz = zero
            for corner in range(4):
                sx = tl.where((corner == 0) | (corner == 3), 1.0, -1.0)
                sy = tl.where(corner >= 2, 1.0, -1.0)
                sz = tl.where((corner == 1) | (corner == 3), 1.0, -1.0)
                distance, _ = field(
                    rows,
                    types,
                    count,
                    x + NORMAL_STEP * sx,
                    y + NORMAL_STEP * sy,
                    z + NORMAL_STEP * sz,
                )
                nx += distance * sx
                ny += distance * sy
                nz += distance * sz
            norm = 1.0 / tl.maximum(tl.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
            nx = nx * norm
            ny = ny * norm
            nz = nz * norm

            # Ambient light, darker in creases.
            openness = zero + 1.0
            for probe in range(2):
                reach = tl.where(probe == 0, 0.06, 0.2)
                weight = tl.where(probe == 0, 4.5, 2.2)
                distance, _ = field(
                    rows, types, count, x + reach * nx, y + reach * ny, z + reach * nz
                )
                openness -= weight * (reach - distance)
            openness = tl.minimum(tl.maximum(openness, 0.2), 1.0)
            up = 0.5 + 0.5 * ny
            ground_r = tl.load(view + 34)
            ground_g = tl.load(view + 35)
            ground_b = tl.load(view + 36)
            light_r = (ground_r + (tl.load(view + 31) - ground_r) * up) * openness
            light_g = (ground_g + (tl.load(view + 32) - ground_g) * up) * openness
            light_b = (ground_b + (tl.load(view + 33) - ground_b) * up) * openness

            # The key light's shadow.
            key_x = tl.load(view + 13)
            key_y = tl.load(view + 14)
            key_z = tl.load(view + 15)
            lit = zero + 1.0
            way = zero + 0.03
            for _step in range(SHADOW_STEPS):
                distance, _ = field(
                    rows,
                    types,
                    count,
                    x + 0.015 * nx + way * key_x,
                    y + 0.015 * ny + way * key_y,
                    z + 0.015 * nz + way * key_z,
                )
                shade = SHADOW_SHARPNESS * distance / way
                lit = tl.minimum(lit, tl.minimum(tl.maximum(shade, 0.0), 1.0))
                way += tl.minimum(tl.maximum(distance, 0.03), 0.25)
            lit = 1.0 - tl.load(view + 37) * (1.0 - lit)

            half_x = key_x - ray_x
            half_y = key_y - ray_y
            half_z = key_z - ray_z
            norm = 1.0 / tl.sqrt(half_x * half_x + half_y * half_y + half_z * half_z)
            shine = (nx * half_x + ny * half_y + nz * half_z) * norm
            shine = tl.exp(tl.log(tl.maximum(shine, 1e-4)) * tl.load(view + 39))
            shine = shine * tl.load(view + 38) * lit
            for i in range(3):
                lamp = view + 13 + 3 * i
                facing = nx * tl.load(lamp) + ny * tl.load(lamp + 1) + nz * tl.load(lamp + 2)
                facing = tl.maximum(facing, 0.0)
                facing = tl.where(i == 0, facing * lit, facing)
                light_r += facing * tl.load(view + 22 + 3 * i)
                light_g += facing * tl.load(view + 23 + 3 * i)
                light_b += facing * tl.load(view + 24 + 3 * i)
            linear_r = albedo_r * light_r + shine * tl.load(view + 22)
            linear_g = albedo_g * light_g + shine * tl.load(view + 23)
            linear_b = albedo_b * light_b + shine * tl.load(view + 24)
            linear_r = tl.minimum(tl.maximum(linear_r, 1e-6), 1.0)
            linear_g = tl.minimum(tl.maximum(linear_g, 1e-6), 1.0)
            linear_b = tl.minimum(tl.maximum(linear_b, 1e-6), 1.0)
            red += tl.where(hit > 0, tl.exp(tl.log(linear_r) / GAMMA), 0.0)
            green += tl.where(hit > 0, tl.exp(tl.log(linear_g) / GAMMA), 0.0)
            blue += tl.where(hit > 0, tl.exp(tl.log(linear_b) / GAMMA), 0.0)
            share += hit.to(tl.float32)

    scale = 1.0 / tl.maximum(share, 1.0)
    pixel = b * size * size + row * size + column
    tl.store(colours + pixel * 3, red * scale, mask=mask)
    tl.store(colours + pixel * 3 + 1, green * scale, mask=mask)
    tl.store(colours + pixel * 3 + 2, blue * scale, mask=mask)
    tl.store(shares + pixel, share * 0.25, mask=mask)


def trace_triton(
    batch: ProgramBatch, views: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `trace.trace` gives."""
    b = len(batch)
    table, kinds = batch.packed()
    colours = torch.empty(b, size, size, 3, device=views.device)
    shares = torch.empty(b, size, size, device=views.device)
    tiles_x, tiles_y = triton.cdiv(size, TILE_X), triton.cdiv(size, TILE_Y)
    _trace_kernel[(tiles_x * tiles_y, b)](
        table,
        kinds,
        batch.counts,
        batch.extents.contiguous(),
        views,
        colours,
        shares,
        size,
        tiles_x,
        P=batch.types.shape[1],
        VIEW=VIEW,
        TILE_X=TILE_X,
        TILE_Y=TILE_Y,
        STEPS=reference.STEPS,
        CLOSE=reference.CLOSE,
        GIVE_UP=reference.GIVE_UP,
        RELAX=reference.RELAX,
        MARGIN=reference.MARGIN,
        NORMAL_STEP=reference.NORMAL_STEP,
        SHADOW_STEPS=reference.SHADOW_STEPS,
        SHADOW_SHARPNESS=reference.SHADOW_SHARPNESS,
        GAMMA=reference.GAMMA,
    )
    return colours, shares
