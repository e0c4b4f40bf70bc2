# SPDX-License-Identifier: Apache-2.0
"""Face reduction in parallel: rounds of edge collapses that do not disturb each other.

A round prices every edge, ranks the cheap ones, and merges all that are the first in rank among the
candidates around them; those that they block are asked again a few times, so that a round takes out
as many as fit. Ranks are coarse prices with a scrambled edge number behind: along a slope of exact
prices a round could take one edge only.

The same input gives the same mesh, run after run: whatever decides is an integer, or computed
element by element, or summed in a fixed order.

Knows nothing about files or settings. `hy3dgen.mesh.reduce_faces` is its twin on the processor.
"""

from collections.abc import Callable
from dataclasses import replace
from numbers import Integral

import torch
from torch import Tensor

from ..errors import InvalidMeshError, InvalidSettingError
from ..mesh import TriangleMesh
from ..mesh import reduce_faces as reduce_on_processor
from .collapse import (
    BORDER,
    FIXED,
    INTERIOR,
    LAST_RESORT,
    MAX_VALENCE,
    THIN_FACES,
    USUAL,
    Limits,
    Surface,
    judge,
    nearest_rank,
    ring,
)
from .devices import chosen
from .fused_reduce import MOST_AROUND, Collapse, Kernels
from .fused_reduce import refit as refit_by_kernels
from .mesh_kernels import mesh_kernels
from .quadrics import cross, dot, moved, plane_quadrics, price_edges
from .refit import SAMPLES_PER_FACE, refit, take_samples

Progress = Callable[[float], object]

# Edges a round looks at for each collapse that is still needed: the cheapest ones. More of them,
# step by step, while rounds remove less than a twentieth of the vertices.
_EDGES_PER_COLLAPSE, _MORE_EDGES = 2.0, 1.5
_BUSY_ROUND = 0.1  # of the faces
_STUCK_BELOW = 0.02  # of what a round tried
_BORDER_WEIGHT = 3.0  # of the walls that stand on borders, against faces of their area
_ASKED_AGAIN = 4  # times in a round
_ASKED_AGAIN_BY_KERNELS = 8  # they cost less there
# Bits of a float32 price that do not count for its rank; eight ranks for a doubling remain.
_RANK_SHIFT = 20


def reduce_faces(
    mesh: TriangleMesh,
    target_faces: int,
    method: str = "quality",
    progress: Progress | None = None,
    threads: int | None = None,
    device: str | torch.device | None = None,
) -> TriangleMesh:
    """`hy3dgen.mesh.reduce_faces`, on a GPU if there is one.

    Parameters
    ----------
    method, threads : for the processor; a GPU has one method
    device : 'cpu' is the native kernel; None a CUDA GPU, or the kernel where there is none
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if torch.device(device).type == "cpu":
        return reduce_on_processor(mesh, target_faces, method, progress, threads)
    mesh.require_faces("reducing faces")
    vertices = torch.from_numpy(mesh.vertices).to(device)
    faces = torch.from_numpy(mesh.faces).to(device)
    vertices, faces = reduce_surface(vertices, faces, target_faces, progress)
    if faces is None or len(faces) == 0:
        raise InvalidMeshError(
            f"All {len(mesh.faces)} faces of the mesh have no area, so there is no surface to "
            "reduce; was it scaled to nothing?"
        )
    return TriangleMesh(vertices.cpu().numpy(), faces.cpu().numpy())


def reduce_surface(
    vertices: Tensor, faces: Tensor, target_faces: int, progress: Progress | None = None
) -> tuple[Tensor, Tensor]:
    """Vertices `(V', 3) float32` and at most `target_faces` faces `(F', 3)` of a surface.

    A two-manifold, with borders or without, stays one. Vertices at an edge with more than two
    faces, or with faces that do not agree on what is outside, stay where they are. Parts, holes and
    handles are kept, so more faces can be left than were asked for.

    Parameters
    ----------
    vertices, faces : (V, 3) float and (F, 3) integers on one device, in any length unit; they stay
        as they are
    progress : called with a fraction 0..1 after every round; what it raises stops the work

    Returns
    -------
    tuple
        Unused vertices removed, the faces in the dtype they came in. Small enough already: the
        arguments.

    Source: Garland & Heckbert 1997; the rounds are ours.
    """
    whole = isinstance(target_faces, Integral) and not isinstance(target_faces, bool)
    if not whole or target_faces < 1:
        raise InvalidSettingError(
            f"target_faces is {target_faces!r}, but a whole number of at least 1 is wanted."
        )
    if len(faces) <= target_faces:
        return vertices, faces
    low, high = vertices.amin(dim=0), vertices.amax(dim=0)
    centre, size = 0.5 * (low + high), (high - low).amax().clamp_min(1e-30)
    places, proper = ((vertices - centre) / size).float(), _proper(faces.long())
    kernels = mesh_kernels(vertices.device)
    if kernels is not None and _few_around(proper, len(places)):
        with chosen(vertices.device):
            reduced, numbered = _by_kernels(kernels, places, proper, int(target_faces), progress)
    else:
        reduced, numbered = _by_tensors(places, proper, int(target_faces), progress)
    return reduced * size + centre, numbered.to(faces.dtype)


def _few_around(faces: Tensor, vertex_count: int) -> bool:
    if len(faces) == 0:
        return False
    return int(torch.bincount(faces.reshape(-1), minlength=vertex_count).max()) <= MOST_AROUND


def _by_tensors(
    places: Tensor, faces: Tensor, target: int, progress: Progress | None
) -> tuple[Tensor, Tensor]:
    source = _first_surface(places, faces)
    surface, home = _reduced(source, target, progress)
    used, numbered, new_number = _renumbered(surface.faces, home)
    surface = Surface.of(
        surface.positions[used], surface.quadrics[used], surface.kinds[used], numbered
    )
    if len(numbered):
        *samples, vertex = take_samples(places, faces, SAMPLES_PER_FACE * len(numbered))
        surface = refit(surface, *samples, new_number[home[vertex]])
    return surface.positions, numbered


def _by_kernels(
    kernels: Kernels, places: Tensor, faces: Tensor, target: int, progress: Progress | None
) -> tuple[Tensor, Tensor]:
    """The same by compiled kernels, which add up in another order."""
    work = Collapse(
        kernels, places.contiguous(), faces.int(), _BORDER_WEIGHT, _ASKED_AGAIN_BY_KERNELS
    )
    _run_rounds(work, target, progress)
    result = work.result()
    used, numbered, new_number = _renumbered(result.faces, result.home)
    kept = result.places[used]
    if len(numbered):
        *samples, vertex = take_samples(places, faces, SAMPLES_PER_FACE * len(numbered))
        home = new_number[result.home[vertex].long()].int()
        kept = refit_by_kernels(kernels, kept, result.kinds[used], numbered.int(), *samples, home)
    return kept, numbered


def _renumbered(faces: Tensor, home: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Vertices that faces use, the faces in their numbers, and the new number of each old one."""
    used, numbered = torch.unique(faces.long(), return_inverse=True)
    new_number = torch.full_like(home, -1, dtype=torch.int64)
    new_number[used] = torch.arange(len(used), device=used.device)
    return used, numbered, new_number


class _ByTensors:
    """Rounds over one surface by tensor operations.

    Attributes
    ----------
    home : (V,) the vertex that each vertex went into
    """

    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self.home = torch.arange(len(surface.positions), device=surface.faces.device)

    @property
    def faces(self) -> Tensor:
        return self.surface.faces

    def round(self, excess: int, wanted: int, limits: Limits) -> tuple[int, int, bool]:
        alive = len(self.surface.faces)
        self.surface, into, tried, all_tried = _round(self.surface, excess, wanted, limits)
        self.home = into[self.home]
        return alive - len(self.surface.faces), tried, all_tried


def _reduced(surface: Surface, target: int, progress: Progress | None) -> tuple[Surface, Tensor]:
    """The surface with few faces, and the vertex that each of its vertices went into, `(V,)`."""
    work = _ByTensors(surface)
    _run_rounds(work, target, progress)
    return work.surface, work.home


def _run_rounds(work: _ByTensors | Collapse, target: int, progress: Progress | None) -> None:
    """Rounds until few faces are left, or none can go."""
    start = len(work.faces)
    limits = [USUAL, THIN_FACES, LAST_RESORT]
    wider = 1.0
    while (alive := len(work.faces)) > target:
        excess = alive - target
        wanted = int(_EDGES_PER_COLLAPSE * wider * ((excess + 1) // 2)) + alive // 500
        removed, tried, all_tried = work.round(excess, wanted, limits[0])
        if progress is not None:
            progress((start - len(work.faces)) / (start - target))
        if removed >= min(_BUSY_ROUND * alive, excess):
            wider = max(wider / _MORE_EDGES, 1.0)
        elif not all_tried:
            wider *= _MORE_EDGES
        elif removed < _STUCK_BELOW * tried or removed == 0:
            if len(limits) == 1:
                break
            limits.pop(0)
    if progress is not None:
        progress(1.0)


def _round(
    surface: Surface, excess: int, wanted: int, limits: Limits
) -> tuple[Surface, Tensor, int, bool]:
    """The surface after one round over the `wanted` cheapest edges.

    Also the vertex that each vertex went into, how many edges were tried, and whether those were
    all.
    """
    into = torch.arange(len(surface.positions), device=surface.faces.device)
    u, v = _edges(surface)
    cost, at = price_edges(surface.positions, surface.quadrics, surface.kinds, u, v)
    valences = surface.valences[u], surface.valences[v]
    chosen = torch.maximum(*valences) <= MAX_VALENCE
    chosen &= valences[0] + valences[1] <= MAX_VALENCE + 4  # two faces go, each has two ends there
    all_tried = wanted >= len(cost)
    if not all_tried:
        chosen &= cost <= torch.kthvalue(cost, wanted).values
    chosen = chosen.nonzero()[:, 0]
    u, v, at, rank = u[chosen], v[chosen], at[chosen], _ranks(cost[chosen], chosen)
    tried = len(chosen)
    merges = []
    for _ in range(_ASKED_AGAIN):
        least = nearest_rank(u, v, rank, len(surface.positions))
        first = ((least[u] == rank) & (least[v] == rank)).nonzero()[:, 0]
        if len(first) == 0:
            break
        verdict = judge(surface, u[first], v[first], at[first], rank[first], least, limits)
        good = (verdict.allowed & ~verdict.conflict).nonzero()[:, 0]
        index = first[good]
        merges.append((u[index], v[index], verdict.at[good], verdict.removed[good], rank[index]))
        keep = torch.ones_like(rank, dtype=torch.bool)
        keep[first] = verdict.allowed
        near = _neighbourhood(surface, torch.cat([u[index], v[index]]))
        keep &= ~(near[u] | near[v])
        u, v, at, rank = u[keep], v[keep], at[keep], rank[keep]
    if not merges:
        return surface, into, tried, all_tried
    u, v, at, removed, rank = (torch.cat(parts) for parts in zip(*merges, strict=True))
    if 2 * len(u) > excess:  # the cheapest that are enough
        order = rank.argsort()
        order = order[: int((removed[order].cumsum(0) < excess).sum()) + 1]
        u, v, at = u[order], v[order], at[order]
    into[v] = u
    return _merged(surface, u, v, at, into), into, tried, all_tried


def _ranks(cost: Tensor, number: Tensor) -> Tensor:
    """Different integers, smaller for what is clearly cheaper."""
    coarse = cost.view(torch.int32).long() >> _RANK_SHIFT
    # Odd factors and shifts turn 32-bit numbers into each other, no two into the same.
    number = (number * 2654435769) & 0xFFFFFFFF
    number = ((number ^ (number >> 15)) * 2246822519) & 0xFFFFFFFF
    return coarse << 32 | number ^ (number >> 13)


def _neighbourhood(surface: Surface, vertices: Tensor) -> Tensor:
    """Marks `(V,)` of all vertices in the faces around some."""
    marks = torch.zeros_like(surface.kinds, dtype=torch.bool)
    around = ring(surface, vertices)
    marks[around.after[around.there]] = True
    marks[around.before[around.there]] = True
    return marks


def _merged(surface: Surface, u: Tensor, v: Tensor, at: Tensor, into: Tensor) -> Surface:
    """Every `v` merged into its `u`, which then stands `at`."""
    places, quadrics, kinds = surface.positions, surface.quadrics.clone(), surface.kinds.clone()
    quadrics[u] = moved(quadrics[u], at - places[u]) + moved(quadrics[v], at - places[v])
    kinds[u] = torch.maximum(kinds[u], kinds[v])
    places = places.index_copy(0, u, at)
    faces = _proper(into[surface.faces])
    return Surface.of(places, quadrics, kinds, faces)


def _proper(faces: Tensor) -> Tensor:
    """Faces with three different corners."""
    a, b, c = faces.unbind(1)
    return faces[(a != b) & (b != c) & (c != a)]


def _edges(surface: Surface) -> tuple[Tensor, Tensor]:
    """Ends of every edge: of its two half edges the one that runs upwards, of one that one."""
    a = surface.faces.reshape(-1)
    b = surface.faces.roll(-1, dims=1).reshape(-1)
    wanted = a < b
    held = ((surface.kinds[a] != INTERIOR) & (surface.kinds[b] != INTERIOR)).nonzero()[:, 0]
    if len(held):
        count = len(surface.positions)
        key, twin = a[held] * count + b[held], b[held] * count + a[held]
        wanted[held[~torch.isin(twin, key)]] = True
    wanted = wanted.nonzero()[:, 0]
    return a[wanted], b[wanted]


def _first_surface(places: Tensor, faces: Tensor) -> Surface:
    """With the kinds and quadrics of an untouched surface."""
    kinds, border = _kinds(faces, len(places))
    surface = Surface.of(places, places.new_zeros(len(places), 10), kinds, faces)
    corner, after, opposite = (places[faces[:, i]] for i in range(3))
    doubled = cross(after - corner, opposite - corner)
    length = torch.sqrt(dot(doubled, doubled))
    normal = torch.where(length[:, None] > 1e-15, doubled / length.clamp_min(1e-30)[:, None], 0.0)
    planes = plane_quadrics(normal, length / 6)[surface.corners // 3]
    quadrics = torch.segment_reduce(planes, "sum", lengths=surface.valences, unsafe=True, initial=0)
    if len(border):
        # A wall on the border, as wide as the edge is long, keeps the border's course.
        start = faces.reshape(-1)[border]
        end = faces.roll(-1, dims=1).reshape(-1)[border]
        edge = places[end] - places[start]
        wall = cross(edge, normal[border // 3])
        width2 = dot(wall, wall)
        walls = plane_quadrics(
            wall / torch.sqrt(width2).clamp_min(1e-30)[:, None], _BORDER_WEIGHT * width2
        )
        for vertex in (start, end):  # every vertex once, but where several borders meet
            quadrics[vertex] += walls
    return replace(surface, quadrics=quadrics)


def _kinds(faces: Tensor, vertex_count: int) -> tuple[Tensor, Tensor]:
    """What vertices may do `(V,)`, and the half edges that have a face on one side only."""
    a, b = faces.reshape(-1), faces.roll(-1, dims=1).reshape(-1)
    key, order = torch.sort(a * vertex_count + b)
    twin = b * vertex_count + a
    place = torch.searchsorted(key, twin).clamp_max(len(key) - 1)
    border = (key[place] != twin).nonzero()[:, 0]
    repeated = order[1:][key[1:] == key[:-1]]
    kinds = torch.zeros(vertex_count, dtype=torch.uint8, device=faces.device)
    kinds[torch.cat([a[border], b[border]])] = BORDER
    meeting = torch.bincount(a[border], minlength=vertex_count) > 1
    kinds[meeting] = FIXED
    kinds[torch.cat([a[repeated], b[repeated]])] = FIXED
    return kinds, border
