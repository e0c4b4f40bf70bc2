# SPDX-License-Identifier: Apache-2.0
"""Which edges of a surface can be merged at once, and whether a merge is allowed.

Two merges do not disturb each other if no end of one is a neighbour of an end of the other. Then
they share no face, and neither changes what the other's link condition or flip test saw.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from .quadrics import cross, dot, solve, trace

MAX_VALENCE = 24  # faces around a vertex; one with more waits until its neighbours are fewer
INTERIOR, BORDER, FIXED = 0, 1, 2
_FREE = torch.iinfo(torch.int64).max
# Keeping the volume: stiffness of flat directions relative to the trace, and how far a vertex may
# move for it, relative to the edge's length, squared.
VOLUME_RIDGE, VOLUME_REACH = 1e-3, 0.25


@dataclass(frozen=True)
class Limits:
    """What a merge may do to a face that stays."""

    min_cosine: float  # between its normals before and after
    min_shape: float  # area^2 over squared sum of squared edges; 0.083 if equilateral


USUAL, THIN_FACES, LAST_RESORT = Limits(0.2, 2.5e-5), Limits(0.2, 1e-9), Limits(0.0, 1e-12)


@dataclass(frozen=True)
class Surface:
    """A surface between two rounds.

    Attributes
    ----------
    positions, quadrics, kinds : (V, 3) and (V, 10) float32, (V,) uint8; see `quadrics`
    faces : (F, 3) int64
    corners, starts, valences : corners `3 face + i` of vertex v are
        `corners[starts[v] : starts[v] + valences[v]]`
    """

    positions: Tensor
    quadrics: Tensor
    kinds: Tensor
    faces: Tensor
    corners: Tensor
    starts: Tensor
    valences: Tensor

    @classmethod
    def of(cls, positions: Tensor, quadrics: Tensor, kinds: Tensor, faces: Tensor) -> "Surface":
        """Lists the corners around each vertex."""
        ends = faces.reshape(-1)
        corners = torch.sort(ends.int(), stable=True).indices
        valences = torch.bincount(ends, minlength=len(positions))
        starts = torch.cumsum(valences, 0) - valences
        return cls(positions, quadrics, kinds, faces, corners, starts, valences)

    def with_quadrics(self, quadrics: Tensor) -> "Surface":
        return replace(self, quadrics=quadrics)


class Ring(NamedTuple):
    """The faces around vertices, in any order, padded to the largest valence: `(W, K)` each."""

    after: Tensor  # the corner that follows, counter-clockwise
    before: Tensor
    there: Tensor  # False: padding


class Verdict(NamedTuple):
    """About candidates `(W,)`."""

    conflict: Tensor  # a cheaper candidate is near; ask again when it is gone
    allowed: Tensor
    at: Tensor  # (W, 3), where the merged vertex would stand
    removed: Tensor  # faces that would go


def ring_corners(surface: Surface, vertices: Tensor) -> tuple[Tensor, Tensor]:
    """The corners of each vertex, `(W, K)` with K the largest valence, and which are there."""
    valences = surface.valences[vertices]
    slots = torch.arange(int(valences.amax()) if len(valences) else 0, device=vertices.device)
    index = surface.starts[vertices][:, None] + slots
    corners = surface.corners[index.clamp_max(len(surface.corners) - 1)]
    return corners, slots < valences[:, None]


def ring(surface: Surface, vertices: Tensor) -> Ring:
    corner, there = ring_corners(surface, vertices)
    first = corner - corner % 3
    flat = surface.faces.reshape(-1)
    after = flat[first + (corner + 1) % 3]
    before = flat[first + (corner + 2) % 3]
    return Ring(torch.where(there, after, -1), torch.where(there, before, -1), there)


def nearest_rank(u: Tensor, v: Tensor, rank: Tensor, vertex_count: int) -> Tensor:
    """For each vertex the smallest rank of the candidates that end there, `(V,)`.

    Integers under atomic minimum: the same in whatever order they come.
    """
    least = torch.full((vertex_count,), _FREE, dtype=torch.int64, device=u.device)
    least.scatter_reduce_(0, u, rank, "amin")
    least.scatter_reduce_(0, v, rank, "amin")
    return least


def judge(
    surface: Surface,
    u: Tensor,
    v: Tensor,
    at: Tensor,
    rank: Tensor,
    least: Tensor,
    limits: Limits,
) -> Verdict:
    """Whether candidates `u, v` are the cheapest around, keep the topology and spoil no face."""
    ring_u, ring_v = ring(surface, u), ring(surface, v)
    nearby = torch.cat([ring_u.after, ring_u.before, ring_v.after, ring_v.before], dim=1)
    ranks = torch.where(nearby < 0, _FREE, least[nearby.clamp_min(0)])
    conflict = ranks.amin(dim=1) < rank

    kind_u, kind_v = surface.kinds[u], surface.kinds[v]
    with_v = (ring_u.after == v[:, None]) | (ring_u.before == v[:, None])
    with_u = (ring_v.after == u[:, None]) | (ring_v.before == u[:, None])
    sheets = (with_v & ring_u.there).sum(dim=1)
    allowed = _keeps_topology(ring_u, ring_v, u, v, sheets)
    allowed &= ~((kind_u != INTERIOR) & (kind_v != INTERIOR) & (sheets == 2))
    allowed &= (kind_u != FIXED) & (kind_v != FIXED)

    stays_u, stays_v = ring_u.there & ~with_v, ring_v.there & ~with_u
    places = surface.positions
    # Everything from here on is told from `at`, and a padded face is a point there.
    apex_u, apex_v = places[u] - at, places[v] - at
    wings_u = _wings(places, ring_u, at)
    wings_v = _wings(places, ring_v, at)
    free = (kind_u == INTERIOR) & (kind_v == INTERIOR)
    move = _volume_keeping_move(surface, u, v, apex_u, apex_v, wings_u, wings_v, stays_v)
    move = torch.where(free[:, None], move, 0.0)
    for apex, wings, stays in ((apex_u, wings_u, stays_u), (apex_v, wings_v, stays_v)):
        allowed &= ~(_spoiled(apex, wings, move, limits) & stays).any(dim=1)
    return Verdict(conflict, allowed, at + move, sheets)


def _wings(places: Tensor, around: Ring, at: Tensor) -> tuple[Tensor, Tensor]:
    """The two other corners of each face of a ring, `(W, K, 3)`, told from `at`."""
    there = around.there[..., None]
    return tuple(
        torch.where(there, places[corner.clamp_min(0)] - at[:, None], 0.0)
        for corner in (around.after, around.before)
    )


def _keeps_topology(ring_u: Ring, ring_v: Ring, u: Tensor, v: Tensor, sheets: Tensor) -> Tensor:
    """The link condition: who is a neighbour of both ends spans a face with both.

    Source: Dey, Edelsbrunner, Guha & Nekhayev, Topology preserving edge contraction, 1999.
    """
    padding_v = ~ring_v.there
    near_v = torch.cat([ring_v.after, ring_v.before], dim=1)
    near_v = torch.where(torch.cat([padding_v, padding_v], dim=1), -2, near_v)
    shared_after = (ring_u.after[..., None] == near_v[:, None]).any(dim=2)
    shared_before = (ring_u.before[..., None] == near_v[:, None]).any(dim=2)
    # Around an inner vertex every neighbour follows once; a border's last one only precedes.
    only_before = ~(ring_u.before[..., None] == ring_u.after[:, None]).any(dim=2)
    common = shared_after.sum(dim=1) + (shared_before & only_before).sum(dim=1)
    # With valence 3 on both ends and a common triangle opposite, two faces would fall together.
    opposite = torch.where(
        ((ring_u.after == v[:, None]) | (ring_u.before == v[:, None])) & ring_u.there,
        torch.where(ring_u.after == v[:, None], ring_u.before, ring_u.after),
        -3,
    )
    caps = []
    for around in (ring_u, ring_v):
        first = (around.after[..., None] == opposite[:, None]).any(dim=2)
        second = (around.before[..., None] == opposite[:, None]).any(dim=2)
        caps.append((first & second & around.there).any(dim=1))
    return (sheets > 0) & (sheets <= 2) & (common == sheets) & ~(caps[0] & caps[1])


def _volume_keeping_move(
    surface: Surface,
    u: Tensor,
    v: Tensor,
    apex_u: Tensor,
    apex_v: Tensor,
    wings_u: tuple[Tensor, Tensor],
    wings_v: tuple[Tensor, Tensor],
    stays_v: Tensor,
) -> Tensor:
    """How far to move from `at` so that the volume below the faces stays, `(W, 3)`.

    The quadric's optimum alone lies outside of what is round. Source: Lindstrom & Turk, Fast and
    memory efficient polygonal simplification, 1998, section 3.
    """
    normal, volume = 0.0, 0.0
    for apex, (a, b), counted in ((apex_u, wings_u, None), (apex_v, wings_v, stays_v)):
        apex = apex[:, None]
        part, height = cross(a - apex, b - apex), dot(apex, cross(a, b))  # zero where padded
        if counted is not None:
            part, height = part * counted[..., None], height * counted
        normal, volume = normal + part.sum(dim=1), volume + height.sum(dim=1)
    metric = surface.quadrics[u] + surface.quadrics[v]
    along = solve(metric, normal, VOLUME_RIDGE * trace(metric))
    slope = dot(normal, along)
    step = along * (volume / torch.where(slope > 0, slope, 1.0))[:, None]
    length = apex_v - apex_u
    length2, step2 = dot(length, length), dot(step, step)
    good = (slope > 0) & (step2 > 1e-10 * length2) & (step2 <= VOLUME_REACH * length2)
    return torch.where(good[:, None], step, 0.0)


def _spoiled(apex: Tensor, wings: tuple[Tensor, Tensor], move: Tensor, limits: Limits) -> Tensor:
    """Faces `(W, K)` that would turn too far, or become thinner than allowed."""
    a, b = wings
    normal, area2, edges2 = _shape(apex[:, None], a, b)
    new_normal, new_area2, new_edges2 = _shape(move[:, None], a, b)
    gone = ~(new_area2 > 0)
    thin = (new_area2 < limits.min_shape * new_edges2) & (new_area2 * edges2 < area2 * new_edges2)
    turn = dot(normal, new_normal)
    flat = area2 < 1e-12 * edges2  # its normal means nothing
    turned = (turn <= 0) | (turn * turn < limits.min_cosine**2 * area2 * new_area2)
    return gone | thin | (turned & ~flat)


def _shape(apex: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Doubled area vector, its squared length, and the squared sum of squared edges."""
    to_a, to_b, rest = a - apex, b - apex, b - a
    normal = cross(to_a, to_b)
    edges = dot(to_a, to_a) + dot(to_b, to_b) + dot(rest, rest)
    return normal, dot(normal, normal), edges * edges
