# SPDX-License-Identifier: GPL-3.0-or-later
"""One object a job that shows the shape found so far, until the result takes its place.

A preview is never part of an undo step of its own, and never in a saved file. It is found again by
its number; if undo has taken it away, the next coarse mesh brings it back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import bpy
from bpy.app.translations import pgettext_data

from . import mesh_write, placing, preferences
from .job import Job, State

_MARK = "hunyuan3d_preview"  # custom property that tells a preview from a mesh of the artist's


@dataclass
class _Shown:
    uid: int | None  # session_uid of the object; None while a file is being saved
    place: placing.Place
    arrays: object  # what it shows, to be compared with the job's


_shown: dict[Job, _Shown] = {}


def wanted(context: bpy.types.Context) -> bool:
    """Whether workers should send coarse meshes."""
    return not bpy.app.background and preferences.get(context).preview != "OFF"


def update(jobs: Sequence[Job]) -> None:
    """Show what has arrived for open jobs."""
    for job in jobs:
        shown = _shown.get(job)
        if job.preview is None or "vertices" not in job.preview:
            continue
        if shown is not None and shown.arrays is job.preview:
            continue
        _show(job)


def take_place(job: Job) -> placing.Place:
    """Where the result goes: where the preview is now, which may have been moved. Removes it."""
    shown = _shown.pop(job, None)
    obj = placing.find(shown.uid) if shown else None
    if obj is None:
        return shown.place if shown else job.place
    place = replace(job.place, matrix=obj.matrix_world.copy())
    _remove(obj)
    return place


def settle() -> None:
    """Remove previews of jobs that have ended, or make them the artist's own."""
    for job in [job for job in _shown if job.ended]:
        obj = placing.find(_shown.pop(job).uid)
        if obj is None:
            continue
        keep = preferences.get(bpy.context).preview == "KEEP"
        if keep and job.state in (State.CANCELLED, State.FAILED):
            del obj[_MARK]
            bpy.ops.ed.undo_push(message=pgettext_data("Keep Preview"))
        else:
            _remove(obj)


def unsettled() -> bool:
    return any(job.ended for job in _shown)


def _show(job: Job) -> None:
    vertices, faces = job.preview["vertices"], job.preview["faces"]
    shown = _shown.get(job)
    obj = placing.find(shown.uid) if shown else None
    if obj is not None and obj.mode != "OBJECT":
        return
    if obj is None:
        name = pgettext_data("Preview of {name}").format(name=job.parts[-1].name)
        obj = bpy.data.objects.new(name, bpy.data.meshes.new(name))
        obj[_MARK] = True
        place = shown.place if shown else job.place
        placing.link(bpy.context, obj, place, select=False)
        shown = _shown[job] = _Shown(obj.session_uid, place, None)
    obj.data.clear_geometry()
    mesh_write.fill_small(obj.data, vertices, faces)
    shown.arrays = job.preview
    shown.place = replace(shown.place, matrix=obj.matrix_world.copy())


def _remove(obj: bpy.types.Object) -> None:
    mesh = obj.data
    bpy.data.objects.remove(obj)
    if isinstance(mesh, bpy.types.Mesh) and not mesh.users:
        bpy.data.meshes.remove(mesh)


def _remove_all(but: set[int | None]) -> None:
    for obj in [obj for obj in bpy.data.objects if _MARK in obj and obj.session_uid not in but]:
        _remove(obj)


@bpy.app.handlers.persistent
def _after_undo(*_: object) -> None:
    """Undo steps of other actions hold previews of jobs that have ended since."""
    _remove_all({shown.uid for shown in _shown.values()})


@bpy.app.handlers.persistent
def _before_save(*_: object) -> None:
    _remove_all(set())


@bpy.app.handlers.persistent
def _after_save(*_: object) -> None:
    for job, shown in _shown.items():
        if not job.ended and job.preview is not None:
            shown.uid = None
            _show(job)


def _handlers() -> tuple[tuple[list, object], ...]:
    handlers = bpy.app.handlers
    return (
        (handlers.undo_post, _after_undo),
        (handlers.redo_post, _after_undo),
        (handlers.save_pre, _before_save),
        (handlers.save_post, _after_save),
    )


def register() -> None:
    for functions, function in _handlers():
        functions.append(function)


def unregister() -> None:
    for functions, function in _handlers():
        functions.remove(function)
    if hasattr(bpy.data, "objects"):  # not while Blender ends
        _remove_all(set())
    _shown.clear()
