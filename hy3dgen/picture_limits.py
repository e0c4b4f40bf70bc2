# SPDX-License-Identifier: Apache-2.0
"""Which pictures are decoded at all, in which sizes; whoever opens one asks here."""

import struct

from .errors import InvalidImageError

# The kinds that Pillow decodes by itself, as it calls them. Left out on purpose: EPS, for which it
# starts Ghostscript, a program that runs what the file says; WMF, which Windows itself would draw;
# and kinds without pictures in them that whatever else is installed may take over.
FORMATS = (
    *("PNG", "JPEG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "TGA", "ICO", "ICNS", "CUR"),
    *("JPEG2000", "AVIF", "PSD", "DDS", "QOI", "PCX", "DCX", "SGI", "SUN", "XBM", "XPM"),
)
# Below Pillow's own warning threshold of 89 million; a decoded picture then takes up to 320 MB.
MAX_PIXELS = 80_000_000


def check_size(width: int, height: int, name: str, min_side: int) -> None:
    """InvalidImageError if a picture is smaller or larger than any that is worked with."""
    if min(width, height) < min_side:
        raise InvalidImageError(
            f"{name} has {width} x {height} pixels; at least {min_side} x {min_side} are needed, "
            "so choose a larger picture."
        )
    if width * height > MAX_PIXELS:
        raise InvalidImageError(
            f"{name} has {width} x {height} pixels, {width * height / 1e6:.0f} megapixels; make it "
            f"smaller than {MAX_PIXELS / 1e6:.0f} megapixels, 2048 pixels a side are plenty."
        )


def told_size(start: bytes) -> tuple[int, int] | None:
    """Width and height that the beginning of a PNG, JPEG, BMP or GIF file promises, else None."""
    if start.startswith(b"\x89PNG\r\n\x1a\n") and len(start) >= 24:
        return struct.unpack(">II", start[16:24])
    if start.startswith(b"GIF8") and len(start) >= 10:
        return struct.unpack("<HH", start[6:10])
    if start.startswith(b"BM") and len(start) >= 26:
        width, height = struct.unpack("<ii", start[18:26])
        return abs(width), abs(height)
    place = 2
    while start.startswith(b"\xff\xd8") and start[place : place + 1] == b"\xff":
        kind = start[place + 1 : place + 2]
        if kind in _JPEG_FRAMES and place + 9 <= len(start):
            height, width = struct.unpack(">HH", start[place + 5 : place + 9])
            return width, height
        place += 2 + int.from_bytes(start[place + 2 : place + 4], "big")
    return None


# Marks of a JPEG file behind which its size stands.
_JPEG_FRAMES = frozenset(bytes([0xC0 + number]) for number in range(16) if number not in (4, 8, 12))
