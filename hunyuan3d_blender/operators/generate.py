# SPDX-License-Identifier: GPL-3.0-or-later
"""`hunyuan3d.generate`: a picture becomes a mesh at the 3D cursor."""

from pathlib import Path
from typing import ClassVar

import bpy
from bpy.props import BoolProperty, StringProperty

from hy3dgen.errors import InvalidImageError
from hy3dgen.worker.protocol import Result

from .. import environment, model_source, picture_read, scene_write
from ..jobs import Job, Part, Report
from ..properties import RELATIVE, GenerateSettings
from .job_operator import JobOperator

_REMEMBERED = (
    *("seed", "num_inference_steps", "guidance_scale", "octree_resolution"),
    *("faces_raw", "device", "peak_memory"),
)


class HY3D_OT_generate(GenerateSettings, JobOperator, bpy.types.Operator):
    """Make a mesh from a picture of one object and put it at the 3D cursor"""

    bl_idname = "hunyuan3d.generate"
    bl_label = "Mesh from Picture"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="Picture", subtype="FILE_PATH", options=RELATIVE | {"SKIP_SAVE"})
    accept_licence: BoolProperty(
        name="Accept Licence",
        description=(
            "For scripts: I have read and accept the licence of the model, which may be downloaded"
        ),
        options={"HIDDEN", "SKIP_SAVE"},
    )
    filter_image: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if self.filepath:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        if context.space_data is None or context.space_data.type != "FILE_BROWSER":
            # Afterwards, under "Adjust Last Operation": a change there would generate again and
            # freeze Blender meanwhile, so only tell what was done.
            layout.label(text=f"{Path(self.filepath).name}, seed {self.seed}", icon="IMAGE_DATA")
            return
        for name in GenerateSettings.__annotations__:
            layout.prop(self, name)

    def make_job(self, context: bpy.types.Context) -> Job:
        picture = Path(bpy.path.abspath(self.filepath)) if self.filepath else None
        if picture is None:
            raise InvalidImageError("no picture is chosen; give a PNG or JPEG file")
        if not picture.is_file():
            what = "is a folder" if picture.is_dir() else "does not exist"
            raise InvalidImageError(f"picture '{picture}' {what}; choose a PNG or JPEG file")
        source = model_source.find_source(context, self.model, self.accept_licence)
        params = {
            "model": source.model,
            "seed": self.seed,
            "num_inference_steps": self.num_inference_steps or None,
            "guidance_scale": self.guidance_scale or None,
            "octree_resolution": self.octree_resolution or None,
            "face_count": self.face_count or None,
        }

        arrays = {}
        if environment.generation_python(context) is not None:
            params["picture"] = str(picture.absolute())
        else:  # Blender's own Python has no library that reads pictures
            arrays["image"] = picture_read.read_picture(picture.absolute())

        def finish(results: list[Result]) -> list[Report]:
            return _add(picture, results[-1])

        return Job(
            title=f"Mesh from {picture.name}",
            worker=environment.generation_worker(context),
            parts=[*source.fetch, Part(picture.stem, "generate", params, arrays)],
            finish=finish,
        )


def _add(picture: Path, result: Result) -> list[Report]:
    values = result.values
    obj = scene_write.add_generated(
        bpy.context, picture.stem, result.arrays["vertices"], result.arrays["faces"]
    )
    # How it was made, to be made again; read it in scripts or under Custom Properties.
    obj["hunyuan3d"] = {
        "picture": str(picture),
        "model": values["model"],
        **{key: values[key] for key in _REMEMBERED},
        "seconds": {stage: float(seconds) for stage, seconds in values["stages"]},
    }
    seconds = sum(float(value) for _, value in values["stages"])
    return [("INFO", f"'{obj.name}': {len(obj.data.polygons):,} faces in {seconds:.1f} s")]


def register() -> None:
    bpy.utils.register_class(HY3D_OT_generate)


def unregister() -> None:
    bpy.utils.unregister_class(HY3D_OT_generate)
