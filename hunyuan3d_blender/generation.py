# SPDX-License-Identifier: GPL-3.0-or-later
"""From a wish to a job that makes a mesh: shared by the operator, the panel and the API."""

import os
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.app.translations import pgettext_rpt as _

from hy3dgen.errors import InvalidImageError
from hy3dgen.worker.protocol import Result

from . import (
    environment,
    mesh_write,
    model_source,
    picture_read,
    placing,
    preferences,
    preview_object,
    quality,
    texture_write,
)
from .geometry import base_of, prepare
from .job import Job, Part, Report
from .scene_write import leave_edit_mode
from .steps import Steps, in_thread

VIEWS = ("left", "back", "right")  # besides the front
_REMEMBERED = (
    *("seed", "num_inference_steps", "guidance_scale", "octree_resolution"),
    *("faces_raw", "device", "peak_memory"),
)


@dataclass(frozen=True)
class Picture:
    """A file, or an image of the blend file by its name."""

    path: str = ""
    image: str = ""

    @property
    def name(self) -> str:
        return self.image or Path(self.path).name

    @property
    def stem(self) -> str:
        return Path(self.name).stem


@dataclass(frozen=True)
class Wish:
    """What to make. None stands for the model's default, or for what `speed_priority` chooses."""

    picture: Picture
    views: Mapping[str, Picture] = field(default_factory=dict)  # by names of VIEWS
    model: str = ""  # folder, published name, "tiny"; empty: the preferences' default
    accept_licence: bool = False
    seed: int = 0
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    octree_resolution: int | None = None
    face_count: int | None = None
    speed_priority: float | None = None  # 0 best, 1 fastest
    texture_size: int | None = None  # None: no texture


def make_job(context: bpy.types.Context, wish: Wish, place: placing.Place | None = None) -> Job:
    """Not queued yet.

    Raises
    ------
    Hy3DError
        The picture, the model or the generation Python is not there, or the model may not be
        fetched.
    """
    place = place or placing.at_cursor(context)
    source = model_source.find_source(context, wish.model, wish.accept_licence)
    python = environment.generation_python(context)
    key = key_of(python, source.model)
    settings, speed_priority = quality.own_settings(wish), wish.speed_priority
    figures = quality.known.get(key)
    if speed_priority is not None and figures is not None:
        # As the panel shows it; without figures the worker measures first.
        own = {name: value for name, value in settings.items() if value is not None}
        settings = figures.settings(speed_priority, wish.face_count) | own
        speed_priority = None
    params = {
        "model": source.model,
        "seed": wish.seed,
        **settings,
        "speed_priority": speed_priority,
        "face_count": wish.face_count,
        "texture_size": wish.texture_size,
        "max_memory": memory_limit(context),
        "preview": preview_object.wanted(context),
    }
    arrays = {}
    # Blender's own Python has no library that reads pictures.
    by_path = python is not None
    for view, picture in {"": wish.picture, **wish.views}.items():
        suffix = f"_{view}" if view else ""
        found = _locate(picture)
        if isinstance(found, Path) and by_path:
            params[f"picture{suffix}"] = str(found)
        else:
            arrays[f"image{suffix}"] = picture_read.read(found)
    job = Job(
        title=_title(wish),
        worker=environment.generation_worker(context),
        parts=[*source.fetch, Part(wish.picture.stem, "generate", params, arrays)],
        finish=lambda results: _add(job, wish, results[-1], key),
        picture=wish.picture.image or bpy.path.abspath(wish.picture.path),
        again=lambda: make_job(bpy.context, wish, place),
        place=place,
        kind=kind_of(source.model, settings, speed_priority, wish.face_count, wish.texture_size),
    )
    return job


def memory_limit(context: bpy.types.Context) -> float | None:
    """Bytes of a GPU that the preferences allow; None: all."""
    return preferences.get(context).gpu_memory * 1e9 or None


def _title(wish: Wish) -> str:
    """Tells the meshes of a batch apart: they differ in their seeds alone."""
    words = _("Mesh from {picture}, seed {seed}") if wish.seed else _("Mesh from {picture}")
    return words.format(picture=wish.picture.name, seed=wish.seed)


def kind_of(
    model: str | None,
    settings: Mapping[str, Any],
    speed_priority: float | None,
    face_count: int | None,
    texture_size: int | None,
) -> Hashable:
    """Jobs of one kind take about the same time; see `Job.kind`."""
    numbers = (settings.get("num_inference_steps"), settings.get("octree_resolution"))
    speed = None if speed_priority is None else round(speed_priority, 3)
    return model, numbers, speed, bool(face_count), texture_size


def key_of(python: Path | None, model: str | None) -> quality.Key:
    """Under which `quality.known` keeps what a model costs."""
    return str(python or ""), model


def _locate(picture: Picture) -> Path | bpy.types.Image:
    if picture.image:
        image = bpy.data.images.get(picture.image)
        if image is None:
            raise InvalidImageError(
                f"there is no image '{picture.image}' in this file; choose another one"
            )
        return image
    if not picture.path:
        raise InvalidImageError("no picture is chosen; give a PNG or JPEG file")
    path = Path(bpy.path.abspath(picture.path)).absolute()
    if not os.path.isfile(path):
        what = "is a folder" if os.path.isdir(path) else "does not exist"
        raise InvalidImageError(f"picture '{path}' {what}; choose a PNG or JPEG file")
    return path


def _add(job: Job, wish: Wish, result: Result, key: quality.Key) -> Steps:
    """The result as an object of the scene, in slices; see `Job.finish`."""
    values = result.values
    quality.known.learn(key, values)
    obj = yield from add_object(
        wish.picture.stem,
        result.arrays["vertices"],
        result.arrays["faces"],
        lambda: preview_object.take_place(job),
    )
    if "colour" in result.arrays:
        corners = np.arange(len(obj.data.loops), dtype=np.int32)
        texture_write.put_on(obj, result.arrays["colour"], corners, result.arrays["uvs"])
    # How it was made, to be made again; read it in scripts or under Custom Properties.
    obj["hunyuan3d"] = {
        "picture": wish.picture.image or str(Path(bpy.path.abspath(wish.picture.path))),
        "model": values["model"],
        **{key: values[key] for key in _REMEMBERED},
        "seconds": {stage: float(seconds) for stage, seconds in values["stages"]},
    }
    job.made = [obj.session_uid]
    seconds = sum(float(value) for _stage, value in values["stages"])
    report: Report = (
        "INFO",
        _("'{name}': {faces} faces in {seconds} s").format(
            name=obj.name, faces=f"{len(obj.data.polygons):,}", seconds=f"{seconds:.1f}"
        ),
    )
    return [report]


def add_object(
    name: str, vertices: np.ndarray, faces: np.ndarray, place_of: Callable[[], placing.Place]
) -> Steps:
    """A new object standing on its base, selected and active, made in slices.

    Parameters
    ----------
    vertices, faces : `(V, 3) float32`, y up, and `(F, 3) int32`; unchanged
    place_of : called at the end, in which nothing is interrupted any more
    """
    geometry = yield from in_thread(
        lambda: prepare(vertices, faces, base_of(vertices), mesh_write.SHARP_ANGLE)
    )
    mesh = yield from mesh_write.build_mesh(name, geometry)
    leave_edit_mode(bpy.context)
    obj = bpy.data.objects.new(name, mesh)
    placing.link(bpy.context, obj, place_of())
    return obj
