# SPDX-License-Identifier: GPL-3.0-or-later
"""From a wish to a job that reduces meshes of the scene: for the operator, retries and scripts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import bpy
import numpy as np
from bpy.app.translations import pgettext_rpt as _

from hy3dgen.errors import InvalidMeshError, InvalidSettingError
from hy3dgen.worker.attribute_arrays import Packed, pack
from hy3dgen.worker.protocol import Result

from . import environment, placing, scene_read, scene_write
from .job import WAITING, Job, Part, Report
from .mesh_fill import Filling
from .mesh_layers import NORMALS
from .replaceable import check_replaceable, not_kept, triangles_of, users_of
from .scene_read import MeshSnapshot
from .scratch import Lost, Scratch
from .steps import Steps, in_thread, run_through

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


def make_job(
    context: bpy.types.Context,
    objects: Sequence[bpy.types.Object],
    wish: Wish,
    at_once: bool = True,
) -> Job:
    """Not queued yet. Meshes that are small enough already, and what is no mesh, stay as they are.

    Parameters
    ----------
    at_once : read the meshes here, and write the results without a pause into the same
        datablocks; else both go in steps, and at the end filled copies take the datablocks' places

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
        check_replaceable(obj)
    # Linked duplicates show one mesh, which is reduced once: for the first of them.
    firsts = {obj.data.session_uid: obj for obj in reversed(meshes)}
    counts = [(obj, triangles_of(obj.data)) for obj in reversed(firsts.values())]
    chosen = [obj for obj, count in counts if count > _target(count, wish)]
    if not chosen:
        if not counts:
            raise InvalidMeshError("there is no mesh to reduce; give at least one mesh object")
        obj, count = max(counts, key=lambda pair: pair[1])
        raise _too_small(obj.name, count, wish)
    uids = [obj.session_uid for obj in objects]
    job = Job(
        title=_title([obj.name for obj in chosen]),
        worker=environment.mesh_worker(),
        parts=[Part(obj.name, "reduce", {}) for obj in chosen],
        finish=list,
        again=lambda: _make_again(uids, wish),
    )
    warnings = _left_alone(objects)
    if at_once:
        job.parts, job.finish = run_through(_read(chosen, wish, warnings, at_once))
    else:
        job.read = lambda: _read(chosen, wish, warnings, at_once)
    return job


def _read(
    objects: Sequence[bpy.types.Object], wish: Wish, warnings: Sequence[Report], at_once: bool
) -> Steps:
    """The parts of a job and its `finish`; see `Job.read`."""
    sizes = [_steps_of(obj) for obj in objects]
    readings = [scene_read.Reading(obj, at_once) for obj in objects]
    tasks, told = [], list(warnings)
    try:
        yield 0.0  # the click has to do no more than this
        for i, reading in enumerate(readings):
            before = yield from _counted(reading.snapshot(), sum(sizes[:i]), sizes[i], sum(sizes))
            reading.close()
            target = _target(len(before.faces), wish)
            if len(before.faces) <= target:  # edited since the click
                raise _too_small(before.name, len(before.faces), wish)
            packed = yield from in_thread(partial(pack, before.attributes))
            obj = reading.find()
            users = users_of(obj.data) if obj is not None else []
            tasks.append(_Task(before, target, len(users), packed))
            if obj is not None:
                told += [("WARNING", text) for text in not_kept(obj, before.loose_edges)]
    finally:
        for reading in readings:
            reading.close()
    replace = _replace if at_once else _replace_in_steps
    parts = [task.part(wish.method) for task in tasks]
    return parts, lambda results: replace(tasks, results, wish.keep_original, told)


def _steps_of(obj: bpy.types.Object) -> int:
    """About how many steps the reading of a mesh takes."""
    keys = obj.data.shape_keys
    return 4 + 2 * len(obj.data.attributes) + (len(keys.key_blocks) if keys else 0)


def _counted(steps: Steps, before: int, size: int, total: int) -> Steps:
    """The same steps, which yield the share of all that is done."""
    done = 0
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            return stop.value
        done += step != WAITING
        yield step if step == WAITING else (before + min(done, size)) / total


def _too_small(name: str, count: int, wish: Wish) -> InvalidMeshError:
    return InvalidMeshError(
        f"'{name}' has {count:,} triangles, not more "
        f"than the {_target(count, wish):,} asked for; ask for fewer"
    )


def _title(names: Sequence[str]) -> str:
    if len(names) > 2:
        return _("Reduce {number} meshes").format(number=len(names))
    return _("Reduce {names}").format(names=", ".join(names))


def _make_again(uids: Sequence[int], wish: Wish) -> Job:
    objects = [obj for obj in map(placing.find, uids) if obj is not None]
    return make_job(bpy.context, objects, wish, at_once=bpy.app.background)


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
    tasks: Sequence[_Task],
    results: Sequence[Result],
    keep_original: bool,
    warnings: Sequence[Report],
) -> list[Report]:
    """All at once; the datablocks stay the same."""
    scene_write.leave_edit_mode(bpy.context)
    # Everything that can be wrong with the results shows before the first mesh is changed.
    values = [_values(task, result) for task, result in zip(tasks, results, strict=True)]
    in_place = []
    for task, result, rows in zip(tasks, results, values, strict=True):
        before, vertices, faces = task.before, result.arrays["vertices"], result.arrays["faces"]
        mesh = scene_write.find_mesh(before)
        users = users_of(mesh) if keep_original and mesh is not None else []
        if users and run_through(scene_read.unchanged(users[0], before))[0]:
            scene_write.keep_original(mesh)
        in_place.append(scene_write.replace_geometry(bpy.context, before, vertices, faces, rows))
    return _reports(tasks, results, in_place, warnings)


def _replace_in_steps(
    tasks: Sequence[_Task],
    results: Sequence[Result],
    keep_original: bool,
    warnings: Sequence[Report],
) -> Steps:
    """Copies of the meshes are filled, and take their places in one turn at the end."""
    fillings = yield from in_thread(partial(_fillings, tasks, results))
    while True:
        copies: list[Scratch] = []
        try:
            for filling in fillings:
                copies.append(Scratch(scene_write.copy_for(filling.before)))
                yield from filling.write(copies[-1].get)
            same = yield from _unchanged([task.before for task in tasks])
            for copy in copies:
                copy.get()
        except Lost:
            yield None
            continue
        else:
            # From here on nothing comes in between.
            for task, copy, in_place in zip(tasks, copies, same, strict=True):
                scene_write.put(bpy.context, task.before, copy.keep(), in_place, keep_original)
            return _reports(tasks, results, same, warnings)
        finally:
            for copy in copies:
                copy.discard()


def _unchanged(snapshots: Sequence[MeshSnapshot]) -> Steps:
    """For each whether its mesh is in use and as it was, true at the moment of the answer."""
    while True:
        scene_write.leave_edit_mode(bpy.context)
        same, watches = [], []
        for before in snapshots:
            mesh = scene_write.find_mesh(before)
            users = users_of(mesh) if mesh is not None else []
            if users:
                is_same, watch = yield from scene_read.unchanged(users[0], before, at_once=False)
                watches.append(watch)
            same.append(bool(users) and is_same)
        if not any(watch.noticed() for watch in watches):
            return same
        yield None


def _fillings(tasks: Sequence[_Task], results: Sequence[Result]) -> list[Filling]:
    return [
        Filling.of(
            task.before,
            result.arrays["vertices"],
            result.arrays["faces"],
            _values(task, result),
        )
        for task, result in zip(tasks, results, strict=True)
    ]


def _reports(
    tasks: Sequence[_Task],
    results: Sequence[Result],
    in_place: Sequence[bool],
    warnings: Sequence[Report],
) -> list[Report]:
    reports = list(warnings)
    for task, result, replaced in zip(tasks, results, in_place, strict=True):
        if not replaced:
            text = _("'{name}' was changed or removed meanwhile; the result is a new object")
            reports.append(("WARNING", text.format(name=task.before.name)))
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
