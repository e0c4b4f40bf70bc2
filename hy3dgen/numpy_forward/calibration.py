# SPDX-License-Identifier: Apache-2.0
"""Measures what the bundled model costs on this machine: the twin of `shapegen.calibration`.

Every stage runs up to three times on made-up input, a second or two in all on two free cores; the
least counts, for other programs only make it more.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..memory import available_bytes, give_back_freed, peak_memory, resident_bytes
from ..mesh import TriangleMesh, reduce_faces
from ..shapegen.cost_model import (
    DECODERS,
    DEFAULT_CHUNK,
    REDUCERS,
    MachineCosts,
    count_points,
    sparse_from,
)
from .autoencoder import GeometryDecoder, decode_tokens
from .denoiser import denoise, draw_noise
from .picture import square_picture
from .pipeline import NumpyPipeline, processors
from .surface import extract_surface
from .volume import BOUND, decode_grid

_ENOUGH = 0.5  # seconds after which a probe is not repeated
_REPEATS = 3
_POINT_RESOLUTION = 31  # 32,768 points: some for every thread
_BALL_RESOLUTION = 128
_RADIUS, _SMALL_RADIUS = 0.7, 0.2
_GUIDED = 2.0  # any that is not 1


class _Cost(NamedTuple):
    seconds: float
    bytes: int  # needed on top of what was held


class _Ball:
    """Stands in for a `GeometryDecoder`: a ball's field, saturated as trained ones are."""

    def __init__(self, radius: float) -> None:
        self._radius = np.float32(radius)
        self._slope = np.float32(_BALL_RESOLUTION / 8)

    def tables(self, coordinates: list[np.ndarray]) -> list[np.ndarray]:
        return coordinates

    def query(self, tables: list[np.ndarray], index: np.ndarray) -> np.ndarray:
        squares = sum(table[row] ** 2 for table, row in zip(tables, index, strict=True))
        return np.clip(self._slope * (self._radius - np.sqrt(squares)), -1, 1)


def measure_costs(pipeline: NumpyPipeline, check: Callable[[], object]) -> MachineCosts:
    """What each stage costs; `check` is called between them, and what it raises ends the work."""

    def probe(function: Callable[[], Any]) -> _Cost:
        check()
        with peak_memory() as peak:
            seconds = [_timed(function)]
        while len(seconds) < _REPEATS and sum(seconds) < _ENOUGH:
            seconds.append(_timed(function))
        return _Cost(min(seconds), peak.bytes - peak.before)

    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    picture = np.full((512, 512, 4), 128, np.uint8)
    picture[..., 3] = np.where(x * x + y * y < 0.5, 255, 0)
    made: dict[str, Any] = {}

    def prepare() -> None:
        made["picture"] = square_picture(picture, pipeline._encode.size, pipeline._border_ratio)

    def condition() -> None:
        made["condition"] = pipeline._encode(made["picture"])

    def tokens() -> None:
        latents = decode_tokens(noise, pipeline._vae, pipeline._vae_config)
        made["decoder"] = GeometryDecoder(latents, pipeline._vae, pipeline._vae_config)

    give_back_freed()
    prepare_cost, condition_cost = probe(prepare), probe(condition)
    noise = draw_noise(pipeline._latent_shape, 0)
    with ThreadPoolExecutor(processors()) as pool:

        def step(guidance: float) -> Callable[[], object]:
            # Two times, of which the last costs nothing.
            return lambda: denoise(
                pipeline._denoiser, noise, made["condition"], 2, guidance, pool, _ignore
            )

        plain, guided, latents = probe(step(1.0)), probe(step(_GUIDED)), probe(tokens)
        points = probe(lambda: decode_grid(made["decoder"], _POINT_RESOLUTION, pool, _ignore))
        count = (_POINT_RESOLUTION + 1) ** 3
        surface = _surface_costs(probe, pool)
    point = points.seconds / count
    return MachineCosts(
        device="cpu (numpy)",
        prepare=prepare_cost.seconds,
        condition=condition_cost.seconds,
        step=plain.seconds,
        guided_step=guided.seconds,
        latents=latents.seconds,
        query=0.0,  # chunks are of one size, so it is in the points
        points=dict.fromkeys(DECODERS, point),
        largest_chunk=DEFAULT_CHUNK,
        stage_bytes=max(cost.bytes for cost in (condition_cost, plain, guided, latents)),
        point_bytes=points.bytes / count,
        **_memory_now(),
        **surface,
    )


def with_memory_now(costs: MachineCosts) -> MachineCosts:
    """The same, but for what memory is held and free."""
    return replace(costs, **_memory_now())


def _surface_costs(
    probe: Callable[[Callable[[], Any]], _Cost], pool: ThreadPoolExecutor
) -> dict[str, Any]:
    """What grids and surfaces cost beside asking the network."""
    cells = (_BALL_RESOLUTION + 1) ** 3
    grids, meshes = [], []

    def decode(radius: float) -> np.ndarray:
        return decode_grid(_Ball(radius), _BALL_RESOLUTION, pool, _ignore)

    for radius in (_RADIUS, _SMALL_RADIUS):
        grids.append(decode(radius))
        meshes.append(extract_surface(grids[-1], BOUND))
    decoded = probe(lambda: decode(_RADIUS))
    large, small = (probe(lambda grid=grid: extract_surface(grid, BOUND)) for grid in grids)
    faces, few_faces = (len(mesh[1]) for mesh in meshes)
    face = max((large.seconds - small.seconds) / (faces - few_faces), 0.0)
    extract = max(small.seconds - face * few_faces, 0.0) / cells
    mesh = TriangleMesh(*meshes[0])
    decode_bytes = max(decoded.bytes / cells, 4.0)
    # A full grid is made at every resolution.
    resolution = sparse_from("cpu")
    side, asked = resolution + 1, count_points("coarse_to_fine", resolution)
    return {
        "cells": decoded.seconds / cells,
        "extract": extract,
        "extract_faces": face,
        "reduce_faces": {
            name: probe(lambda name=name: reduce_faces(mesh, faces // 4, name)).seconds / faces
            for name in REDUCERS
        },
        "decode_bytes": decode_bytes,
        "extract_bytes": 4 + max(large.bytes, small.bytes) / cells,
        "sparse_point": (decoded.seconds / cells + extract) * side**3 / asked,
        "sparse_bytes": decode_bytes * side**3 / asked,
    }


def _memory_now() -> dict[str, int]:
    return {"held_bytes": resident_bytes(), "free_bytes": available_bytes()}


def _timed(function: Callable[[], Any]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def _ignore(step: int, total: int) -> None:
    pass
