# SPDX-License-Identifier: GPL-3.0-or-later
"""`hunyuan3d.generate`: pictures become meshes at the 3D cursor."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import bpy
from bpy.props import BoolProperty, CollectionProperty, StringProperty

from .. import generation, placing
from ..generation import Picture, Wish
from ..job import Job
from ..properties import RELATIVE, GenerateSettings
from .job_operator import JobOperator


class HY3D_OT_generate(GenerateSettings, JobOperator, bpy.types.Operator):
    """Make a mesh from a picture of one object and put it at the 3D cursor"""

    bl_idname = "hunyuan3d.generate"
    bl_label = "Mesh from Picture"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    filepath: StringProperty(
        name="Picture",
        description="Picture of one object, best before a plain or transparent background",
        subtype="FILE_PATH",
        options=RELATIVE | {"SKIP_SAVE"},
    )
    image: StringProperty(
        name="Image",
        description="Name of an image in this blend file, instead of a picture file",
        options={"SKIP_SAVE"},
    )
    files: CollectionProperty(
        type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"}
    )
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
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
        if self.filepath or self.image:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("model", "seed", "batch_count", "face_count", "texture_size"):
            layout.prop(self, name)

    def make_jobs(self, context: bpy.types.Context) -> Sequence[Job]:
        """One job for each picture and seed; none if any picture cannot be used."""
        wishes = [
            self._wish(picture, self.seed + number)
            for picture in self._pictures()
            for number in range(self.batch_count)
        ]
        return [
            generation.make_job(context, wish, placing.at_cursor(context, number))
            for number, wish in enumerate(wishes)
        ]

    def _pictures(self) -> list[Picture]:
        if self.image:
            return [Picture(image=self.image)]
        names = [file.name for file in self.files if file.name]
        if self.directory and len(names) > 1:
            return [Picture(str(Path(self.directory, name))) for name in names]
        return [Picture(self.filepath)]

    def _wish(self, picture: Picture, seed: int) -> Wish:
        paths = {view: getattr(self, f"filepath_{view}") for view in generation.VIEWS}
        return Wish(
            picture=picture,
            views={view: Picture(path) for view, path in paths.items() if path},
            model=self.model,
            accept_licence=self.accept_licence,
            seed=seed,
            num_inference_steps=self.num_inference_steps or None,
            guidance_scale=self.guidance_scale or None,
            octree_resolution=self.octree_resolution or None,
            face_count=self.face_count or None,
            speed_priority=None if self.speed_priority < 0 else self.speed_priority,
            texture_size=self.texture_size or None,
        )


def register() -> None:
    bpy.utils.register_class(HY3D_OT_generate)


def unregister() -> None:
    bpy.utils.unregister_class(HY3D_OT_generate)
