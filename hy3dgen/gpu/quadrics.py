# SPDX-License-Identifier: Apache-2.0
"""Plane quadrics of vertices, and what merging two vertices costs.

A quadric is a row of ten float32 numbers `xx xy xz yy yz zz | bx by bz | c`, told in a frame whose
origin is the vertex itself: `Q(p + d) = d'A d + 2 b'd + c`. Around its own vertex every term is
small, so single precision is enough; about the origin of the mesh `c` would cancel to noise.

The prices are those of `hy3dgen/mesh/native/pricing.h`. Source: Garland & Heckbert 1997.
"""

from typing import NamedTuple

import torch
from torch import Tensor

RIDGE = 1e-6  # pull to the middle of an edge, relative to the trace, where the surface is flat
LENGTH_COST = 1e-7  # of an edge, relative to the trace: on flat parts short edges go first
MAX_REACH = 4.0  # a merged vertex stays this close to the middle, in half lengths of the edge


class Prices(NamedTuple):
    cost: Tensor  # (E,) float32, at least 0
    at: Tensor  # (E, 3) float32, where the merged vertex stands


def multiply(a: Tensor, d: Tensor) -> Tensor:
    """Symmetric matrices `(E, 6 or more)` times vectors `(E, 3)`."""
    x, y, z = d.unbind(-1)
    return torch.stack(
        [
            a[:, 0] * x + a[:, 1] * y + a[:, 2] * z,
            a[:, 1] * x + a[:, 3] * y + a[:, 4] * z,
            a[:, 2] * x + a[:, 4] * y + a[:, 5] * z,
        ],
        dim=-1,
    )


def dot(a: Tensor, b: Tensor) -> Tensor:
    # One after the other: sum() adds in another order on other devices.
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def cross(a: Tensor, b: Tensor) -> Tensor:
    """Cross products `(..., 3)`; torch's own is slow on a CPU."""
    ax, ay, az = a.unbind(-1)
    bx, by, bz = b.unbind(-1)
    return torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], dim=-1)


def trace(a: Tensor) -> Tensor:
    return a[:, 0] + a[:, 3] + a[:, 5]


def solve(a: Tensor, g: Tensor, ridge: Tensor) -> Tensor:
    """`d` with `(A + ridge I) d = g` by LDL', zero where the matrix is not positive."""
    d0 = a[:, 0] + ridge
    l1, l2 = a[:, 1] / d0, a[:, 2] / d0
    d1 = a[:, 3] + ridge - l1 * a[:, 1]
    t = a[:, 4] - l1 * a[:, 2]
    l3 = t / d1
    d2 = a[:, 5] + ridge - l2 * a[:, 2] - l3 * t
    gx, gy, gz = g.unbind(-1)
    y1 = gy - l1 * gx
    z = (gz - l2 * gx - l3 * y1) / d2
    y = y1 / d1 - l3 * z
    x = gx / d0 - l1 * y - l2 * z
    good = (d0 > 0) & (d1 > 0) & (d2 > 0)
    return torch.where(good[:, None], torch.stack([x, y, z], dim=-1), 0.0)


def moved(quadrics: Tensor, d: Tensor) -> Tensor:
    """The same quadrics told from origins moved by `d (E, 3)`."""
    ad = multiply(quadrics, d)
    b = quadrics[:, 6:9]
    c = quadrics[:, 9] + 2 * dot(b, d) + dot(d, ad)
    return torch.cat([quadrics[:, :6], b + ad, c[:, None]], dim=1)


def plane_quadrics(normals: Tensor, weights: Tensor) -> Tensor:
    """Quadrics `(F, 10)` of planes through the origin with unit `normals (F, 3)`."""
    x, y, z = normals.unbind(-1)
    outer = torch.stack([x * x, x * y, x * z, y * y, y * z, z * z], dim=-1) * weights[:, None]
    return torch.nn.functional.pad(outer, (0, 4))


def price_edges(positions: Tensor, quadrics: Tensor, kinds: Tensor, u: Tensor, v: Tensor) -> Prices:
    """Cost and place of merging vertices `u` and `v`, `(E,)` each.

    Parameters
    ----------
    positions, quadrics, kinds : (V, 3), (V, 10) and (V,); of two kinds the larger stays where it is
    """
    pu, pv = positions[u], positions[v]
    half = 0.5 * (pv - pu)
    total = moved(quadrics[u], half) + moved(quadrics[v], -half)  # told from the middle
    slope, base = total[:, 6:9], total[:, 9]
    half2 = dot(half, half)
    size = trace(total)
    along, bend = 2 * dot(slope, half), dot(half, multiply(total, half))
    cost_u, cost_v = base - along + bend, base + along + bend

    step = solve(total, -slope, RIDGE * size + 1e-30)
    step2 = dot(step, step)
    reach = MAX_REACH * torch.sqrt(half2 / step2.clamp_min(1e-38))
    step = step * reach.clamp(max=1.0)[:, None]
    cost = base + 2 * dot(slope, step) + dot(step, multiply(total, step))
    # The ridge keeps the solution a little off creases; an end that lies on one costs nothing.
    take_u = (cost_u <= cost) & (cost_u <= cost_v)
    take_v = ~take_u & (cost_v <= cost)
    kind_u, kind_v = kinds[u], kinds[v]
    differ = kind_u != kind_v
    take_u = torch.where(differ, kind_u > kind_v, take_u)
    take_v = torch.where(differ, kind_v > kind_u, take_v)
    cost = torch.where(take_u, cost_u, torch.where(take_v, cost_v, cost))
    at = 0.5 * (pu + pv) + step
    at = torch.where(take_u[:, None], pu, torch.where(take_v[:, None], pv, at))

    root = torch.sqrt(torch.sqrt(size))
    full = cost.clamp_min(0) + 4 * LENGTH_COST * size * half2
    return Prices(torch.where(root > 0, full / root, 0.0), at)
