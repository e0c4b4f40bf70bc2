# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures for the panel, kept outside of the blend file."""

import os

import bpy
import bpy.utils.previews

_previews: bpy.utils.previews.ImagePreviewCollection | None = None
_stamps: dict[str, float] = {}  # when a file was written that has been read


def icon_of_file(path: str) -> int:
    """Number of an icon that shows a picture file; 0 if there is no such file."""
    path = bpy.path.abspath(path)
    try:
        stamp = os.stat(path).st_mtime
    except (OSError, ValueError):
        return 0
    if _previews is None or os.path.isdir(path):
        return 0
    if path in _previews and _stamps.get(path) != stamp:
        del _previews[path]
    if path not in _previews:
        _stamps[path] = stamp
        _previews.load(path, path, "IMAGE")  # reads the file later, in a thread
    return _previews[path].icon_id


def icon_of_image(image: bpy.types.Image) -> int:
    """Number of an icon that shows an image of the blend file."""
    return bpy.types.UILayout.icon(image)


def icon_of(key: str) -> int:
    """The icon of `Job.picture`: the name of an image of the blend file, or a path."""
    image = bpy.data.images.get(key)
    return icon_of_image(image) if image is not None else icon_of_file(key)


def register() -> None:
    global _previews
    _previews = bpy.utils.previews.new()


def unregister() -> None:
    global _previews
    if _previews is not None:
        bpy.utils.previews.remove(_previews)
        _previews = None
    _stamps.clear()
