# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab in the 3D view's sidebar, a file a panel. Draws settings and jobs, changes nothing."""

from . import generate, jobs, model_menu, reduce, status, texture

# In the order in which they stand: what goes on is in sight when it is started.
_MODULES = (model_menu, generate, jobs, reduce, texture, status)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
