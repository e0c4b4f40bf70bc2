# SPDX-License-Identifier: GPL-3.0-or-later
"""`hunyuan3d.texture`: the colours of a picture for every selected mesh, in one undo step."""

from pathlib import Path
from typing import ClassVar

import bpy
from bpy.app.translations import pgettext_rpt as _
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from .. import painting
from ..job import Job
from ..properties import RELATIVE
from .job_operator import JobOperator


class TextureSettings:
    """Settings of `hunyuan3d.texture`, apart from the picture; also of the panel."""

    model: StringProperty(
        name="Model",
        description=(
            "Folder with hunyuan3d-delight-v2-0 and hunyuan3d-paint-v2-0-turbo, or the name of a "
            "downloaded model; its networks paint all sides, with PyTorch and a GPU. "
            "Empty: from the picture only, without a model"
        ),
        subtype="DIR_PATH",
        options=RELATIVE,
    )
    seed: IntProperty(
        name="Seed",
        description="Start of the random numbers of a model; from the picture only there are none",
        min=0,
    )
    texture_size: EnumProperty(
        name="Size",
        description="Pixels along a side of the texture",
        items=[(side, side, "") for side in ("512", "1024", "2048", "4096")],
        default="1024",
    )
    uvs: EnumProperty(
        name="UVs",
        description="Where on the texture each face is",
        items=(
            ("AUTO", "Keep If There", "Use the active UV map; make one where there is none"),
            ("KEEP", "Keep", "Use the active UV map"),
            ("NEW", "New", "Unwrap from six sides into a UV map of its own"),
        ),
        default="AUTO",
    )
    large: EnumProperty(
        name="Large Meshes",
        description="How a mesh of more than 200,000 faces is painted if it gets a new UV map",
        items=(
            ("COPY", "Paint a Reduced Copy", "A copy with 40,000 faces; the mesh is hidden"),
            (
                "ALL",
                "Paint All Faces",
                "The texture of a reduced copy is brought to the mesh itself, which takes longer",
            ),
        ),
        default="COPY",
    )
    storage: EnumProperty(
        name="Store",
        items=(
            ("PACK", "In Blend File", "The image is packed into the blend file"),
            ("FILE", "Beside Blend File", "A PNG file in the blend file's folder"),
        ),
        default="PACK",
    )


class HY3D_OT_texture(TextureSettings, JobOperator, bpy.types.Operator):
    """Give each selected mesh the colours of a picture. Without a model it is laid on from \
the side that it shows, and the far side filled from what is next to it"""

    bl_idname = "hunyuan3d.texture"
    bl_label = "Texture from Picture"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="Picture", subtype="FILE_PATH", options=RELATIVE | {"SKIP_SAVE"})
    filter_image: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if any(obj.type == "MESH" for obj in context.selected_objects):
            return True
        found = context.selected_objects
        cls.poll_message_set(
            _("'{name}' is not a mesh; select at least one mesh").format(name=found[0].name)
            if found
            else "Nothing is selected; select at least one mesh"
        )
        return False

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
            # Afterwards, under "Adjust Last Operation", a change would freeze Blender.
            layout.label(text=Path(self.filepath).name, icon="TEXTURE")
            return
        for name in TextureSettings.__annotations__:
            layout.prop(self, name)

    def make_job(self, context: bpy.types.Context) -> Job:
        wish = painting.Wish(
            picture=self.filepath,
            model=self.model,
            seed=self.seed,
            texture_size=int(self.texture_size),
            uvs=self.uvs,
            large=self.large,
            storage=self.storage,
        )
        return painting.make_job(context, context.selected_objects, wish)


def register() -> None:
    bpy.utils.register_class(HY3D_OT_texture)


def unregister() -> None:
    bpy.utils.unregister_class(HY3D_OT_texture)
