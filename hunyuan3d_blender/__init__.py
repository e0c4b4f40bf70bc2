# SPDX-License-Identifier: GPL-3.0-or-later
"""Registration of the Blender extension; everything it does is in the other modules."""

from . import fresh_wheel  # isort: skip  (before anything imports hy3dgen)  # noqa: F401
from . import (
    edits,
    file_changes,
    job_timer,
    menus,
    model_facts,
    panels,
    picture_check,
    preferences_view,
    preview_object,
    properties,
    scratch,
    setup_facts,
    setup_jobs,
    thumbnails,
    translations,
)
from .operators import (
    generate,
    job_list,
    models,
    pick_model,
    picture,
    reduce_faces,
    set_up,
    texture,
    worker,
)

_MODULES = (
    *(translations, preferences_view, properties, file_changes, edits, scratch, thumbnails),
    *(preview_object, job_timer, picture_check, model_facts, setup_facts, setup_jobs),
    *(generate, picture, reduce_faces, job_list, worker, set_up, models, texture),
    *(pick_model, panels, menus),
)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
