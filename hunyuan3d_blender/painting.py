# SPDX-License-Identifier: GPL-3.0-or-later
"""From a wish to a job that paints meshes: shared by the operator, the panel and the API."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from bpy.app.translations import pgettext_rpt as _

from hy3dgen.errors import (
    CheckpointNotFoundError,
    InvalidImageError,
    InvalidMeshError,
    InvalidSettingError,
)
from hy3dgen.install import models
from hy3dgen.worker.protocol import Result

from . import (
    environment,
    mesh_layers,
    model_source,
    picture_read,
    placing,
    scene_read,
    scene_write,
    texture_write,
)
from .generation import memory_limit
from .job import Job, Part, Report

LARGE_MESH = 200_000  # triangles; more are reduced before they get a new UV map
REDUCED_FACES = 40_000
_UVS_ON_TOP = 0.01  # of the UVs; more is worth a word
_LOW_OVERLAP = 0.75  # of the outlines; below, the picture probably shows something else


@dataclass(frozen=True)
class Wish:
    """How to paint; `uvs`, `storage` and `large` are the operator's choices."""

    picture: str
    model: str = ""  # folder or name of a painting model; empty: from the picture only
    seed: int = 0
    texture_size: int = 1024
    uvs: str = "AUTO"
    storage: str = "PACK"
    large: str = "COPY"


def make_job(context: bpy.types.Context, objects: Sequence[bpy.types.Object], wish: Wish) -> Job:
    """Not queued yet; of objects that share a mesh one stands for all.

    Raises
    ------
    Hy3DError
        The picture, the model or the folder is not there, or an object cannot be painted.
    """
    picture = _picture(wish.picture)
    folder = _folder() if wish.storage == "FILE" else None
    scene_write.leave_edit_mode(context)
    meshes = [obj for obj in objects if obj.type == "MESH"]
    for obj in meshes:
        texture_write.check_paintable(obj)
    # Objects may share a mesh: it is painted once.
    meshes = list({obj.data.session_uid: obj for obj in meshes}.values())
    subjects = [_Subject(obj, wish.uvs) for obj in meshes]
    warnings = _warnings(objects, meshes)
    image = picture_read.read_picture(picture)
    params = {
        "texture_size": wish.texture_size,
        "reduce_above": LARGE_MESH,
        "reduced_faces": REDUCED_FACES,
        "full_detail": wish.large == "ALL",
    }
    worker = environment.mesh_worker()
    if wish.model:
        params |= {**_model(context, wish.model), "seed": wish.seed}
        params["max_memory"] = memory_limit(context)
        worker = environment.generation_worker(context)

    def finish(results: list[Result]) -> list[Report]:
        scene_write.leave_edit_mode(bpy.context)
        pairs = zip(subjects, results, strict=True)
        return warnings + [report for one, done in pairs for report in one.paint(done, folder)]

    uids = [obj.session_uid for obj in objects]
    return Job(
        title=_title([one.name for one in subjects]),
        worker=worker,
        parts=[
            Part(
                one.name,
                "texture",
                {**params, "unwrap": "box" if one.new_uvs else "keep"},
                {**one.arrays, "image": image},
            )
            for one in subjects
        ],
        finish=finish,
        picture=str(picture),
        again=lambda: _again(uids, wish),
        kind=("texture", wish.model, wish.texture_size),
    )


def _again(uids: Sequence[int], wish: Wish) -> Job:
    found = [obj for obj in map(placing.find, uids) if obj is not None and obj.type == "MESH"]
    if not found:
        raise InvalidMeshError("the meshes to paint are gone; select others and start anew")
    return make_job(bpy.context, found, wish)


class _Subject:
    """A mesh as it is sent, and how its texture is put onto it."""

    def __init__(self, obj: bpy.types.Object, uvs: str) -> None:
        mesh = obj.data
        if uvs == "KEEP" and not mesh.uv_layers:
            raise InvalidMeshError(f"'{obj.name}' has no UV map to keep; choose new UVs")
        self.new_uvs = uvs == "NEW" or not mesh.uv_layers
        self.name, self._uid = obj.name, obj.session_uid
        triangles = mesh_layers.read_triangles(mesh)
        self.loops = triangles.loops
        self.arrays = {"vertices": scene_read.read_vertices(mesh), "faces": triangles.faces}
        if self.new_uvs:
            self.arrays["polygons"] = triangles.polygons
        else:
            self.arrays["uvs"] = texture_write.read_uvs(mesh, self.loops)
        self.loop_count = len(mesh.loops)

    def paint(self, result: Result, folder: Path | None) -> list[Report]:
        obj = placing.find(self._uid)
        if obj is None or obj.type != "MESH" or not self._unchanged(obj.data):
            text = _(
                "'{name}' was changed or removed meanwhile, so it was not painted; start again"
            )
            return [("WARNING", text.format(name=self.name))]
        if "vertices" in result.arrays:
            return [*_told(obj, [], result), _add_copy(obj, result, folder), _summary(obj, result)]
        uvs = result.arrays["uvs"] if self.new_uvs else None
        replaced = texture_write.put_on(
            obj, result.arrays["colour"], self.loops, uvs, folder,
            result.arrays.get("metallic_roughness"),
        )  # fmt: skip
        return [*_told(obj, replaced, result), _summary(obj, result)]

    def _unchanged(self, mesh: bpy.types.Mesh) -> bool:
        return (
            len(mesh.loops) == self.loop_count
            and len(mesh.vertices) == len(self.arrays["vertices"])
            and np.array_equal(scene_read.read_vertices(mesh), self.arrays["vertices"])
            and np.array_equal(mesh_layers.read_triangles(mesh).faces, self.arrays["faces"])
        )


def _add_copy(obj: bpy.types.Object, result: Result, folder: Path | None) -> Report:
    """The reduced mesh that was painted, at the place of the object, which is hidden."""
    arrays = result.arrays
    name = f"{obj.name} (painted)"
    mesh = bpy.data.meshes.new(name)
    scene_write.fill_mesh(mesh, arrays["vertices"], arrays["faces"])
    copy = bpy.data.objects.new(name, mesh)
    placing.put_beside(copy, obj)
    loops = np.arange(len(mesh.loops), dtype=np.int32)
    surface = arrays.get("metallic_roughness")
    texture_write.put_on(copy, arrays["colour"], loops, arrays["uvs"], folder, surface)
    text = _("'{name}' has {many} faces: a copy with {few} was painted, and it was hidden")
    return (
        "INFO",
        text.format(
            name=obj.name,
            many=f"{len(obj.data.polygons):,}",
            few=f"{len(mesh.polygons):,}",
        ),
    )


def _told(obj: bpy.types.Object, replaced: list[str], result: Result) -> list[Report]:
    reports: list[Report] = []
    if replaced:
        names = ", ".join(f"'{name}'" for name in replaced)
        text = _("'{name}' had other materials, now not used: {names}")
        reports.append(("WARNING", text.format(name=obj.name, names=names)))
    if result.values.get("overlapping_uvs", 0) > _UVS_ON_TOP:
        share = round(100 * result.values["overlapping_uvs"])
        text = _("{share} % of the UVs of '{name}' lie on others and share colours; try new UVs")
        reports.append(("WARNING", text.format(name=obj.name, share=share)))
    if result.values.get("overlap", 1) < _LOW_OVERLAP:
        share = round(100 * result.values["overlap"])
        text = _("The picture's outline fits '{name}' to {share} % only; does it show that object?")
        reports.append(("WARNING", text.format(name=obj.name, share=share)))
    return reports


def _summary(obj: bpy.types.Object, result: Result) -> Report:
    values = result.values
    seconds = sum(float(value) for _, value in values["stages"])
    if "shown" not in values:
        text = _("'{name}': painted with seed {seed} in {seconds} s")
        return (
            "INFO",
            text.format(name=obj.name, seed=values["seed"], seconds=f"{seconds:.1f}"),
        )
    shown, mirrored = (round(100 * values[name]) for name in ("shown", "mirrored"))
    text = _(
        "'{name}': {shown} % from the picture, {mirrored} % mirrored, the rest filled in; "
        "{seconds} s"
    )
    return (
        "INFO",
        text.format(name=obj.name, shown=shown, mirrored=mirrored, seconds=f"{seconds:.1f}"),
    )


def _title(names: list[str]) -> str:
    if len(names) > 2:
        return _("Texture of {number} meshes").format(number=len(names))
    return _("Texture of {names}").format(names=", ".join(names))


def _warnings(objects: Sequence[bpy.types.Object], meshes: list[bpy.types.Object]) -> list[Report]:
    others = [obj.name for obj in objects if obj.type != "MESH"]
    warnings: list[Report] = []
    if others:
        text = _("Left alone, not a mesh: {names}").format(names=", ".join(others))
        warnings.append(("WARNING", text))
    for obj in meshes:
        users = obj.data.users - int(obj.data.use_fake_user)
        if users > 1:
            text = _("The mesh of '{name}' is used {number} times; all are painted")
            warnings.append(("WARNING", text.format(name=obj.name, number=users)))
    return warnings


def _picture(filepath: str) -> Path:
    if not filepath:
        raise InvalidImageError("no picture is chosen; give a PNG or JPEG file")
    picture = Path(bpy.path.abspath(filepath)).absolute()
    if not picture.is_file():
        what = "is a folder" if picture.is_dir() else "does not exist"
        raise InvalidImageError(f"picture '{picture}' {what}; choose a PNG or JPEG file")
    return picture


def _model(context: bpy.types.Context, name: str) -> dict[str, str]:
    """The parameters `model` and `subfolder` of a folder, or of a model that is here by name."""
    for known in models.known_as(name, models.TEXTURE_MODELS)[:1]:
        found = models.look_up(known, model_source.kept_folder(context))
        if found.folder is None:
            raise CheckpointNotFoundError(
                f"the model {known.name} is not on this machine; download it in the extension's "
                "preferences, or leave the model empty to paint from the picture only"
            )
        return {"model": str(found.folder.parent), "subfolder": known.subfolder}
    folder = Path(bpy.path.abspath(name)).absolute()
    if not folder.is_dir():
        raise CheckpointNotFoundError(
            f"model folder {folder} does not exist; choose another one, or leave the model empty "
            "to paint from the picture only"
        )
    for known in models.TEXTURE_MODELS:
        if known.needs and folder.name == known.subfolder:
            return {"model": str(folder.parent), "subfolder": known.subfolder}
    return {"model": str(folder)}


def _folder() -> Path:
    if not bpy.data.filepath:
        raise InvalidSettingError(
            "the blend file has not been saved yet, so there is no folder beside it; save it, or "
            "store the texture in the blend file"
        )
    return Path(bpy.data.filepath).parent
