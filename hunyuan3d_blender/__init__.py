# SPDX-License-Identifier: GPL-3.0-or-later
"""Registration of the Blender extension; everything it does is in the other modules."""

from . import fresh_wheel  # isort: skip  (before anything imports hy3dgen)  # noqa: F401
from . import job_timer, menus, panels, preferences_view, properties, setup_facts, setup_jobs
from .operators import cancel, generate, models, reduce_faces, set_up

_MODULES = (
    *(preferences_view, properties, job_timer, setup_facts, setup_jobs),
    *(generate, reduce_faces, cancel, set_up, models, panels, menus),
)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
