# SPDX-License-Identifier: Apache-2.0
"""Pools of training data that lie whole on the training device.

A shape pool holds programs with a surface cloud and supervised points, for the autoencoder and as
the input of latents; a picture pool holds pictures of the same programs. Everything is made from
(seed, index), nothing is read from disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hy3dgen.shapegen.models.autoencoders.point_sampling import farthest_points

from .architecture import NUM_LATENTS, SURFACE_POINTS
from .programs.batch import ProgramBatch
from .programs.recentre import recentre_on_gpu
from .programs.render import random_cameras, random_lights, render
from .programs.sampling import supervision, surface_points
from .programs.sdf import evaluate

TRAINING_SEED = 20_261_123
"""Every program that the bundled model has seen has this seed; evaluation refuses it."""

QUERIES = 4096
RENDER_SIZE = 128


@dataclass(frozen=True)
class ShapePool:
    """N programs, a cloud of each, and points with signed distances.

    clouds : (N, 2048, 6) float16 positions and normals, the first 64 of them far apart
    queries : (N, 4096, 4) float16 positions and signed distance, in random order
    """

    programs: ProgramBatch
    clouds: Tensor
    queries: Tensor

    def __len__(self) -> int:
        return len(self.programs)


def make_shape_pool(
    programs: ProgramBatch,
    generator: torch.Generator,
    with_queries: bool = True,
    chunk: int = 512,
) -> ShapePool:
    """A pool of these programs, on their device."""
    count, device = len(programs), programs.device
    clouds = torch.empty(count, SURFACE_POINTS, 6, dtype=torch.float16, device=device)
    queries = torch.empty(
        count if with_queries else 0, QUERIES, 4, dtype=torch.float16, device=device
    )
    for rows in _chunks(count, chunk):
        part = programs[rows]
        points, normals = surface_points(part, SURFACE_POINTS, generator)
        clouds[rows] = order_cloud(points, normals).half()
        if with_queries:
            queries[rows] = _supervise(part, points, generator)
    return ShapePool(programs, clouds, queries)


def order_cloud(points: Tensor, normals: Tensor) -> Tensor:
    """The cloud `(B, N, 6)` with its farthest points moved to the front."""
    cloud = torch.cat([points, normals], dim=-1)
    far = farthest_points(points, NUM_LATENTS)  # (B, K)
    rest = torch.ones(points.shape[:2], dtype=torch.int8, device=points.device)
    rest.scatter_(1, far, 0)
    order = torch.cat([far, rest.argsort(dim=1, descending=True, stable=True)], dim=1)
    order = order[:, : points.shape[1]]  # the K chosen ones come again at the very end
    return cloud.gather(1, order[..., None].expand(-1, -1, 6))


def _supervise(programs: ProgramBatch, surface: Tensor, generator: torch.Generator) -> Tensor:
    points, _ = supervision(programs, QUERIES, generator, surface=surface)
    shuffle = torch.randperm(QUERIES, generator=generator, device=points.device)
    points = points[:, shuffle].half()
    distances = evaluate(programs, points.float())  # at the rounded positions
    return torch.cat([points, distances[..., None].half()], dim=-1)


def make_pictures(programs: ProgramBatch, seed: int, first: int, chunk: int = 512) -> Tensor:
    """One picture of each program, as the pipeline's image processor would hand it on.

    Returns
    -------
    Tensor
        (N, 3, 112, 112) uint8; camera, light and backdrop follow from (seed, first + row).
    """
    pictures = []
    for rows in _chunks(len(programs), chunk):
        part = programs[rows]
        numbers = range(first + rows.start, first + rows.stop)
        cameras = random_cameras(seed, numbers, part)
        lights = random_lights(seed, numbers, programs.device)
        rgba = render(part, cameras, lights, RENDER_SIZE)
        pictures.append(((recentre_on_gpu(rgba) + 1) * 127.5).round().to(torch.uint8))
    return torch.cat(pictures)


def encode_clouds(
    encode: Callable[[Tensor], tuple[Tensor, Tensor]], clouds: Tensor, chunk: int = 1024
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (N, K, E) float16 of the latents of every cloud."""
    means, deviations = [], []
    for rows in _chunks(len(clouds), chunk):
        mean, deviation = encode(clouds[rows].float())
        means.append(mean.half())
        deviations.append(deviation.half())
    return torch.cat(means), torch.cat(deviations)


def _chunks(count: int, size: int) -> list[slice]:
    return [slice(i, min(i + size, count)) for i in range(0, count, size)]
