# SPDX-License-Identifier: GPL-3.0-or-later
"""Datablocks of ours that nothing in the scene uses, over several turns of the timer.

Undo, file load and a clean-up of unused data may take them away between two turns; undo steps of
the artist's own actions may hold them and bring them back after they have done their service.
"""

from typing import Any

import bpy

from . import file_changes

_COLLECTIONS = ("objects", "meshes")
_made: set[int] = set()  # session_uid of every one that is not the artist's


class Lost(Exception):
    """What was there at the last turn is gone, or of another state: begin again."""


class Held:
    """Holds on to a datablock; `get` raises Lost where it is not what it was any more."""

    def __init__(self, block: Any) -> None:
        self._block, self._uid = block, block.session_uid
        self._files = file_changes.number()

    def get(self) -> Any:
        if file_changes.number() != self._files:
            raise Lost
        try:
            if self._block.session_uid == self._uid:
                return self._block
        except ReferenceError:
            pass
        raise Lost


class Scratch(Held):
    """Holds on to one of ours."""

    def __init__(self, block: Any) -> None:
        super().__init__(block)
        _made.add(self._uid)

    def keep(self) -> Any:
        """It becomes part of the artist's file."""
        block = self.get()
        _made.discard(self._uid)
        return block

    def discard(self) -> None:
        """Remove it if it still is there and ours."""
        if self._uid in _made:
            _remove({self._uid})


def is_scratch(block: bpy.types.ID) -> bool:
    return block.session_uid in _made


def _remove(uids: set[int]) -> None:
    for name in _COLLECTIONS:
        blocks = getattr(bpy.data, name, ())  # there are none while Blender ends
        for block in [block for block in blocks if block.session_uid in uids]:
            if not block.users:
                blocks.remove(block)


@bpy.app.handlers.persistent
def _after_undo(*_: object) -> None:
    """Whoever works with one of them begins again, so none is of use."""
    _remove(_made)


def _lists() -> tuple[list, ...]:
    return bpy.app.handlers.undo_post, bpy.app.handlers.redo_post


def register() -> None:
    for functions in _lists():
        functions.append(_after_undo)


def unregister() -> None:
    for functions in _lists():
        functions.remove(_after_undo)
    _remove(_made)
    _made.clear()
