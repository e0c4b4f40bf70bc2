# SPDX-License-Identifier: Apache-2.0
"""Measures what a pipeline costs on this machine: the figures that `cost_model` reckons with.

Each stage runs once or a few times on made-up input of the true shapes, a second or two in all for
a small model. What a process has measured it remembers. Fields of a ball stand in for decoded ones
where only bookkeeping is measured, so that random weights will do.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import MissingDependencyError
from ..gpu.reduce import reduce_surface
from ..memory import available_bytes, give_back_freed, peak_memory, resident_bytes
from ..mesh import TriangleMesh, reduce_faces
from ..model_defaults import STANDARD, TURBO, Defaults
from .cost_model import REDUCERS, MachineCosts, ModelTraits
from .devices import free_cached_memory, usable_memory
from .models.autoencoders.attention_blocks import KeysValues
from .models.autoencoders.coarse_to_fine import CoarseToFineVolumeDecoder
from .models.autoencoders.field import Field, chunk_limit
from .models.autoencoders.flash_vdm import FlashVDMVolumeDecoding, RegionField
from .models.autoencoders.surface_extractors import MCSurfaceExtractor, surface_on_device
from .sampling import denoise, retrieve_timesteps
from .schedulers import ConsistencyFlowMatchEulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler
from .step_saving import synchronised_clock

_ENOUGH = 0.4  # seconds after which a probe is not repeated
_REPEATS = 3
_SLOW_STEP = 2.0
_QUICK_STEP = 0.2
# FlashVDM keeps a third of the latents. Of a few dozen that is too few to tell a surface from.
_FLASH_LATENTS = 512
_RADIUS, _SMALL_RADIUS = 0.7, 0.2

_known: dict[Any, MachineCosts] = {}


class _Cost(NamedTuple):
    seconds: float
    bytes: int  # needed on top of what was held


class BallDecoder:
    """Stands in for a geometry decoder: a ball's field, saturated as trained ones are."""

    def __init__(self, radius: float, octree_resolution: int) -> None:
        self.radius = radius
        self.slope = octree_resolution / 8.0  # saturates some cells from the surface

    def project(self, latents: Tensor) -> KeysValues:
        return KeysValues(latents, latents)

    def query(self, projected: KeysValues, queries: Tensor) -> Tensor:
        distance = self.radius - queries.square().sum(-1, keepdim=True).sqrt()
        return (self.slope * distance).clamp(-1.0, 1.0)


def model_traits(pipeline: Any, defaults: Defaults | None = None) -> ModelTraits:
    """What the pipeline's model is usually asked for; `defaults` are its folder's."""
    if defaults is None:
        turbo = isinstance(pipeline.scheduler, ConsistencyFlowMatchEulerDiscreteScheduler)
        defaults = TURBO if turbo else STANDARD
    return ModelTraits(
        num_inference_steps=defaults.num_inference_steps,
        guidance_scale=defaults.guidance_scale,
        octree_resolution=defaults.octree_resolution,
        guided=not pipeline.model.guidance_embed,
        last_step_is_empty=isinstance(pipeline.scheduler, FlowMatchEulerDiscreteScheduler),
        flashvdm=pipeline.vae.latent_shape[0] >= _FLASH_LATENTS,
    )


def machine_costs(pipeline: Any, traits: ModelTraits) -> MachineCosts:
    """Costs on the pipeline's device, measured unless this process has; memory as it is now."""
    networks = (pipeline.conditioner, pipeline.model, pipeline.vae)
    key = (
        str(pipeline.device),
        pipeline.dtype,
        torch.get_num_threads(),
        pipeline._offload is not None,
        pipeline.max_memory,
        traits,
        pipeline.vae.latent_shape,
        tuple((type(n).__name__, sum(p.numel() for p in n.parameters())) for n in networks),
    )
    if key not in _known:
        _known[key] = measure_costs(pipeline, traits)
    held, free = _memory_now(pipeline.device)
    if pipeline.memory_limit is not None:
        free = max(min(free, int(pipeline.memory_limit) - held), 0)
    return replace(_known[key], held_bytes=held, free_bytes=free)


def forget_measurements() -> None:
    """Measure anew when next asked, for instance after other programs have ended."""
    _known.clear()


@torch.inference_mode()
def measure_costs(
    pipeline: Any, traits: ModelTraits, clock: Callable[[], float] | None = None
) -> MachineCosts:
    """Run every stage on made-up input; what each cost by `clock`, in seconds."""
    device = pipeline.device
    probe = _Probe(device, clock or synchronised_clock(device))
    picture = _picture(getattr(pipeline.image_processor, "return_view_idx", False))
    prepared: dict[str, Any] = {}

    def prepare() -> None:
        prepared.update(pipeline.prepare_image(picture))

    prepare_cost = probe(prepare)
    pixels = prepared.pop("image")
    tokens: dict[bool, dict[str, Tensor]] = {}

    def condition() -> None:
        tokens[traits.guided] = pipeline.encode_cond(pixels, prepared, traits.guided)

    condition_cost = probe(condition)
    tokens[False] = {name: rows[:1] for name, rows in tokens[traits.guided].items()}

    generator = torch.Generator().manual_seed(0)
    noise = pipeline.prepare_latents(1, pipeline.dtype, device, generator)
    guided_step = _step_cost(probe, pipeline, noise, tokens[traits.guided], traits, traits.guided)
    step = guided_step
    if traits.guided and guided_step.seconds < _SLOW_STEP:
        step = _step_cost(probe, pipeline, noise, tokens[False], traits, False)
    elif traits.guided:
        step = _Cost(guided_step.seconds / 2, guided_step.bytes)

    decoded: list[Tensor] = []
    latents_cost = probe(lambda: decoded.append(pipeline.vae(noise / pipeline.vae.scale_factor)))
    query, points, point_bytes, regions = _point_costs(
        probe, pipeline.vae.geo_decoder, decoded[0], traits
    )
    pipeline.maybe_free_model_hooks()
    stages = (prepare_cost, condition_cost, step, guided_step, latents_cost)
    held, free = _memory_now(device)
    return MachineCosts(
        device=str(device),
        prepare=prepare_cost.seconds,
        condition=condition_cost.seconds,
        step=step.seconds,
        guided_step=guided_step.seconds,
        latents=latents_cost.seconds,
        query=query,
        points=points,
        largest_chunk=chunk_limit(device),
        least_chunk=Field(decoded[0], pipeline.vae.geo_decoder, 1.01, 1, None).pads_to or 0,
        held_bytes=held,
        stage_bytes=max(cost.bytes for cost in stages),
        point_bytes=point_bytes,
        regions=regions,
        free_bytes=free,
        **_surface_costs(probe, device),
    )


class _Probe:
    """Runs a function and gives its cost; one that is quick runs some times, the least counts."""

    def __init__(self, device: torch.device, clock: Callable[[], float]) -> None:
        self.device = device
        self.clock = clock

    def __call__(self, function: Callable[[], Any]) -> _Cost:
        if self.device.type == "cuda":  # kernels are compiled, products and recordings are planned
            for _ in range(3):
                function()
        started = time.perf_counter()
        first = self._watched(function)
        seconds = []
        while len(seconds) < _REPEATS and time.perf_counter() - started < _ENOUGH:
            seconds.append(self._timed(function))
        # The first run loads libraries and reads weights from the disk, and memory that was given
        # back before costs time to have again.
        return _Cost(min(seconds), self._watched(function).bytes) if seconds else first

    def _watched(self, function: Callable[[], Any]) -> _Cost:
        if self.device.type == "cuda":
            before = torch.cuda.memory_allocated(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
            seconds = self._timed(function)
            return _Cost(seconds, torch.cuda.max_memory_allocated(self.device) - before)
        give_back_freed()
        with peak_memory() as peak:
            seconds = self._timed(function)
        return _Cost(seconds, peak.bytes - peak.before)

    def _timed(self, function: Callable[[], Any]) -> float:
        start = self.clock()
        function()
        return self.clock() - start


def _memory_now(device: torch.device) -> tuple[int, int]:
    """(held, still to be had), of a GPU or of this process."""
    if device.type == "cuda":
        free_cached_memory(device)
        return torch.cuda.memory_allocated(device), usable_memory(device)
    give_back_freed()
    return resident_bytes(), available_bytes()


def _picture(views: bool) -> Any:
    """A grey disc on nothing; for a model of several views, seen from one side."""
    from PIL import Image

    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    pixels = np.full((512, 512, 4), 128, np.uint8)
    pixels[..., 3] = np.where(x * x + y * y < 0.5, 255, 0)
    picture = Image.fromarray(pixels)
    return {"front": picture} if views else picture


def _step_cost(
    probe: _Probe,
    pipeline: Any,
    noise: Tensor,
    tokens: dict[str, Tensor],
    traits: ModelTraits,
    mixed: bool,
) -> _Cost:
    """One denoising step; of a quick one several are run, as a run has its own beginning."""

    def run(count: int) -> None:
        wanted = count + int(traits.last_step_is_empty)
        sigmas = np.linspace(0, 1, wanted)
        retrieve_timesteps(pipeline.scheduler, wanted, pipeline.device, sigmas=sigmas)
        pipeline._use(pipeline.model)
        denoise(
            pipeline._denoiser(), pipeline.scheduler, noise, tokens, traits.guidance_scale, mixed
        )

    one = probe(lambda: run(1))
    if one.seconds > _QUICK_STEP:
        return one
    count = min(8, traits.num_inference_steps)
    several = probe(lambda: run(count))
    return _Cost(several.seconds / count, max(several.bytes, one.bytes))


def _point_costs(
    probe: _Probe, geo_decoder: Any, tokens: Tensor, traits: ModelTraits
) -> tuple[float, dict[str, float], float, float]:
    """Seconds of a call and of a point, for each decoder; bytes of a point; seconds of regions."""
    chunk = min(chunk_limit(tokens.device), 8000)
    calls, parts = 4, 8
    some = torch.zeros(8, 3, dtype=torch.long, device=tokens.device)
    Field(tokens, geo_decoder, 1.01, chunk, None).at(some, 128)  # a decoder tries its kernels first
    busy = Field(tokens, geo_decoder, 1.01, chunk, None).pads_to
    if busy:  # a GPU works while the next call is prepared, so calls cost nothing beside
        chunk, calls, parts = busy, 8, 1
    count = calls * chunk
    numbers = torch.randint(0, 128, (count, 3), generator=torch.Generator().manual_seed(0))
    index = numbers.to(tokens.device)

    def ask(size: int) -> Callable[[], Tensor]:
        field = Field(tokens, geo_decoder, 1.01, size, None)
        return lambda: field.at(index, 128)

    large = probe(ask(chunk))
    query = 0.0
    if parts > 1:
        small = probe(ask(chunk // parts))
        query = max((small.seconds - large.seconds) / (calls * (parts - 1)), 0.0)
    point = max(large.seconds - calls * query, 0.5 * large.seconds) / count
    points = {"dense": point, "coarse_to_fine": point, "flashvdm": point}
    regions = 0.0
    if traits.flashvdm:
        before = geo_decoder.cross_attention_processor
        geo_decoder.set_cross_attention_processor(FlashVDMVolumeDecoding().processor)
        try:
            field = RegionField(tokens, geo_decoder, 1.01, chunk, None, 4)
            all_of_it = probe(lambda: field.at(index, 128)).seconds
            an_eighth = probe(lambda: field.at(index[: count // 8], 128)).seconds
            slope = (all_of_it - an_eighth) / (count - count // 8)
            points["flashvdm"] = max(slope, 0.1 * all_of_it / count)
            regions = max(all_of_it - points["flashvdm"] * count, 0.0)
        finally:
            geo_decoder.set_cross_attention_processor(before)
    return query, points, large.bytes / chunk, regions


def _surface_costs(probe: _Probe, device: torch.device) -> dict[str, Any]:
    """What grids and surfaces cost beside asking the network."""
    resolution = 128 if device.type == "cpu" else 256
    cells = (resolution + 1) ** 3
    nothing = torch.zeros(1, 1, 1, device=device)
    ball, marble = (BallDecoder(radius, resolution) for radius in (_RADIUS, _SMALL_RADIUS))
    chunk = 100_000
    asked = [0]

    def decode(decoder: Any, shape: BallDecoder) -> Any:
        def count(done: int, _total: int) -> None:
            asked[0] = done

        return decoder(
            nothing, shape, octree_resolution=resolution, num_chunks=chunk, progress=count
        )

    coarse = CoarseToFineVolumeDecoder()
    grids = [decode(coarse, shape) for shape in (ball, marble)]
    decoded = probe(lambda: decode(coarse, ball))
    extractor = MCSurfaceExtractor()
    meshes = [extractor(grid)[0] for grid in grids]
    large, small = (probe(lambda grid=grid: extractor(grid)) for grid in grids)
    faces, few_faces = (len(mesh.mesh_f) for mesh in meshes)
    face = max((large.seconds - small.seconds) / (faces - few_faces), 0.0)

    sparse = CoarseToFineVolumeDecoder(sparse_from=0)
    sparse_cost = probe(lambda: extractor(decode(sparse, ball)))
    sparse_points = asked[0]
    on_device = surface_on_device(grids[0])
    vertices = torch.from_numpy(meshes[0].mesh_v).to(device)
    triangles = torch.from_numpy(meshes[0].mesh_f.astype(np.int32)).to(device)
    mesh = TriangleMesh(meshes[0].mesh_v, meshes[0].mesh_f)

    def reduce(method: str) -> None:
        if on_device:
            reduce_surface(vertices, triangles, faces // 4)
            return
        # Where the kernel is missing, a call with face_count will say so.
        with contextlib.suppress(MissingDependencyError):
            reduce_faces(mesh, faces // 4, method)

    return {
        "cells": decoded.seconds / cells,
        "extract": max(small.seconds - face * few_faces, 0.0) / cells,
        "extract_faces": face,
        "reduce_faces": {
            name: probe(lambda name=name: reduce(name)).seconds / faces for name in REDUCERS
        },
        "decode_bytes": decoded.bytes / cells,
        # The grid itself is held meanwhile.
        "extract_bytes": 4 + max(large.bytes, small.bytes) / cells,
        "sparse_point": sparse_cost.seconds / sparse_points,
        "sparse_bytes": sparse_cost.bytes / sparse_points,
    }
