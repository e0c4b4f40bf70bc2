# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures for the panel, kept outside of the blend file."""

import os
from collections.abc import Sequence

import bpy
import bpy.utils.previews
import numpy as np

from .job import Job

_previews: bpy.utils.previews.ImagePreviewCollection | None = None
_stamps: dict[str, float] = {}  # when a file was written that has been read
_views: dict[int, list[str]] = {}  # by number of a job, names in `_previews`


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


def icons_of_views(job: Job) -> list[int]:
    """Icons of the views that a job has sent so far, as of the last `update_views`."""
    if _previews is None:
        return []
    return [_previews[name].icon_id for name in _views.get(job.number, ())]


def update_views(jobs: Sequence[Job]) -> None:
    """Take in what the workers have sent; of jobs that are not in `jobs`, forget it."""
    if _previews is None:
        return
    for job in jobs:
        known = _views.setdefault(job.number, [])
        if job.views is None:
            continue
        for number in range(len(known), len(job.views)):
            name = f"view {number} of job {job.number}"
            known.append(name)
            _fill(_previews.new(name), job.views[number])
        if job.ended:
            job.views = None
    for gone in _views.keys() - {job.number for job in jobs}:
        for name in _views.pop(gone):
            del _previews[name]


def _fill(preview: bpy.types.ImagePreview, pixels: np.ndarray) -> None:
    """Show (H, W, 4) uint8, row 0 at the top."""
    height, width = pixels.shape[:2]
    preview.image_size = width, height
    # Bytes as Blender has them: one whole number a pixel.
    flipped = np.ascontiguousarray(pixels[::-1])
    preview.image_pixels.foreach_set(flipped.view(np.int32).ravel())


def register() -> None:
    global _previews
    _previews = bpy.utils.previews.new()


def unregister() -> None:
    global _previews
    if _previews is not None:
        bpy.utils.previews.remove(_previews)
        _previews = None
    _stamps.clear()
    _views.clear()
