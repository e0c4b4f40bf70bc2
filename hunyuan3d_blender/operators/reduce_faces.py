# SPDX-License-Identifier: GPL-3.0-or-later
"""`hunyuan3d.reduce_faces`: fewer triangles for every selected mesh, in one undo step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import bpy

from hy3dgen.errors import InvalidMeshError, InvalidSettingError
from hy3dgen.worker.attribute_arrays import Packed, pack
from hy3dgen.worker.protocol import Result

from .. import environment, scene_read, scene_write
from ..jobs import Job, Part, Report
from ..mesh_layers import NORMALS
from ..properties import ReduceSettings
from ..scene_read import MeshSnapshot
from .job_operator import JobOperator

MIN_FACES = 4  # a tetrahedron


@dataclass(frozen=True)
class _Task:
    """One mesh to reduce, with what was sent to the worker."""

    before: MeshSnapshot
    target: int
    users: int
    packed: Packed

    def part(self, method: str) -> Part:
        arrays = {"vertices": self.before.vertices, "faces": self.before.faces}
        params = {"face_count": self.target, "method": method}
        return Part(self.before.name, "reduce", params, arrays | self.packed.arrays)


class HY3D_OT_reduce_faces(ReduceSettings, JobOperator, bpy.types.Operator):
    """Reduce the triangles of each selected mesh, staying close to its surface. Keeps the object, \
its transform and modifiers, and UV maps, colors, weights, shape keys and other attributes"""

    bl_idname = "hunyuan3d.reduce_faces"
    bl_label = "Reduce Faces"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if any(obj.type == "MESH" for obj in context.selected_objects):
            return True
        found = context.selected_objects
        cls.poll_message_set(
            f"'{found[0].name}' is not a mesh; select at least one mesh"
            if found
            else "Nothing is selected; select at least one mesh"
        )
        return False

    def make_job(self, context: bpy.types.Context) -> Job:
        ratio = self.ratio if self.use_ratio else None
        _check_wish(self.face_count, ratio)
        scene_write.leave_edit_mode(context)
        selected = [obj for obj in context.selected_objects if obj.type == "MESH"]
        for obj in selected:
            scene_read.check_replaceable(obj)
        # Linked duplicates show one mesh, which is reduced once.
        meshes = {obj.data.session_uid: obj for obj in reversed(selected)}
        objects = list(reversed(meshes.values()))
        before = [scene_read.snapshot(obj) for obj in objects]
        targets = [_target(len(one.faces), self.face_count, ratio) for one in before]
        tasks, warnings = [], _left_alone(context)
        for obj, one, target in zip(objects, before, targets, strict=True):
            if len(one.faces) > target:
                users = len(scene_read.users_of(obj.data))
                tasks.append(_Task(one, target, users, pack(one.attributes)))
                warnings += [("WARNING", text) for text in scene_read.not_kept(obj)]
        if not tasks:
            largest = max(range(len(before)), key=lambda i: len(before[i].faces))
            raise InvalidMeshError(
                f"'{before[largest].name}' has {len(before[largest].faces):,} triangles, not more "
                f"than the {targets[largest]:,} asked for; ask for fewer"
            )
        keep_original, method = self.keep_original, self.method.lower()
        names = ", ".join(task.before.name for task in tasks[:3])

        def finish(results: list[Result]) -> list[Report]:
            return warnings + _replace(tasks, results, keep_original)

        return Job(
            title=f"Reduce {names if len(tasks) <= 3 else f'{len(tasks)} meshes'}",
            worker=environment.mesh_worker(),
            parts=[task.part(method) for task in tasks],
            finish=finish,
        )


def _check_wish(face_count: int, ratio: float | None) -> None:
    if ratio is None and face_count < MIN_FACES:
        raise InvalidSettingError(
            f"cannot reduce to {face_count} faces; ask for {MIN_FACES} or more"
        )
    if ratio == 0:
        raise InvalidSettingError("cannot reduce to a ratio of 0; ask for more than 0, up to 1")


def _target(faces: int, face_count: int, ratio: float | None) -> int:
    return face_count if ratio is None else max(MIN_FACES, round(ratio * faces))


def _left_alone(context: bpy.types.Context) -> list[Report]:
    others = [obj.name for obj in context.selected_objects if obj.type != "MESH"]
    return [("WARNING", f"Left alone, not a mesh: {', '.join(others)}")] if others else []


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
            text = f"'{before.name}' was changed or removed meanwhile; the result is a new object"
            reports.append(("WARNING", text))
        reports += _reports_on(task, result)
    faces_before = sum(len(task.before.faces) for task in tasks)
    faces_after = sum(len(result.arrays["faces"]) for result in results)
    subject = f"'{tasks[0].before.name}'" if len(tasks) == 1 else f"{len(tasks)} meshes"
    text = f"{subject}: {faces_before:,} to {faces_after:,} faces"
    return [*reports, ("INFO", text)]


def _values(task: _Task, result: Result) -> dict:
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
    name, reached = task.before.name, len(result.arrays["faces"])
    reports: list[Report] = []
    if reached > task.target:
        text = (
            f"'{name}' has {reached:,} faces, not the {task.target:,} asked for: its parts, holes, "
            "borders and seams allow no fewer"
        )
        reports.append(("WARNING", text))
    elif reached < task.target:
        text = f"'{name}' has {reached:,} faces; {task.target:,} were asked for"
        reports.append(("INFO", text))
    edges = {one.name for one in task.before.attributes if one.domain == "edge"}
    for what in _scattered(task, result):
        if what == NORMALS:
            text = f"'{name}': the custom normals part most faces, so it is shaded flat instead"
        elif what in edges:
            text = f"'{name}' does not keep {what}, which lies on most edges"
        else:
            text = f"'{name}': {what} jumps at most edges, so it fits only roughly now"
        reports.append(("WARNING", text))
    if task.users > 1:
        text = f"The mesh '{task.before.mesh_name}' is shared: all its {task.users} objects changed"
        reports.append(("INFO", text))
    return reports


def register() -> None:
    bpy.utils.register_class(HY3D_OT_reduce_faces)


def unregister() -> None:
    bpy.utils.unregister_class(HY3D_OT_reduce_faces)
