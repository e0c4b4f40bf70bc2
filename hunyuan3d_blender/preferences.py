# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's preferences: which Python generates, which model, how long workers stay warm."""

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty, StringProperty

from hy3dgen.errors import InvalidSettingError

from .properties import RELATIVE

PACKAGE = __package__  # the add-on's name, which Blender chooses


class Preferences:
    """The properties; `preferences_view` makes the class that Blender knows."""

    python: StringProperty(
        name="Generation Python",
        description=(
            "Python with PyTorch for other models and for speed, for example the one inside a "
            "virtual environment. Empty: Blender's own Python runs the bundled model"
        ),
        subtype="FILE_PATH",
        options=RELATIVE,
    )
    environment_folder: StringProperty(
        name="Environment Folder",
        description=(
            "Where the environment with PyTorch is made. Empty: in the folder for this user's "
            "data, where all Blenders find it"
        ),
        subtype="DIR_PATH",
    )
    models_folder: StringProperty(
        name="Models Folder",
        description=(
            "Where downloaded models are kept. Empty: where other programs for Hunyuan3D-2 look "
            "for them, too"
        ),
        subtype="DIR_PATH",
    )
    default_model: StringProperty(
        name="Default Model",
        description=(
            "Model of everything that names none: a folder or a published name. Empty: the small "
            "model that comes with this extension"
        ),
    )
    idle_minutes: IntProperty(
        name="Keep Workers For",
        description=(
            "Minutes after which an unused worker is closed and its memory is free again. "
            "Until then the next job starts without loading the model"
        ),
        default=10,
        min=1,
        soft_max=120,
        subtype="NONE",
    )
    gpu_memory: FloatProperty(
        name="GPU Memory Limit",
        description=(
            "Gigabytes of an NVIDIA GPU that making a mesh may use; weights then come from main "
            "memory when they are needed. 0: all that is free"
        ),
        default=0.0,
        min=0.0,
        max=1000.0,
        soft_max=24.0,
        step=50,
        precision=1,
        subtype="NONE",
    )
    preview: EnumProperty(
        name="Preview",
        description="Coarse meshes in the 3D view while a mesh is being made",
        items=(
            ("OFF", "None", "Show a mesh when it is done"),
            ("REMOVE", "Show", "Show what is found so far; it goes away if the job is cancelled"),
            (
                "KEEP",
                "Show and Keep",
                "Show what is found so far; it stays if the job is cancelled",
            ),
        ),
        default="REMOVE",
    )


def get(context: bpy.types.Context) -> Preferences:
    """The preferences; their defaults where `blender --addons` enabled the extension, which gives
    it none."""
    addon = context.preferences.addons.get(__package__)
    return addon.preferences if addon else _Defaults()


class _Defaults:
    """Reads like the preferences."""

    def __getattr__(self, name: str) -> object:
        kind = bpy.types.AddonPreferences.bl_rna_get_subclass_py("HY3D_AP_preferences")
        return kind.bl_rna.properties[name].default

    def __setattr__(self, name: str, value: object) -> None:
        raise InvalidSettingError(
            "the extension was enabled for this run only, by --addons, so it has no preferences to "
            "keep; enable it in Blender's preferences"
        )


def log_folder() -> str:
    """Where workers write their logs: the extension's own user folder, removed with it."""
    return bpy.utils.extension_path_user(__package__, path="logs")
