# SPDX-License-Identifier: Apache-2.0
"""Brings a reduced surface closer to the one it came from by moving its vertices.

Quadrics place each vertex by the planes that merged into it; the faces in between are nobody's
business, and on what is round they end up on one side. Here samples of the source find their
closest points on the reduced surface, starting from the vertex their own vertex merged into, and
all vertices move at once to lower the summed squared distance along the samples' normals.

Moving all at once does not overshoot: a sample's share of a vertex's matrix is its weight there and
not that weight's square, which bounds the true matrix from above, because a sample's three weights
sum up to one (a separable majorant; Lange, MM Optimization Algorithms, 2016).

The native kernel's `refit.cpp` does the same one vertex after the other, and flips edges as well.
"""

import torch
from torch import Tensor

from .collapse import INTERIOR, Surface, ring_corners
from .quadrics import cross, dot, solve, trace

ROUNDS = 6
SWEEPS = 8  # over the vertices, in a round
SAMPLES_PER_FACE = 12
HOPS = 3  # from a vertex to the nearest one of the closest face around it
STAY = 0.0005  # pull to the old place, relative to the matrix
MIN_AGREEMENT = 0.2  # cosine between a sample's normal and its face's
MAX_TURN = 0.7  # cosine a face may turn by in a round
PUT_BACK = 8  # times that vertices of turned faces go back, before all of them stay


def refit(
    surface: Surface, samples: Tensor, normals: Tensor, weights: Tensor, home: Tensor
) -> Surface:
    """The surface with its vertices moved; borders stay.

    Parameters
    ----------
    surface : without unused vertices
    samples, normals : (S, 3) points of the source and unit normals there
    weights : (S,) areas they stand for
    home : (S,) the vertex of `surface` that each sample is near
    """
    for _ in range(ROUNDS):
        face, shares = closest_faces(surface, samples, normals, home)
        found = (face >= 0).nonzero()[:, 0]
        moved = _moved(
            surface, face[found], shares[found], samples[found], normals[found], weights[found]
        )
        surface = Surface.of(moved, surface.quadrics, surface.kinds, surface.faces)
    return surface


def take_samples(
    places: Tensor, faces: Tensor, wanted: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The middles, normals and areas of some faces, and one vertex of each."""
    if wanted < len(faces):
        # Steps of the golden ratio: equal ones would hit a regular mesh in the same places.
        chosen = torch.arange(wanted, device=faces.device) * 2654435769 % 2**32 * len(faces) >> 32
        faces = faces[chosen]
    a, b, c = (places[faces[:, i]] for i in range(3))
    doubled = cross(b - a, c - a)
    length = torch.sqrt(dot(doubled, doubled))
    good = (length > 1e-15).nonzero()[:, 0]
    length = length[good]
    middle = ((a + b + c) / 3)[good]
    return middle, doubled[good] / length[:, None], length, faces[good, 0]


def closest_faces(
    surface: Surface, samples: Tensor, normals: Tensor, home: Tensor
) -> tuple[Tensor, Tensor]:
    """For each sample a face near it that looks the same way, and barycentric weights `(S, 3)`.

    The closest of all that lie around the vertices passed on the way; -1 where none agrees.
    """
    places, faces = surface.positions, surface.faces
    corners = [places[faces[:, i]] for i in range(3)]
    doubled = cross(corners[1] - corners[0], corners[2] - corners[0])
    upright = doubled / torch.sqrt(dot(doubled, doubled)).clamp_min(1e-30)[:, None]
    best = samples.new_full((len(samples),), torch.inf)
    best_face = torch.full_like(home, -1)
    best_shares = samples.new_zeros(len(samples), 3)
    vertex = home
    for _ in range(HOPS):
        corner, there = ring_corners(surface, vertex)
        for slot in range(corner.shape[1]):
            face = corner[:, slot] // 3
            shares, distance2 = closest_on_triangles(samples, *(c[face] for c in corners))
            nearer = there[:, slot] & (distance2 < best)
            nearer &= dot(upright[face], normals) >= MIN_AGREEMENT
            best = torch.where(nearer, distance2, best)
            best_face = torch.where(nearer, face, best_face)
            best_shares = torch.where(nearer[:, None], shares, best_shares)
        nearest = best_shares.argmax(dim=1, keepdim=True)
        vertex = faces[best_face.clamp_min(0)].gather(1, nearest)[:, 0]
        vertex = torch.where(best_face >= 0, vertex, home)
    return best_face, best_shares


def closest_on_triangles(p: Tensor, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Barycentric weights `(S, 3)` of the triangles' points closest to `p`, squared distances."""
    ab, ac, ap = b - a, c - a, p - a
    d1, d2 = dot(ab, ap), dot(ac, ap)
    ab2, ac2, abac = dot(ab, ab), dot(ac, ac), dot(ab, ac)
    d3, d4, d5, d6 = d1 - ab2, d2 - abac, d1 - abac, d2 - ac2
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    # The regions of the triangle's plane, as in Ericson, Real-Time Collision Detection, 5.1.5; the
    # first that fits counts, so they are told from the last to the first.
    tiny = 1e-38
    total = va + vb + vc
    total = torch.where(total.abs() > tiny, total, tiny)
    v, w = vb / total, vc / total
    rest = ((d4 - d3) + (d5 - d6)).clamp_min(tiny)
    for region, region_v, region_w in (
        ((va <= 0) & (d4 >= d3) & (d5 >= d6), 1 - (d4 - d3) / rest, (d4 - d3) / rest),
        ((vb <= 0) & (d2 >= 0) & (d6 <= 0), 0.0, d2 / (d2 - d6).clamp_min(tiny)),
        ((d6 >= 0) & (d5 <= d6), 0.0, 1.0),
        ((vc <= 0) & (d1 >= 0) & (d3 <= 0), d1 / (d1 - d3).clamp_min(tiny), 0.0),
        ((d3 >= 0) & (d4 <= d3), 1.0, 0.0),
        ((d1 <= 0) & (d2 <= 0), 0.0, 0.0),
    ):
        v, w = torch.where(region, region_v, v), torch.where(region, region_w, w)
    offset = ap - v[:, None] * ab - w[:, None] * ac
    return torch.stack([1 - v - w, v, w], dim=-1), dot(offset, offset)


def _moved(
    surface: Surface,
    face: Tensor,
    shares: Tensor,
    samples: Tensor,
    normals: Tensor,
    weights: Tensor,
) -> Tensor:
    """New places after some sweeps, less those whose faces would turn."""
    places, count = surface.positions, len(surface.positions)
    ends = surface.faces[face]  # (S, 3)
    flat = ends.reshape(-1)
    order = torch.sort(flat.int(), stable=True).indices
    lengths = torch.bincount(flat, minlength=count)
    owner = order // 3  # the sample of each share, vertex by vertex

    def sums(values: Tensor) -> Tensor:
        return torch.segment_reduce(values, "sum", lengths=lengths, unsafe=True, initial=0)

    share = shares.reshape(-1)[order]
    pull = (weights[owner] * share)[:, None] * normals[owner]  # (3 S, 3)
    x, y, z = normals[owner].unbind(-1)
    matrix = sums(
        torch.stack(
            [
                pull[:, 0] * x,
                pull[:, 0] * y,
                pull[:, 0] * z,
                pull[:, 1] * y,
                pull[:, 1] * z,
                pull[:, 2] * z,
            ],
            dim=-1,
        )
    )
    ridge = STAY * trace(matrix)
    free = ((surface.kinds == INTERIOR) & (ridge > 0))[:, None]
    along = dot(samples, normals)
    now = places
    for _ in range(SWEEPS):
        at = (now[ends] * shares[..., None]).sum(dim=1)
        residual = along - dot(at, normals)
        gradient = sums(residual[owner][:, None] * pull) - ridge[:, None] * (now - places)
        now = torch.where(free, now + solve(matrix, gradient, ridge), now)
    return _without_turns(surface, now)


def _without_turns(surface: Surface, now: Tensor) -> Tensor:
    """`now`, but the old places for the corners of faces that have turned."""
    places, faces = surface.positions, surface.faces
    a, b, c = (places[faces[:, i]] for i in range(3))
    before = cross(b - a, c - a)
    for attempt in range(PUT_BACK + 1):
        a, b, c = (now[faces[:, i]] for i in range(3))
        after = cross(b - a, c - a)
        turn = dot(before, after)
        limit = MAX_TURN**2 * dot(before, before) * dot(after, after)
        turned = ((turn <= 0) | (turn * turn < limit)).nonzero()[:, 0]
        if len(turned) == 0:
            return now
        back = torch.zeros_like(surface.kinds, dtype=torch.bool)
        back[faces[turned]] = True
        if attempt == PUT_BACK:
            break
        now = torch.where(back[:, None], places, now)
    return places
