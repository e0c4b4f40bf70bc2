# SPDX-License-Identifier: Apache-2.0
"""Face reduction by compiled kernels: the rounds of `reduce` and the moves of `refit`, fused.

Each kernel (`cuda/collapse.cu`, `cuda/refit.cu`) does for one edge, vertex or sample what the plain
functions do in dozens of tensor operations, so a round is some thirty launches instead of
thousands. It waits for the GPU once a round, to learn how many faces went.
"""

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from .collapse import VOLUME_REACH, VOLUME_RIDGE, Limits
from .quadrics import LENGTH_COST, MAX_REACH, RIDGE
from .refit import HOPS, MAX_TURN, MIN_AGREEMENT, PUT_BACK, ROUNDS, STAY, SWEEPS

Progress = Callable[[float], object]

BINS = 1 << 16  # of prices: the upper 16 bits of a positive float32
_FIRST_EPOCH = 0xFFFE  # earlier offers are larger than later ones
MOST_AROUND = 4096  # faces at a vertex; more would keep one thread busy for long


class Kernels(Protocol):
    """What runs kernels: `nvrtc.CudaKernels`, or what the tests compile for the processor."""

    def launch(self, name: str, count: int, *arguments: Any) -> None: ...


class Corners(NamedTuple):
    """Corners `3 face + i` around each vertex, as in `collapse.Surface`, int32."""

    starts: Tensor
    valences: Tensor
    corners: Tensor


class Reduced(NamedTuple):
    """What rounds of collapses leave.

    Attributes
    ----------
    places, kinds : (V, 3) and (V,); only vertices that `faces` name count
    faces : (F, 3) int32
    home : (V,) int32, the vertex that each vertex went into
    """

    places: Tensor
    kinds: Tensor
    faces: Tensor
    home: Tensor


def corners_around(kernels: Kernels, faces: Tensor, vertex_count: int) -> Corners:
    count = faces.numel()
    valences = torch.zeros(vertex_count, dtype=torch.int32, device=faces.device)
    kernels.launch("count_corners", count, count, faces, valences)
    starts = torch.cumsum(valences, 0, dtype=torch.int32) - valences
    corners = torch.empty(count, dtype=torch.int32, device=faces.device)
    kernels.launch("fill_corners", count, count, faces, starts.clone(), corners)
    kernels.launch("sort_corners", vertex_count, vertex_count, starts, valences, corners)
    return Corners(starts, valences, corners)


def first_quadrics(
    kernels: Kernels, places: Tensor, faces: Tensor, around: Corners, wall_weight: float
) -> tuple[Tensor, Tensor]:
    """Kinds `(V,) uint8` and quadrics `(V, 10)` of an untouched surface."""
    count = len(places)
    kinds = torch.empty(count, dtype=torch.uint8, device=places.device)
    quadrics = places.new_empty(count, 10)
    kernels.launch(
        "first_quadrics", count, count, faces, *around, places, wall_weight, kinds, quadrics
    )
    return kinds, quadrics


class Collapse:
    """Rounds over one surface; buffers are made once.

    Parameters
    ----------
    places, faces : (V, 3) float32, in a box of size 1, and (F, 3) int32 of proper faces; they stay
    asked_again : times that blocked candidates are asked in a round
    """

    def __init__(
        self, kernels: Kernels, places: Tensor, faces: Tensor, wall_weight: float, asked_again: int
    ) -> None:
        self._kernels, self._asked_again = kernels, asked_again
        self.places, self.faces = places.clone(), faces.clone()
        self._around = corners_around(kernels, faces, len(places))
        self.kinds, self._quadrics = first_quadrics(
            kernels, places, faces, self._around, wall_weight
        )
        device, count = faces.device, faces.numel()

        def whole(*shape: int, fill: int = 0, dtype: torch.dtype = torch.int32) -> Tensor:
            return torch.full(shape, fill, dtype=dtype, device=device)

        self._into = torch.arange(len(places), dtype=torch.int32, device=device)
        self._marks = whole(len(places))
        self._least = whole(len(places), fill=-1, dtype=torch.int64)
        self._costs, self._at = places.new_empty(count), places.new_empty(count, 3)
        self._chosen, self._state = whole(count), whole(count)
        self._merged, self._removed, self._winners = whole(count), whole(count), whole(count)
        self._round, self._epoch = 0, _FIRST_EPOCH

    def round(self, excess: int, wanted: int, limits: Limits) -> tuple[int, int, bool]:
        """Merge among the `wanted` cheapest edges, until `excess` faces are gone.

        Faces that went, edges that were tried, and whether those were all.
        """
        tally, total = self._choose(wanted)
        self._round += 1
        for time in range(self._asked_again):
            self._ask(tally, time, limits)
        tried, merges, removed, total = torch.cat([tally[:3], total.int()]).tolist()
        merged = self._merged[:merges]
        if 2 * merges > excess:
            merged, removed = self._cheapest(merged, excess)
        if len(merged):
            self._merge(merged, removed)
        return removed, tried, tried == total

    def _choose(self, wanted: int) -> tuple[Tensor, Tensor]:
        """Tally with the number of candidates, and the number of all edges, on the device."""
        histogram = self._marks.new_zeros(BINS)
        count = self.faces.numel()
        self._kernels.launch(
            "price", count, count, self.faces, *self._around, self.places, self._quadrics,
            self.kinds, RIDGE, LENGTH_COST, MAX_REACH, self._costs, histogram,
        )  # fmt: skip
        up_to = torch.cumsum(histogram, 0)
        bin_ = torch.searchsorted(up_to, up_to.new_full((1,), wanted)).int()
        tally = self._marks.new_zeros(3 + self._asked_again)
        self._kernels.launch(
            "choose", count, count, self._costs, bin_, self._chosen, self._state, tally
        )
        return tally, up_to[-1:]

    def _ask(self, tally: Tensor, time: int, limits: Limits) -> None:
        if self._epoch == 0:
            self._least.fill_(-1)
            self._epoch = _FIRST_EPOCH
        self._epoch -= 1
        epoch = ctypes.c_longlong(self._epoch)
        most = self.faces.numel()  # as many as could be; the tally knows how many there are
        self._kernels.launch(
            "offer", most, tally, self._chosen, self._costs, self.faces, self._marks, self._round,
            epoch, self._state, self._least,
        )  # fmt: skip
        self._kernels.launch(
            "list_winners", most, tally, time, self._chosen, self._costs, self.faces, epoch,
            self._least, self._state, self._winners,
        )  # fmt: skip
        self._kernels.launch(
            "judge", most, tally, time, self._winners, self._chosen, self._costs, self.faces,
            *self._around, self.places, self._quadrics, self.kinds, RIDGE, LENGTH_COST, MAX_REACH,
            VOLUME_RIDGE, VOLUME_REACH, limits.min_cosine, limits.min_shape, self._round, epoch,
            self._least, self._state, self._marks, self._merged, self._removed, self._at,
        )  # fmt: skip

    def _cheapest(self, merged: Tensor, excess: int) -> tuple[Tensor, int]:
        """The cheapest merges that are enough, and how many faces go with them."""
        ranks = torch.empty(len(merged), dtype=torch.int64, device=merged.device)
        self._kernels.launch(
            "ranks_of", len(merged), len(merged), merged, self._chosen, self._costs, ranks
        )
        order = ranks.argsort()
        gone = self._removed[: len(merged)][order].cumsum(0)
        enough = int((gone < excess).sum()) + 1
        enough = min(enough, len(merged))
        return merged[order[:enough]], int(gone[enough - 1])

    def _merge(self, merged: Tensor, removed: int) -> None:
        launch = self._kernels.launch
        launch(
            "merge", len(merged), len(merged), merged, self._chosen, self._at, self.faces,
            self.places, self._quadrics, self.kinds, self._into,
        )  # fmt: skip
        count = len(self.faces)
        stays = self._marks.new_empty(count)
        launch("relabel", count, count, self._into, self.faces, stays)
        ends = torch.cumsum(stays, 0, dtype=torch.int32)
        faces = self.faces.new_empty(count - removed, 3)
        launch("compact", count, count, self.faces, stays, ends, faces)
        self.faces = faces
        self._around = corners_around(self._kernels, faces, len(self.places))

    def result(self) -> Reduced:
        home = torch.empty_like(self._into)
        self._kernels.launch("follow", len(home), len(home), self._into, home)
        return Reduced(self.places, self.kinds, self.faces, home)


def refit(
    kernels: Kernels,
    places: Tensor,
    kinds: Tensor,
    faces: Tensor,
    samples: Tensor,
    normals: Tensor,
    weights: Tensor,
    home: Tensor,
) -> Tensor:
    """New places `(V, 3)`; see `refit.refit`. `faces` and `home` are int32."""
    around = corners_around(kernels, faces, len(places))
    samples, normals = samples.contiguous(), normals.contiguous()
    weights = (weights / weights.sum()).contiguous()
    vertices, count, face_count = len(places), len(samples), len(faces)
    face_normals = places.new_empty(face_count, 3)
    nearest = torch.empty(count, dtype=torch.int32, device=places.device)
    shares = torch.empty_like(samples)
    matrices = torch.zeros(vertices, 6, dtype=torch.int64, device=places.device)
    gradients = torch.zeros(vertices, 3, dtype=torch.int64, device=places.device)
    back = torch.zeros(vertices, dtype=torch.int32, device=places.device)
    turned = torch.zeros(PUT_BACK + 1, dtype=torch.int32, device=places.device)
    for _ in range(ROUNDS):
        kernels.launch("face_normals", face_count, face_count, faces, places, face_normals)
        kernels.launch(
            "closest_face", count, count, samples, normals, home, faces, *around, places,
            face_normals, HOPS, MIN_AGREEMENT, nearest, shares,
        )  # fmt: skip
        matrices.zero_()
        kernels.launch(
            "add_matrices", count, count, nearest, shares, normals, weights, faces, matrices
        )
        now = places.clone()
        for _ in range(SWEEPS):
            kernels.launch(
                "add_gradients", count, count, nearest, shares, samples, normals, weights, faces,
                now, gradients,
            )  # fmt: skip
            kernels.launch(
                "step", vertices, vertices, kinds, matrices, places, STAY, gradients, now
            )
        turned.zero_()
        for attempt in range(PUT_BACK + 1):
            kernels.launch(
                "find_turned", face_count, face_count, faces, places, now, MAX_TURN, attempt,
                turned, back,
            )  # fmt: skip
            kernels.launch(
                "put_back", vertices, vertices, places, attempt, PUT_BACK, turned, back, now
            )
        places = now
    return places
