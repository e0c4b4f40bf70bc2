# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a picture file, for the panels: known soon after a path is set.

Drawing asks the disk for the file's date only; its bytes are looked at once, in a thread, without
decoding them. What passes may still be refused later, by whoever decodes it.
"""

import os
import stat
import threading
import zlib

import bpy

from . import job_timer

_LONGEST = 1 << 26  # bytes; of a longer file only the beginning is looked at
_PIECE = 1 << 20
_REDRAW = 0.1  # seconds between looks at the threads
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
# How files begin that Blender or Pillow reads, and the endings of those without such a mark.
_BEGINNINGS = (
    *(_JPEG, _PNG, b"BM", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"8BPS", b"DDS ", b"#?"),
    *(b"v/1\x01", b"\x01\xda", b"\x80\x2a\x5f\xd7", b"SDPX", b"XPDS", b"\xffO\xffQ"),
    b"\0\0\0\x0cjP  ",
)
_UNMARKED = (".tga", ".icb", ".vda", ".vst", ".pic", ".jp2", ".j2c", ".avif", ".heic")

_known: dict[str, tuple[tuple[int, int], str]] = {}  # path -> its date and size, and the sentence
_looking: list[threading.Thread] = []


def problem(path: str) -> str:
    """One line on why this is no picture; empty if it seems to be one, or nobody knows yet."""
    path = bpy.path.abspath(path)
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        text = "There is no such picture file"
        return text
    if stat.S_ISDIR(found.st_mode):
        text = "This is a folder; choose a picture file in it"
        return text
    stamp = found.st_mtime_ns, found.st_size
    if path not in _known or _known[path][0] != stamp:
        _known[path] = stamp, ""
        thread = threading.Thread(target=_look, args=(path, stamp), daemon=True)
        thread.start()
        _looking.append(thread)
        if not bpy.app.background and not bpy.app.timers.is_registered(_redraw):
            bpy.app.timers.register(_redraw, first_interval=_REDRAW)
    return _known[path][1]


def problem_of_image(image: bpy.types.Image) -> str:
    """The same of an image of the blend file that has not been read from its own file yet."""
    if image.source != "FILE" or image.packed_file or image.has_data:
        return ""
    return problem(bpy.path.abspath(image.filepath, library=image.library))


def examine(path: str) -> str:
    """The sentence on a file; reads it."""
    try:
        with open(path, "rb") as file:
            data = file.read(_LONGEST)
            whole = not file.read(1)
    except OSError:
        text = "This file cannot be read; check its permissions"
        return text
    if not data:
        text = "This file is empty; save or copy the picture again"
        return text
    webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    unmarked = path.lower().endswith(_UNMARKED)
    if not (data.startswith(_BEGINNINGS) or webp or unmarked):
        text = "This is no picture that can be read; choose a PNG or JPEG file"
        return text
    ends = True
    if data.startswith(_PNG):
        ends = _png_ends(data)
    elif data.startswith(_JPEG):
        ends = _jpeg_ends(data)
    elif webp:
        ends = len(data) >= 8 + int.from_bytes(data[4:8], "little")
    if whole and not ends:
        text = "This picture is damaged or cut off; save or copy it again"
        return text
    return ""


def _png_ends(data: bytes) -> bool:
    """Whether chunks follow each other to the last one; those that count have right checksums."""
    view = memoryview(data)  # slices without copies, for those hold the interpreter's lock
    place = len(_PNG)
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        end = place + 8 + length
        critical = data[place + 4 : place + 5].isupper()
        told = int.from_bytes(data[end : end + 4], "big")
        if critical and zlib.crc32(view[place + 4 : end]) != told:
            return False
        if data[place + 4 : place + 8] == b"IEND":
            return True
        place = end + 4
    return False


def _jpeg_ends(data: bytes) -> bool:
    """Whether the mark of the end follows the pixels; not one of a small picture within."""
    place = 2
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] != b"\xda":
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    if data[place : place + 2] != b"\xff\xda":
        return False
    starts = range(place, len(data), _PIECE)  # a search holds the interpreter's lock as well
    return any(data.find(b"\xff\xd9", start, start + _PIECE + 1) >= 0 for start in starts)


def _look(path: str, stamp: tuple[int, int]) -> None:
    """Thread."""
    sentence = examine(path)
    if _known.get(path, (None,))[0] == stamp:
        _known[path] = stamp, sentence


def _redraw() -> float | None:
    """Timer: redraws the sidebars when the threads are done."""
    _looking[:] = [thread for thread in _looking if thread.is_alive()]
    if _looking:
        return _REDRAW
    job_timer.redraw()
    return None


def register() -> None:
    pass


def unregister() -> None:
    if bpy.app.timers.is_registered(_redraw):
        bpy.app.timers.unregister(_redraw)
    _known.clear()
