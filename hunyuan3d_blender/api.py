# SPDX-License-Identifier: GPL-3.0-or-later
"""For scripts and other add-ons: pictures to objects, fewer faces, colours.

::

    from bl_ext.user_default.hunyuan3d_blender import api

    mug = api.generate("//mug.png", face_count=5000)
    api.reduce_faces([mug], face_count=1000)
    api.texture([mug], "//mug.png")

Works with a window and without one. These calls come back when the work is done and print its
progress meanwhile; Blender does nothing else then. Whoever wants the interface to stay alive calls
`queue`, which comes back at once; its job shows in the sidebar like any other. All are to be called
from Blender's main thread, like bpy itself.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

import bpy

from hy3dgen.errors import (
    Cancelled,
    Hy3DError,
    InvalidMeshError,
    InvalidSettingError,
    TaskFailedError,
)

from . import generation, job_timer, painting, placing, reduction
from .generation import Picture, Wish
from .job import Job, State

__all__ = ["Cancelled", "Hy3DError", "Job", "State", "generate", "queue", "reduce_faces", "texture"]

PictureLike = str | Path | bpy.types.Image
OnEnd = Callable[[bpy.types.Object | None, str], None]
METHODS = ("quality", "fast", "preview")
UVS, STORAGES, LARGE = ("auto", "keep", "new"), ("pack", "file"), ("copy", "all")
TEXTURE_SIZES = (64, 8192)
_POLL_SECONDS = 0.1


class Settings(TypedDict, total=False):
    """What `generate` takes beside the picture; see there."""

    views: Mapping[str, PictureLike]
    model: str
    seed: int
    num_inference_steps: int
    guidance_scale: float
    octree_resolution: int
    speed_priority: float
    face_count: int
    texture_size: int
    accept_licence: bool


def generate(picture: PictureLike, **settings: Unpack[Settings]) -> bpy.types.Object:
    """Make an object from a picture and wait for it.

    Parameters
    ----------
    picture : file (`//` stands for the blend file's folder) or image of the blend file
    views : further pictures by "left", "back" and "right", for models that take several views
    model : folder, published name or "tiny"; the preferences' default without one
    seed : 0 to 2**31 - 1; 0 without one
    num_inference_steps, guidance_scale, octree_resolution : the model's own without one
    speed_priority : 0 (best) to 1 (fastest); chooses those of the three that are not given, by
        what this computer was measured to do, so they can differ from one computer to another
    face_count : triangles to reduce to; all without one
    texture_size : pixels a side of a texture in the picture's colours; none without one
    accept_licence : the model's licence was read and accepted; lets a model be downloaded, if
        online access is allowed

    Returns
    -------
    The new object: at the 3D cursor, standing on its base, selected and active. Its property
    "hunyuan3d" holds the settings that were used, the seconds of each stage and the peak memory.

    Raises
    ------
    Hy3DError
        One sentence: what was found, what was wanted, what to do. The scene is as it was.
    Cancelled
        It was cancelled, by Ctrl-C for example. Is a Hy3DError too.
    """
    job = generation.make_job(bpy.context, _wish(picture, settings))
    job_timer.run_blocking(job)
    return _made_by(job)


def queue(picture: PictureLike, on_end: OnEnd | None = None, **settings: Unpack[Settings]) -> Job:
    """Queue what `generate` does and come back at once; needs a window.

    Parameters
    ----------
    picture, settings : see `generate`
    on_end : called on the main thread with the new object, or None, and the sentence that the
        sidebar shows

    Returns
    -------
    The job, with `state`, `stage`, `fraction` (of the stage), `elapsed` (seconds) and `ended`.

    Raises
    ------
    Hy3DError
        As `generate`, for what shows at once; InvalidSettingError without a window.
    """
    if bpy.app.background:
        raise InvalidSettingError(
            "without a window nothing runs beside the script; call generate, which waits"
        )
    job = generation.make_job(bpy.context, _wish(picture, settings))
    job_timer.start(job)
    if on_end is not None:
        bpy.app.timers.register(
            lambda: _tell(job, on_end), first_interval=_POLL_SECONDS, persistent=True
        )
    return job


def reduce_faces(
    objects: Sequence[bpy.types.Object],
    face_count: int = 10_000,
    ratio: float | None = None,
    method: str = "quality",
    keep_original: bool = False,
) -> list[bpy.types.Object]:
    """Reduce meshes and wait. They stay the same objects, with UV maps, weights and the like.

    Parameters
    ----------
    objects : mesh objects; of those that share a mesh one stands for all
    face_count : triangles for each mesh, at least 4
    ratio : share of its triangles that each mesh keeps, instead of `face_count`
    method : "quality", "fast" or "preview"
    keep_original : leave a hidden copy of each object as it was

    Returns
    -------
    The objects.

    Raises
    ------
    Hy3DError
        One sentence: what was found, what was wanted, what to do. The scene is as it was.
    Cancelled
        It was cancelled. Is a Hy3DError too.
    """
    objects = list(objects)
    if method not in METHODS:
        raise InvalidSettingError(f"method is '{method}'; 'quality', 'fast' or 'preview' is wanted")
    wish = reduction.Wish(face_count, ratio, method, keep_original)
    job = reduction.make_job(bpy.context, objects, wish)
    job_timer.run_blocking(job)
    _check_done(job)
    return objects


def texture(
    objects: Sequence[bpy.types.Object],
    picture: str | Path,
    model: str = "",
    seed: int = 0,
    texture_size: int = 1024,
    uvs: str = "auto",
    storage: str = "pack",
    large: str = "copy",
) -> list[bpy.types.Object]:
    """Give meshes the colours of a picture and wait. Shape, name and modifiers stay.

    Parameters
    ----------
    objects : mesh objects; of those that share a mesh one stands for all
    picture : file (`//` stands for the blend file's folder)
    model : folder of a painting model; without one the picture is laid on from its own side
    seed : of a model; without one nothing is random
    texture_size : pixels a side, 64 to 8192
    uvs : "keep" the active UV map, make a "new" one, or "auto": keep it if there is one
    storage : "pack" into the blend file, or a "file" beside it
    large : a mesh of more than 200,000 faces that gets a new UV map is painted as a reduced "copy"
        beside it, or the texture of that is brought to "all" its faces

    Returns
    -------
    The objects that were given; those that have a painted copy are hidden.

    Raises
    ------
    Hy3DError
        One sentence: what was found, what was wanted, what to do. The scene is as it was.
    Cancelled
        It was cancelled. Is a Hy3DError too.
    """
    objects = list(objects)
    checked = ("uvs", uvs, UVS), ("storage", storage, STORAGES), ("large", large, LARGE)
    for name, value, possible in checked:
        if value not in possible:
            wanted = " or ".join(f"'{choice}'" for choice in possible)
            raise InvalidSettingError(f"{name} is '{value}'; {wanted} is wanted")
    low, high = TEXTURE_SIZES
    if not low <= texture_size <= high:
        raise InvalidSettingError(f"texture_size is {texture_size}; {low} to {high} is wanted")
    if not any(obj.type == "MESH" for obj in objects):
        raise InvalidMeshError("there is no mesh to paint; give mesh objects")
    choices = (one.upper() for one in (uvs, storage, large))
    wish = painting.Wish(str(picture), model, seed, texture_size, *choices)
    job = painting.make_job(bpy.context, objects, wish)
    job_timer.run_blocking(job)
    _check_done(job)
    return objects


def _wish(picture: PictureLike, settings: Settings) -> Wish:
    unknown = sorted(set(settings) - set(Settings.__annotations__))
    if unknown:
        raise InvalidSettingError(
            f"there is no setting '{unknown[0]}'; possible: {', '.join(Settings.__annotations__)}"
        )
    given = dict(settings)
    views = {name: _picture(view) for name, view in (settings.get("views") or {}).items()}
    if wrong := sorted(set(views) - set(generation.VIEWS)):
        raise InvalidSettingError(
            f"there is no view '{wrong[0]}'; possible: {', '.join(generation.VIEWS)}"
        )
    return Wish(**{**given, "picture": _picture(picture), "views": views})


def _picture(picture: PictureLike) -> Picture:
    if isinstance(picture, bpy.types.Image):
        return Picture(image=picture.name)
    return Picture(path=str(picture))


def _made_by(job: Job) -> bpy.types.Object:
    _check_done(job)
    made = placing.find(job.made[0])
    assert made is not None
    return made


def _check_done(job: Job) -> None:
    if job.state is State.CANCELLED:
        raise Cancelled(_how_it_ended(job))
    if job.state is not State.DONE:
        raise TaskFailedError(_how_it_ended(job))


def _tell(job: Job, on_end: OnEnd) -> float | None:
    if not job.ended:
        return _POLL_SECONDS
    made = placing.find(job.made[0]) if job.state is State.DONE and job.made else None
    on_end(made, _how_it_ended(job))
    return None


def _how_it_ended(job: Job) -> str:
    return job.reports[-1][1] if job.reports else f"{job.title}: {job.state.value}"
