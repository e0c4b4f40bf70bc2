# SPDX-License-Identifier: GPL-3.0-or-later
"""`hunyuan3d.reduce_faces`: fewer triangles for every selected mesh, in one undo step."""

from typing import ClassVar

import bpy

from hy3dgen.errors import InvalidMeshError, InvalidSettingError
from hy3dgen.worker.protocol import Result

from .. import environment, scene_read, scene_write
from ..jobs import Job, Part, Report
from ..properties import ReduceSettings
from .job_operator import JobOperator

MIN_FACES = 4  # a tetrahedron


class HY3D_OT_reduce_faces(ReduceSettings, JobOperator, bpy.types.Operator):
    """Reduce the triangles of each selected mesh, staying close to its surface. Keeps the object, \
its transform, modifiers and material slots"""

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
        if self.face_count < MIN_FACES:
            raise InvalidSettingError(
                f"cannot reduce to {self.face_count} faces; ask for {MIN_FACES} or more"
            )
        scene_write.leave_edit_mode(context)
        meshes = [obj for obj in context.selected_objects if obj.type == "MESH"]
        for obj in meshes:
            scene_read.check_replaceable(obj)
        before = [scene_read.snapshot(obj) for obj in meshes]
        todo = [
            (obj, one)
            for obj, one in zip(meshes, before, strict=True)
            if len(one.faces) > self.face_count
        ]
        if not todo:
            smallest = max(before, key=lambda one: len(one.faces))
            raise InvalidMeshError(
                f"'{smallest.name}' has {len(smallest.faces):,} triangles, not more than the "
                f"{self.face_count:,} asked for; ask for fewer"
            )
        warnings = _warnings(context, [obj for obj, _ in todo])
        params = {"face_count": self.face_count, "method": self.method.lower()}
        snapshots = [one for _, one in todo]
        names = ", ".join(one.name for one in snapshots[:3])

        def finish(results: list[Result]) -> list[Report]:
            return warnings + _replace(snapshots, results)

        return Job(
            title=f"Reduce {names if len(snapshots) <= 3 else f'{len(snapshots)} meshes'}",
            worker=environment.mesh_worker(),
            parts=[
                Part(one.name, "reduce", params, {"vertices": one.vertices, "faces": one.faces})
                for one in snapshots
            ],
            finish=finish,
        )


def _warnings(context: bpy.types.Context, meshes: list[bpy.types.Object]) -> list[Report]:
    warnings: list[Report] = []
    others = [obj.name for obj in context.selected_objects if obj.type != "MESH"]
    if others:
        warnings.append(("WARNING", f"Left alone, not a mesh: {', '.join(others)}"))
    for obj in meshes:
        lost = scene_read.lost_by_replacing(obj)
        if lost:
            warnings.append(("WARNING", f"'{obj.name}' does not keep {', '.join(lost)}"))
    return warnings


def _replace(before: list[scene_read.MeshSnapshot], results: list[Result]) -> list[Report]:
    scene_write.leave_edit_mode(bpy.context)
    reports: list[Report] = []
    for one, result in zip(before, results, strict=True):
        faces = result.arrays["faces"]
        kept = scene_write.replace_geometry(bpy.context, one, result.arrays["vertices"], faces)
        if not kept:
            text = f"'{one.name}' was changed or removed meanwhile; the result is a new object"
            reports.append(("WARNING", text))
    faces_before = sum(len(one.faces) for one in before)
    faces_after = sum(len(result.arrays["faces"]) for result in results)
    subject = f"'{before[0].name}'" if len(before) == 1 else f"{len(before)} meshes"
    text = f"{subject}: {faces_before:,} to {faces_after:,} faces"
    return [*reports, ("INFO", text)]


def register() -> None:
    bpy.utils.register_class(HY3D_OT_reduce_faces)


def unregister() -> None:
    bpy.utils.unregister_class(HY3D_OT_reduce_faces)
