# SPDX-License-Identifier: GPL-3.0-or-later
"""From a wish to a job that reduces meshes of the scene: for the operator, retries and scripts."""

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from bpy.app.translations import pgettext_rpt as _

from hy3dgen.errors import InvalidMeshError, InvalidSettingError
from hy3dgen.worker.attribute_arrays import Packed, pack
from hy3dgen.worker.protocol import Result

from . import environment, placing, scene_read, scene_write
from .jobs import Job, Part, Report
from .mesh_layers import NORMALS
from .scene_read import MeshSnapshot

MIN_FACES = 4  # a tetrahedron


@dataclass(frozen=True)
class Wish:
    """How far to reduce each mesh."""

    face_count: int = 40_000
    ratio: float | None = None  # of its own triangles, in place of the count
    method: str = "quality"  # "fast", "preview"
    keep_original: bool = False


@dataclass(frozen=True)
class _Task:
    """One mesh to reduce, with what is sent to the worker."""

    before: MeshSnapshot
    target: int
    users: int
    packed: Packed

    def part(self, method: str) -> Part:
        arrays = {"vertices": self.before.vertices, "faces": self.before.faces}
        params = {"face_count": self.target, "method": method}
        return Part(self.before.name, "reduce", params, arrays | self.packed.arrays)


def make_job(context: bpy.types.Context, objects: Sequence[bpy.types.Object], wish: Wish) -> Job:
    """Not queued yet. Meshes that are small enough already, and what is no mesh, stay as they are.

    Raises
    ------
    Hy3DError
        The wish makes no sense, there is nothing to reduce, or one of the objects would lose
        something that cannot come back.
    """
    _check(wish)
    scene_write.leave_edit_mode(context)
    meshes = [obj for obj in objects if obj.type == "MESH"]
    for obj in meshes:
        scene_read.check_replaceable(obj)
    # Linked duplicates show one mesh, which is reduced once: for the first of them.
    firsts = {obj.data.session_uid: obj for obj in reversed(meshes)}
    chosen = list(reversed(firsts.values()))
    before = [scene_read.snapshot(obj) for obj in chosen]
    targets = [_target(len(one.faces), wish) for one in before]
    tasks, warnings = [], _left_alone(objects)
    for obj, one, target in zip(chosen, before, targets, strict=True):
        if len(one.faces) > target:
            users = len(scene_read.users_of(obj.data))
            tasks.append(_Task(one, target, users, pack(one.attributes)))
            warnings += [("WARNING", text) for text in scene_read.not_kept(obj)]
    if not tasks:
        if not before:
            raise InvalidMeshError("there is no mesh to reduce; give at least one mesh object")
        largest = max(range(len(before)), key=lambda i: len(before[i].faces))
        raise InvalidMeshError(
            f"'{before[largest].name}' has {len(before[largest].faces):,} triangles, not more "
            f"than the {targets[largest]:,} asked for; ask for fewer"
        )
    uids = [obj.session_uid for obj in objects]
    return Job(
        title=_title([task.before.name for task in tasks]),
        worker=environment.mesh_worker(),
        parts=[task.part(wish.method) for task in tasks],
        finish=lambda results: warnings + _replace(tasks, results, wish.keep_original),
        again=lambda: _make_again(uids, wish),
    )


def _title(names: Sequence[str]) -> str:
    if len(names) > 2:
        return _("Reduce {number} meshes").format(number=len(names))
    return _("Reduce {names}").format(names=", ".join(names))


def _make_again(uids: Sequence[int], wish: Wish) -> Job:
    objects = [obj for obj in map(placing.find, uids) if obj is not None]
    return make_job(bpy.context, objects, wish)


def _check(wish: Wish) -> None:
    if wish.ratio is None and wish.face_count < MIN_FACES:
        raise InvalidSettingError(
            f"cannot reduce to {wish.face_count} faces; ask for {MIN_FACES} or more"
        )
    if wish.ratio is not None and not 0 < wish.ratio <= 1:
        raise InvalidSettingError(
            f"cannot reduce to a ratio of {wish.ratio:g}; ask for more than 0, up to 1"
        )


def _target(faces: int, wish: Wish) -> int:
    return wish.face_count if wish.ratio is None else max(MIN_FACES, round(wish.ratio * faces))


def _left_alone(objects: Sequence[bpy.types.Object]) -> list[Report]:
    others = [obj.name for obj in objects if obj.type != "MESH"]
    text = _("Left alone, not a mesh: {names}").format(names=", ".join(others))
    return [("WARNING", text)] if others else []


def _replace(
    tasks: Sequence[_Task], results: Sequence[Result], keep_original: bool
) -> list[Report]:
    scene_write.leave_edit_mode(bpy.context)
    # Everything that can be wrong with the results shows before the first mesh is changed.
    values = [_values(task, result) for task, result in zip(tasks, results, strict=True)]
    reports: list[Report] = []
    for task, result, rows in zip(tasks, results, values, strict=True):
        before, vertices, faces = task.before, result.arrays["vertices"], result.arrays["faces"]
        mesh = scene_write.find_mesh(before)
        if keep_original and mesh is not None and scene_read.unchanged(mesh, before):
            scene_write.keep_original(mesh)
        if not scene_write.replace_geometry(bpy.context, before, vertices, faces, rows):
            text = _("'{name}' was changed or removed meanwhile; the result is a new object")
            reports.append(("WARNING", text.format(name=before.name)))
        reports += _reports_on(task, result)
    subject = f"'{tasks[0].before.name}'"
    if len(tasks) > 1:
        subject = _("{number} meshes").format(number=len(tasks))
    text = _("{subject}: {before} to {after} faces").format(
        subject=subject,
        before=f"{sum(len(task.before.faces) for task in tasks):,}",
        after=f"{sum(len(result.arrays['faces']) for result in results):,}",
    )
    return [*reports, ("INFO", text)]


def _values(task: _Task, result: Result) -> dict[str, np.ndarray]:
    """Rows by the attributes' names, without those of which no sense is left."""
    kept = task.packed.unpack(result.arrays)
    scattered = _scattered(task, result)
    return {
        attribute.name: attribute.values
        for attribute in kept
        if attribute.name not in scattered
        or (attribute.domain != "edge" and attribute.name != NORMALS)
    }


def _scattered(task: _Task, result: Result) -> list[str]:
    return task.packed.names_of(result.values.get("scattered", ()))


def _reports_on(task: _Task, result: Result) -> list[Report]:
    """What an artist should know of one mesh besides the numbers."""
    reports: list[Report] = []

    def tell(level: str, text: str, **values: object) -> None:
        reports.append((level, text.format(name=task.before.name, **values)))

    reached = len(result.arrays["faces"])
    numbers = {"reached": f"{reached:,}", "wanted": f"{task.target:,}"}
    if reached > task.target:
        text = _(
            "'{name}' has {reached} faces, not the {wanted} asked for: its parts, holes, borders "
            "and seams allow no fewer"
        )
        tell("WARNING", text, **numbers)
    elif reached < task.target:
        tell("INFO", _("'{name}' has {reached} faces; {wanted} were asked for"), **numbers)
    edges = {one.name for one in task.before.attributes if one.domain == "edge"}
    for what in _scattered(task, result):
        if what == NORMALS:
            text = _("'{name}': the custom normals part most faces, so it is shaded flat instead")
        elif what in edges:
            text = _("'{name}' does not keep {what}, which lies on most edges")
        else:
            text = _("'{name}': {what} jumps at most edges, so it fits only roughly now")
        tell("WARNING", text, what=what)
    if task.users > 1:
        text = _("The mesh '{mesh}' is shared: all its {users} objects changed")
        tell("INFO", text, mesh=task.before.mesh_name, users=task.users)
    return reports
