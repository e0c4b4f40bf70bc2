# SPDX-License-Identifier: GPL-3.0-or-later
"""Getting a picture and a seed into the panel: from the clipboard, from the dice."""

import secrets
from pathlib import Path
from typing import ClassVar

import bpy

_SUFFIXES = frozenset(bpy.path.extensions_image)


class HY3D_OT_paste_picture(bpy.types.Operator):
    """Take the picture that is in the clipboard, or the file whose path is there"""

    bl_idname = "hunyuan3d.paste_picture"
    bl_label = "Paste Picture"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO", "INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.hunyuan3d.generate
        path = _path_in(context.window_manager.clipboard)
        if path is not None:
            settings.source, settings.filepath = "FILE", str(path)
            return {"FINISHED"}
        image = _pasted_image()
        if image is None:
            self.report(
                {"ERROR"},
                "The clipboard holds no picture that Blender can read; copy a picture, or the path "
                "of a picture file",
            )
            return {"CANCELLED"}
        settings.source, settings.image = "IMAGE", image
        return {"FINISHED"}


class HY3D_OT_roll_seed(bpy.types.Operator):
    """Choose a random seed, for another shape from the same picture"""

    bl_idname = "hunyuan3d.roll_seed"
    bl_label = "Roll the Dice"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO", "INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.hunyuan3d.generate.seed = secrets.randbelow(2**31)
        return {"FINISHED"}


def _path_in(text: str) -> Path | None:
    """The picture file that a clipboard's text names, as file managers copy it."""
    first = text.strip().strip("\"'").partition("\n")[0].strip()
    if first.startswith("file://"):
        from urllib.parse import unquote, urlparse
        from urllib.request import url2pathname

        first = url2pathname(unquote(urlparse(first).path))
    if not first or len(first) > 4096:
        return None
    path = Path(first)
    try:
        usable = path.is_absolute() and path.suffix.lower() in _SUFFIXES and path.is_file()
    except (OSError, ValueError):  # a text that no system takes for a path
        return None
    return path if usable else None


def _pasted_image() -> bpy.types.Image | None:
    """A new image of this file with the clipboard's picture; not on every window system."""
    before = set(bpy.data.images)
    try:
        if not bpy.ops.image.clipboard_paste.poll():
            return None
        bpy.ops.image.clipboard_paste()
    except RuntimeError:  # the clipboard holds something else
        return None
    new = [image for image in bpy.data.images if image not in before]
    return new[0] if new else None


_CLASSES = (HY3D_OT_paste_picture, HY3D_OT_roll_seed)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
