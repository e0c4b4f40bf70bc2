# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the two operators, defined once and used twice: on the operators and, for the
panel, on the scene. Zero stands for "the model's own default" wherever a real zero makes no sense.
"""

from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

# Every path goes through bpy.path.abspath; newer Blenders want to be told, older ones refuse it.
RELATIVE = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()


class GenerateSettings:
    """Settings of `hunyuan3d.generate` apart from the picture."""

    model: StringProperty(
        name="Model",
        description=(
            "Folder of a model in the Hunyuan3D-2 layout, or its name on the hub. "
            "Empty: the small model that comes with this extension"
        ),
        subtype="DIR_PATH",
        options=RELATIVE,
    )
    seed: IntProperty(
        name="Seed",
        description="Start of the random numbers; the same seed gives the same shape again",
        min=0,
    )
    num_inference_steps: IntProperty(
        name="Steps",
        description="Sampling steps; more are slower and finer. 0: the model's default",
        min=0,
        soft_max=100,
        max=1000,
    )
    guidance_scale: FloatProperty(
        name="Guidance",
        description="How closely the shape follows the picture. 0: the model's default",
        min=0.0,
        soft_max=15.0,
        max=100.0,
    )
    octree_resolution: IntProperty(
        name="Resolution",
        description="Cells along one side of the grid that the shape is read from. "
        "0: the model's default",
        min=0,
        soft_max=512,
        max=1024,
    )
    face_count: IntProperty(
        name="Faces",
        description="Triangles the new mesh is reduced to. 0: keep all",
        min=0,
        soft_max=200_000,
    )
    texture_size: IntProperty(
        name="Texture",
        description="Pixels along a side of a texture in the colors of the picture. 0: none",
        min=0,
        soft_max=4096,
        max=8192,
    )
    speed_priority: FloatProperty(
        name="Speed Priority",
        description=(
            "Chooses steps, resolution and guidance where those are 0, by what this computer was "
            "measured to do: from 0, best, to 1, fastest. Below 0: the model's defaults"
        ),
        default=-1.0,
        min=-1.0,
        max=1.0,
    )
    batch_count: IntProperty(
        name="Batch",
        description="How many meshes to make of the picture, with one seed after the other",
        default=1,
        min=1,
        soft_max=8,
        max=64,
    )
    filepath_left: StringProperty(
        name="Left",
        description="Picture of the object's left side, for multi-view models",
        subtype="FILE_PATH",
        options=RELATIVE,
    )
    filepath_back: StringProperty(
        name="Back",
        description="Picture of the object from behind, for multi-view models",
        subtype="FILE_PATH",
        options=RELATIVE,
    )
    filepath_right: StringProperty(
        name="Right",
        description="Picture of the object's right side, for multi-view models",
        subtype="FILE_PATH",
        options=RELATIVE,
    )


class ReduceSettings:
    """Settings of `hunyuan3d.reduce_faces`."""

    method: EnumProperty(
        name="Method",
        items=(
            ("QUALITY", "Quality", "Stays closest to the surface; takes longer"),
            ("FAST", "Fast", "For very large meshes"),
            ("PREVIEW", "Preview", "Soonest there; less exact on flat shapes"),
        ),
        default="QUALITY",
    )
    use_ratio: BoolProperty(
        name="By Ratio",
        description="Reduce each mesh to a share of its own triangles instead of to one number",
    )
    face_count: IntProperty(
        name="Faces",
        description="Triangles that each selected mesh is reduced to",
        default=10_000,
        min=0,
        soft_min=4,
        soft_max=500_000,
    )
    ratio: FloatProperty(
        name="Ratio",
        description="Share of its triangles that each selected mesh keeps",
        default=0.1,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    keep_original: BoolProperty(
        name="Keep Original",
        description="Leave a hidden copy of each object as it was, at the same place",
    )


class HY3D_PG_generate(GenerateSettings, bpy.types.PropertyGroup):
    source: EnumProperty(
        name="Picture From",
        items=(
            ("FILE", "File", "A picture file"),
            ("IMAGE", "Image", "An image of this blend file, painted or rendered for example"),
        ),
    )
    image: PointerProperty(
        name="Image",
        description="Image of one object, best before a plain or transparent background",
        type=bpy.types.Image,
    )
    better: FloatProperty(
        name="Faster - Better",
        description=(
            "How much time a mesh may take: to the left it comes soon, to the right it gets more "
            "sampling steps and a finer grid. The numbers are solved from what this computer was "
            "measured to do with the model"
        ),
        default=0.5,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    filepath: StringProperty(
        name="Picture",
        description="Picture of one object, best before a plain or transparent background",
        subtype="FILE_PATH",
        options=RELATIVE,
    )


class HY3D_PG_reduce(ReduceSettings, bpy.types.PropertyGroup):
    pass


class HY3D_PG_settings(bpy.types.PropertyGroup):
    generate: PointerProperty(type=HY3D_PG_generate)
    reduce: PointerProperty(type=HY3D_PG_reduce)


def speed_priority(settings: "HY3D_PG_generate") -> float:
    """What the slider says, as `hunyuan3d.generate` takes it: the other way round."""
    return round(1.0 - settings.better, 3)


def give_generate(settings: "HY3D_PG_generate", operator: Any) -> None:
    """Everything that the panel says of pictures and settings, for `hunyuan3d.generate`."""
    copy_settings(settings, operator, GenerateSettings)
    operator.speed_priority = speed_priority(settings)
    if settings.source == "FILE":
        operator.filepath = settings.filepath
    elif settings.image is not None:
        operator.image = settings.image.name


def copy_settings(source: Any, target: Any, kind: type) -> None:
    """Give every setting of `kind` (one of the classes above) in `source` to `target`."""
    for name in kind.__annotations__:
        setattr(target, name, getattr(source, name))


_CLASSES = (HY3D_PG_generate, HY3D_PG_reduce, HY3D_PG_settings)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.hunyuan3d = PointerProperty(type=HY3D_PG_settings)


def unregister() -> None:
    del bpy.types.Scene.hunyuan3d
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
