# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures through Blender's own readers: files for a worker that has no library for them, and
images that exist in the blend file only."""

import contextlib
from pathlib import Path

import bpy
import numpy as np

from hy3dgen.errors import InvalidImageError
from hy3dgen.picture_limits import check_size, told_size

_BEGINNING = 1 << 16  # bytes of a file in which its size is looked for


def read(picture: Path | bpy.types.Image) -> np.ndarray:
    """A file or an image of the blend file, see `read_picture`."""
    return read_picture(picture) if isinstance(picture, Path) else read_image(picture)


def read_picture(path: Path) -> np.ndarray:
    """The picture as `(H, W, 4) uint8`: sRGB, straight alpha, row 0 at the top.

    Any format that Blender reads. Nothing stays in the blend file.
    """
    with contextlib.suppress(OSError), path.open("rb") as file:
        if size := told_size(file.read(_BEGINNING)):
            check_size(*size, f"picture {path}", 1)  # before Blender decodes it
    try:
        image = bpy.data.images.load(str(path), check_existing=False)
    except RuntimeError as error:
        raise InvalidImageError(
            f"picture {path} cannot be read; choose a PNG or JPEG file"
        ) from error
    try:
        return read_image(image, f"picture {path}")
    finally:
        bpy.data.images.remove(image)


def read_image(image: bpy.types.Image, called: str = "") -> np.ndarray:
    """The same of an image of the blend file, `called` so in an error."""
    width, height = image.size
    if width == 0 or height == 0 or image.channels == 0:
        raise InvalidImageError(
            f"{called or repr(image.name)} is damaged or in no format that Blender reads; choose a "
            "PNG or JPEG file"
        )
    check_size(width, height, called or repr(image.name), 1)
    values = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(values)
    values = values.reshape(height, width, image.channels)[::-1]
    linear = image.is_float
    pixels = np.ones((height, width, 4), np.float32)
    colours = min(values.shape[2], 3)
    pixels[..., :3] = values[..., :colours] if colours == 3 else values[..., :1]
    if values.shape[2] in (2, 4):
        pixels[..., 3] = values[..., -1]
    if linear:  # 16 bits and more: linear light, multiplied by the opacity
        opacity = pixels[..., 3:]
        pixels[..., :3] /= np.where(opacity > 0, opacity, 1)
        pixels[..., :3] = _srgb(pixels[..., :3])
    return np.rint(np.nan_to_num(pixels).clip(0, 1) * 255).astype(np.uint8)


def _srgb(linear: np.ndarray) -> np.ndarray:
    """The transfer curve of IEC 61966-2-1."""
    linear = linear.clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
