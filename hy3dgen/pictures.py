# SPDX-License-Identifier: Apache-2.0
"""Reads pictures of every common kind into one form: `(H, W, 4) uint8`, RGBA, row 0 at the top.

The border where a user's file enters: whatever cannot be used is answered here, in one sentence.
Knows nothing about backgrounds or networks.
"""

import os
import stat
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ImageNotFoundError, InvalidImageError
from .picture_limits import FORMATS, MAX_PIXELS, check_size

if TYPE_CHECKING:
    from PIL import Image

# Smaller pictures cannot show an object: the image encoders look at patches of 14 pixels.
MIN_SIDE = 16
_ORIENTATION = 0x0112  # the tag of a camera
_STRIP = 256  # rows that are converted at a time

_ADVICE = "use a PNG, JPEG, WebP, TIFF or BMP file"


def load_picture(source: Any, min_side: int = MIN_SIDE) -> np.ndarray:
    """Read a picture as straight RGBA, upright, 8 bits a channel.

    Of an animation the first frame is taken, a camera's orientation tag is applied, 16-bit and
    floating-point values are scaled rather than cut off, and CMYK is converted without a profile.

    Parameters
    ----------
    source : path of a file, PIL image, or array
        Arrays are `(H, W)`, `(H, W, 1)`, `(H, W, 3)` or `(H, W, 4)`; uint8, uint16, bool, or
        floating point in 0..1.
    min_side : smaller pictures are refused

    Returns
    -------
    (H, W, 4) uint8 array, a copy

    Raises
    ------
    InvalidImageError
        The message says what was found, what was wanted and what to do.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, min_side)
    if isinstance(source, (str, os.PathLike)):
        return _from_file(Path(source), min_side)
    from PIL import Image

    if isinstance(source, Image.Image):
        return _from_pil(source, "the picture", min_side)
    raise InvalidImageError(
        f"a picture was given as {type(source).__name__}; give a file's path, a PIL image or a "
        "numpy array."
    )


def _from_file(path: Path, min_side: int) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise ImageNotFoundError(f"there is no picture at {path}; check the path.") from error
    if stat.S_ISDIR(status.st_mode):
        raise InvalidImageError(f"{path} is a folder, not a picture; choose a file in it.")
    if not stat.S_ISREG(status.st_mode):
        raise InvalidImageError(f"{path} is not an ordinary file; {_ADVICE}.")
    if status.st_size == 0:
        raise InvalidImageError(f"{path} is an empty file of 0 bytes; save or copy it again.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # own limit, below
            image = Image.open(path, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise InvalidImageError(
            f"{path} is not a picture in a known format, or its start is damaged; {_ADVICE}."
        ) from error
    except Image.DecompressionBombError as error:
        raise InvalidImageError(
            f"{path} has more than {MAX_PIXELS / 1e6:.0f} megapixels; make it smaller, 2048 pixels "
            "a side are plenty."
        ) from error
    except _DECODING_ERRORS as error:
        raise InvalidImageError(
            f"{path} is damaged or cannot be opened ({error}); {_ADVICE}."
        ) from error
    with image:
        return _from_pil(image, str(path), min_side)


# What Pillow's decoders raise for damaged files, apart from what they do not recognise at all.
_DECODING_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error),
    RuntimeError,  # AVIF
)


def _from_pil(image: "Image.Image", name: str, min_side: int) -> np.ndarray:
    from PIL import ImageOps

    check_size(image.width, image.height, name, min_side)  # before anything is decoded
    try:
        if getattr(image, "is_animated", False):
            image.seek(0)
        image.load()
    except _DECODING_ERRORS as error:
        raise InvalidImageError(
            f"{name} is damaged or incomplete ({error}); save or copy it again."
        ) from error
    if image.getexif().get(_ORIENTATION, 1) != 1:  # else it would only be copied
        image = ImageOps.exif_transpose(image)
    if image.mode == "F" or image.mode.startswith("I"):
        return _deep_grey(image)
    alpha = "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa")
    pixels = np.empty((image.height, image.width, 4), np.uint8)
    for rows, strip in _strips(image):
        pixels[rows] = (strip if alpha else strip.convert("RGB")).convert("RGBA")
    return pixels


def _strips(image: "Image.Image") -> "Iterator[tuple[slice, Image.Image]]":
    """Rows and their part of the picture; of the whole, conversions would hold several copies."""
    for top in range(0, image.height, _STRIP):
        bottom = min(top + _STRIP, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))


def _deep_grey(image: "Image.Image") -> np.ndarray:
    """RGBA of a picture with grey values of 16 or 32 bits.

    16-bit files arrive as 32-bit integers in some versions of Pillow, so integers count as 16-bit
    unless they are larger. Floating-point files are taken as they are up to 1, else scaled by their
    largest value.
    """
    white = 1.0 if image.mode == "F" else 65535.0
    white = max(white, *(float(_finite(strip).max()) for _, strip in _strips(image)))
    pixels = np.full((image.height, image.width, 4), 255, np.uint8)
    for rows, strip in _strips(image):
        grey = np.clip(_finite(strip) / np.float32(white), 0.0, 1.0)
        pixels[rows, :, :3] = _to_bytes(grey)[..., None]
    return pixels


def _finite(strip: "Image.Image") -> np.ndarray:
    return np.nan_to_num(np.asarray(strip).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _from_array(array: np.ndarray, min_side: int) -> np.ndarray:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise InvalidImageError(
            f"the picture is an array of shape {array.shape}; give (H, W), (H, W, 3) or (H, W, 4)."
        )
    height, width, channels = array.shape
    check_size(width, height, "the picture", min_side)
    pixels = np.full((height, width, 4), 255, np.uint8)
    pixels[..., : max(channels, 3)] = _to_bytes(array)  # one channel spreads over three
    return pixels


def _to_bytes(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array * np.uint8(255)
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        low, high = float(array.min()), float(array.max())
        if not (low >= 0.0 and high <= 1.0):  # also false for NaN
            raise InvalidImageError(
                f"the picture's values run from {low:g} to {high:g}; floating-point pictures need "
                "values from 0 to 1."
            )
        scaled = array.astype(np.float32)
        scaled *= 255.0
        return np.rint(scaled, out=scaled).astype(np.uint8)
    raise InvalidImageError(
        f"the picture is an array of {array.dtype}; give uint8, uint16, bool or floating point."
    )
