# SPDX-License-Identifier: Apache-2.0
"""What a generation costs in seconds and memory, and which settings are the best that fit.

Arithmetic only, without torch, so that a panel can do it too. The figures of a machine with a model
on it (`MachineCosts`) come from whoever measured them; they are plain numbers and travel as JSON
(`dataclasses.asdict`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from ..errors import InvalidSettingError
from .models.autoencoders.grid_levels import covering_levels

DECODERS = ("dense", "coarse_to_fine", "flashvdm")
REDUCERS = ("quality", "fast")
DEFAULT_CHUNK = 8000
MIN_RESOLUTION = 63  # of the coarsest grid, as the decoders have it
# Faces of a mesh per squared resolution: median of the bundled model's 18 kinds of objects. A
# pipeline that has made meshes uses what it saw instead.
TYPICAL_SURFACE = 4.0
# Points that coarse-to-fine decoding asks on the first level after the coarsest and on later ones,
# per face of a mesh of that resolution: medians of 18 held-out shapes of the bundled model.
_POINTS_PER_FACE = (3.8, 2.0)
_RESOLUTIONS = (64, 80, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512)  # they halve evenly
_STEP_SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
_LARGEST_CHUNK = 200_000


@dataclass(frozen=True)
class ModelTraits:
    """What a model is usually asked for."""

    num_inference_steps: int = 50
    guidance_scale: float = 5.0
    octree_resolution: int = 384
    guided: bool = True  # guidance takes a second pass each step
    last_step_is_empty: bool = True  # and is left out
    flashvdm: bool = True  # the published or own VAE can be decoded so


@dataclass(frozen=True)
class MachineCosts:
    """Measured with one model on one device; seconds of one thing each, bytes of one thing each.

    Memory is that of the device; on a CPU that of the process.
    """

    device: str
    prepare: float  # a picture's preprocessing and what else a call always costs
    condition: float  # a picture's tokens
    step: float  # a denoising step without guidance
    guided_step: float  # and with it
    latents: float  # the VAE's transformer
    query: float  # a call of the geometry decoder, however few its points
    points: Mapping[str, float]  # a point, for each of DECODERS
    largest_chunk: int  # of points that this device is asked for at a time
    cells: float  # a grid point's bookkeeping in coarse-to-fine decoding
    extract: float  # a grid point in marching cubes
    extract_faces: float  # a face there
    reduce_faces: Mapping[str, float]  # a face of the input, for each of REDUCERS
    held_bytes: int  # weights and what the libraries keep
    stage_bytes: int  # the largest of condition, step and latents
    point_bytes: float  # a point of a chunk
    decode_bytes: float  # a grid point while decoding
    extract_bytes: float  # a grid point in marching cubes; 0 where that is other memory
    sparse_point: float  # a point's bookkeeping, surface included, where no full grid is made
    sparse_bytes: float  # and its memory
    free_bytes: int  # what could still be had, on top of what is held
    least_chunk: int = 0  # points that this device is asked for at a time, whatever is given
    regions: float = 0.0  # asking for points of all of FlashVDM's regions, however few


@dataclass(frozen=True)
class CallSettings:
    """The arguments of a pipeline's call that decide what it costs."""

    num_inference_steps: int
    guidance_scale: float
    octree_resolution: int
    num_chunks: int = DEFAULT_CHUNK
    volume_decoder: str = "coarse_to_fine"
    reducer: str = "quality"


@dataclass(frozen=True)
class Prediction:
    """What a call will take; `stages` are in seconds and add up to `seconds`."""

    seconds: float
    peak_memory: int
    stages: Mapping[str, float]


class OptimalSettings(dict[str, Any]):
    """Arguments for a pipeline's call, `pipeline(image, **settings)`, and what it will take.

    Attributes
    ----------
    seconds : predicted, from a picture to its mesh
    peak_memory : predicted bytes on the device; on a CPU those of the process
    stages : predicted seconds of each stage
    """

    def __init__(self, settings: Mapping[str, Any], prediction: Prediction) -> None:
        super().__init__(settings)
        self.seconds = prediction.seconds
        self.peak_memory = prediction.peak_memory
        self.stages = dict(prediction.stages)


def count_points(decoder: str, octree_resolution: int, surface: float = TYPICAL_SURFACE) -> int:
    """About how many points a decoder asks; `surface` is faces per squared resolution."""
    if decoder == "dense" or octree_resolution < MIN_RESOLUTION + 1:
        return (octree_resolution + 1) ** 3
    coarsest, *finer = covering_levels(octree_resolution, MIN_RESOLUTION)
    first, later = _POINTS_PER_FACE
    near = sum(
        min((level + 1) ** 3, (first if number == 0 else later) * surface * level**2)
        for number, level in enumerate(finer)
    )
    return int((coarsest + 1) ** 3 + near)


def sparse_from(device: str) -> int:
    """From which resolution on only dense decoding makes full grids.

    At 384 a CPU extracts a surface from a sparse grid in a tenth of the time; on a GPU neither is
    faster, but sparse ones are many small calls, which a slow host delays.
    """
    return 512 if device.startswith("cuda") else 384


def predict(
    costs: MachineCosts,
    traits: ModelTraits,
    settings: CallSettings,
    surface: float = TYPICAL_SURFACE,
    face_count: int | None = None,
    pictures: int = 1,
) -> Prediction:
    """Seconds and memory of a call with `settings`.

    Parameters
    ----------
    surface : faces per squared resolution of the expected mesh
    face_count : the mesh is reduced to so many afterwards; None leaves it as it is
    """
    steps = settings.num_inference_steps
    if traits.last_step_is_empty and steps > 1:
        steps -= 1
    side = settings.octree_resolution + 1
    faces = surface * settings.octree_resolution**2
    points = count_points(settings.volume_decoder, settings.octree_resolution, surface)
    guided = traits.guided and settings.guidance_scale >= 0 and settings.guidance_scale != 1
    chunk = settings.num_chunks
    if settings.volume_decoder != "flashvdm":  # whose regions a device must take as they are
        chunk = max(min(chunk, costs.largest_chunk), costs.least_chunk)
    stages = {
        "prepare": costs.prepare,
        "condition": costs.condition,
        "denoise": steps * (costs.guided_step if guided else costs.step),
        "decode": costs.latents
        + costs.query * (points / chunk)
        + costs.points[settings.volume_decoder] * points
        + _region_rounds(settings) * costs.regions,
        "extract": costs.extract * side**3 + costs.extract_faces * faces,
    }
    if _is_sparse(settings, costs.device):
        stages["extract"] = costs.sparse_point * points
    elif settings.volume_decoder != "dense":
        stages["decode"] += costs.cells * side**3
    if face_count is not None and face_count < faces:
        stages["reduce"] = costs.reduce_faces[settings.reducer] * faces
    stages = {name: pictures * seconds for name, seconds in stages.items()}
    decoding, extracting = costs.decode_bytes * side**3, costs.extract_bytes * side**3
    if _is_sparse(settings, costs.device):
        decoding = extracting = costs.sparse_bytes * points
    needed = max(costs.stage_bytes, chunk * costs.point_bytes + decoding, extracting)
    peak = costs.held_bytes + int(needed)
    return Prediction(sum(stages.values()), peak, stages)


def _region_rounds(settings: CallSettings) -> int:
    """How often FlashVDM chooses latents for all of its regions.

    Once on the coarsest level. On a later one where the surface was seen to be, and once more where
    it is followed to.
    """
    if settings.volume_decoder != "flashvdm":
        return 0
    return 2 * len(covering_levels(settings.octree_resolution, MIN_RESOLUTION)) - 1


def check_speed(speed_priority: float) -> None:
    """Raise InvalidSettingError unless it is from 0 to 1."""
    if not 0.0 <= speed_priority <= 1.0:
        raise InvalidSettingError(
            f"speed_priority is {speed_priority}; choose from 0.0, the best, to 1.0, the fastest."
        )


def _is_sparse(settings: CallSettings, device: str) -> bool:
    return settings.volume_decoder != "dense" and settings.octree_resolution >= sparse_from(device)


def optimal_settings(
    costs: MachineCosts,
    traits: ModelTraits,
    speed_priority: float = 0.5,
    max_seconds: float | None = None,
    max_memory: float | None = None,
    surface: float = TYPICAL_SURFACE,
    face_count: int | None = None,
) -> OptimalSettings:
    """The best settings in the time that `speed_priority` allows, and in the memory there is.

    Parameters
    ----------
    speed_priority : 0.0 is the best that the model gives, 1.0 the fastest that still shows the
        object; between them the time allowed falls by the same factor with every step
    max_seconds, max_memory : seconds, and bytes on the device, that must not be exceeded; without
        `max_memory` it is what is free
    face_count : the mesh will be reduced to so many faces; counts as time, and is returned

    Raises
    ------
    InvalidSettingError
        Nothing fits; the sentence has the least that is needed.
    """
    check_speed(speed_priority)
    limit = costs.held_bytes + costs.free_bytes if max_memory is None else max_memory
    rated = [
        (_loss(traits, settings), predict(costs, traits, settings, surface, face_count), settings)
        for settings in _candidates(costs, traits, limit)
    ]
    fitting = [item for item in rated if item[1].peak_memory <= limit]
    if not fitting:
        least = min(prediction.peak_memory for _, prediction, _ in rated)
        raise InvalidSettingError(
            f"this model needs {least / 2**30:.1f} GiB on this device, but {limit / 2**30:.1f} GiB "
            "may be used; close other programs, or choose a smaller model."
        )
    best = min(fitting, key=lambda item: (item[0], item[1].seconds))
    fastest = min(fitting, key=lambda item: (item[1].seconds, item[0]))
    if max_seconds is not None and fastest[1].seconds > max_seconds:
        raise InvalidSettingError(
            f"this model takes at least {fastest[1].seconds:.1f} s on this device, but "
            f"max_seconds is {max_seconds:g}; allow more, or choose a faster model."
        )
    seconds = best[1].seconds ** (1 - speed_priority) * fastest[1].seconds ** speed_priority
    if max_seconds is not None:
        seconds = min(seconds, max_seconds)
    # The tolerance keeps rounding from pushing out the best and the fastest themselves.
    allowed = [item for item in fitting if item[1].seconds <= seconds * (1 + 1e-9)]
    _, prediction, chosen = min(allowed, key=lambda item: (item[0], item[1].seconds))
    arguments = dict(vars(chosen))
    if face_count is not None:
        arguments["face_count"] = face_count
    return OptimalSettings(arguments, prediction)


def _candidates(costs: MachineCosts, traits: ModelTraits, limit: float) -> Iterator[CallSettings]:
    usual = traits.num_inference_steps
    steps = sorted({max(2, round(usual * share)) for share in _STEP_SHARES} | {usual})
    finest = max(traits.octree_resolution, min(512, 2 * traits.octree_resolution))
    resolutions = sorted({r for r in _RESOLUTIONS if r <= finest} | {traits.octree_resolution})
    decoders = DECODERS[1:] if traits.flashvdm else DECODERS[1:2]
    for count, resolution, decoder in product(steps, resolutions, decoders):
        settings = CallSettings(count, traits.guidance_scale, resolution, volume_decoder=decoder)
        # Fewer steps than usual go with the faster reducer: both are for trying things out.
        reducer = "quality" if 2 * count >= usual else "fast"
        yield replace(settings, num_chunks=_chunk(costs, settings, limit), reducer=reducer)


def _chunk(costs: MachineCosts, settings: CallSettings, limit: float) -> int:
    """Points a call: so many that calls cost a fiftieth of the points, if there is memory."""
    wanted = 50 * costs.query / max(costs.points[settings.volume_decoder], 1e-12)
    grid = costs.decode_bytes * (settings.octree_resolution + 1) ** 3
    room = (limit - costs.held_bytes - grid) / max(costs.point_bytes, 1.0) / 2
    chunk = min(max(wanted, DEFAULT_CHUNK), max(room, 1000), _LARGEST_CHUNK, costs.largest_chunk)
    return int(chunk) // 1000 * 1000


def _loss(traits: ModelTraits, settings: CallSettings) -> float:
    """How far from the best a result may be, 1 at the usual settings.

    The sampler's error falls with its steps, the surface's with its resolution; key selection costs
    a little.
    """
    sampling = traits.num_inference_steps / settings.num_inference_steps
    surface = traits.octree_resolution / settings.octree_resolution
    selection = 0.05 if settings.volume_decoder == "flashvdm" else 0.0
    return 0.5 * sampling + 0.5 * surface + selection
