# SPDX-License-Identifier: GPL-3.0-or-later
"""Imported first: makes sure that hy3dgen is read from the wheel that is installed now.

An upgrade in a running Blender replaces the wheel on disk and drops this extension's modules, but
not what had been imported from the old wheel; a new extension would then talk to the new worker
with the old client, which the handshake refuses.
"""

import sys

for _name in list(sys.modules):
    if _name == "hy3dgen" or _name.startswith("hy3dgen."):
        del sys.modules[_name]
