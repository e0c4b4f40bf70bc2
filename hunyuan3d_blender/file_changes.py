# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts undo, redo and file loads: after one of them no reference to a datablock is good."""

import bpy

_count = 0


def number() -> int:
    """Another number than before means that datablocks have to be found again, or made again."""
    return _count


@bpy.app.handlers.persistent
def _changed(*_: object) -> None:
    global _count
    _count += 1


def _lists() -> tuple[list, ...]:
    handlers = bpy.app.handlers
    return handlers.undo_post, handlers.redo_post, handlers.load_post


def register() -> None:
    for functions in _lists():
        functions.append(_changed)


def unregister() -> None:
    for functions in _lists():
        functions.remove(_changed)
