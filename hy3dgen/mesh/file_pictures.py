# SPDX-License-Identifier: Apache-2.0
"""Pictures that come with a mesh file: only kinds that Pillow itself decodes, of a bounded size.

trimesh opens whatever a material names or brings. For EPS Pillow would start Ghostscript, and what
trimesh computes of an old kind of glTF material takes some 270 bytes for each pixel.
"""

import contextlib
import mmap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InvalidMeshError
from ..picture_limits import FORMATS, MAX_PIXELS

_COMPUTED = b"KHR_materials_pbrSpecularGlossiness"
_MAX_COMPUTED_PIXELS = 4096 * 4096  # of each texture of such a material
_alone = threading.Lock()  # Pillow's function is one for all threads


@contextlib.contextmanager
def bounded_pictures(path: Path) -> Iterator[None]:
    """Within the block Pillow opens nothing else, whoever asks it.

    Raises InvalidMeshError at the end if there was a picture that is too large, because trimesh
    would only leave it out.
    """
    from PIL import Image

    limit = _MAX_COMPUTED_PIXELS if _mentions(path, _COMPUTED) else MAX_PIXELS
    refused = []

    def open_bounded(file: Any, mode: str = "r", formats: Any = None) -> Image.Image:
        image = opened(file, mode, FORMATS)
        if image.width * image.height > limit:
            refused.append(f"{image.width} x {image.height}")
            raise ValueError("too large")
        return image

    with _alone:
        opened = Image.open
        Image.open = open_bounded
        try:
            yield
        finally:
            Image.open = opened
    if refused:
        raise InvalidMeshError(
            f"The mesh file {path} brings a picture of {refused[0]} pixels; export it with "
            f"textures of less than {limit / 1e6:.0f} megapixels."
        )


def _mentions(path: Path, words: bytes) -> bool:
    with path.open("rb") as file, contextlib.suppress(ValueError):  # an empty file
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(words) >= 0
    return False
