# SPDX-License-Identifier: GPL-3.0-or-later
"""Registration of the Blender extension; everything it does is in the other modules."""

from . import fresh_wheel  # isort: skip  (before anything imports hy3dgen)  # noqa: F401
from . import job_timer, menus, panels, preferences, properties
from .operators import cancel, generate, reduce_faces

_MODULES = (preferences, properties, job_timer, generate, reduce_faces, cancel, panels, menus)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
