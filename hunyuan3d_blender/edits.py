# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a mesh was edited while a job ran, as far as Blender's dependency graph noticed.

Comparing every value of a large mesh with what it was takes a second, in which the interface would
stand still; this tells when there is nothing to compare.
"""

import weakref

import bpy

from . import file_changes

_watches: "weakref.WeakSet[Watch]" = weakref.WeakSet()


class Watch:
    """Looks at one mesh from now on, as long as somebody holds this."""

    def __init__(self, mesh: bpy.types.Mesh) -> None:
        self.uid = mesh.session_uid
        self._noticed = False
        self._files = file_changes.number()
        if not bpy.app.background:
            bpy.context.view_layer.update()  # what happened before is no edit
        _watches.add(self)

    def maybe_edited(self) -> bool:
        """False only where nothing happened to the mesh's geometry and attributes.

        Without a window nobody makes Blender look at its scenes, so there it is always True.
        """
        return bpy.app.background or self.noticed()

    def noticed(self) -> bool:
        """Whether Blender has told of an edit."""
        if not bpy.app.background:
            bpy.context.view_layer.update()
        return self._noticed or file_changes.number() != self._files

    def notice(self) -> None:
        self._noticed = True


@bpy.app.handlers.persistent
def _updated(_scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    if not _watches:
        return
    updated = {
        update.id.original.session_uid  # the updated copy has a number of its own
        for update in depsgraph.updates
        if update.is_updated_geometry and isinstance(update.id, bpy.types.Mesh)
    }
    for watch in _watches:
        if watch.uid in updated:
            watch.notice()


def register() -> None:
    bpy.app.handlers.depsgraph_update_post.append(_updated)


def unregister() -> None:
    bpy.app.handlers.depsgraph_update_post.remove(_updated)
