# SPDX-License-Identifier: GPL-3.0-or-later
"""Imported first: makes sure that hy3dgen is the one in the wheel that is installed now.

An upgrade in a running Blender replaces the wheel on disk and drops this extension's modules, but
not what had been imported from the old wheel; a new extension would then talk to the new worker
with the old client, which the handshake refuses. And wheels come last on the search path, so that
another package of the same name in Blender's Python would win.
"""

import importlib.util
import sys

for _name in list(sys.modules):
    if _name == "hy3dgen" or _name.startswith("hy3dgen."):
        del sys.modules[_name]

if importlib.util.find_spec("hy3dgen.worker") is None:
    raise ImportError(
        f"{importlib.util.find_spec('hy3dgen').origin} hides the hy3dgen of this extension; "
        f"remove that package from Blender's Python ({sys.executable})"
    )
