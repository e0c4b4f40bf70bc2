# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests of tests/blender inside this very Blender, for versions without a tested bpy wheel.

    blender -b --python build_tools/in_window/tests.py -- FOLDER_WITH_PYTEST EXTENSION_ZIP [OPTIONS]

`python -m build_tools.window tests` makes both and calls it.
"""

import os
import sys

ARGUMENTS = sys.argv[sys.argv.index("--") + 1 :]

sys.path.append(os.path.abspath(ARGUMENTS[0]))
os.environ["EXT_ZIP"] = os.path.abspath(ARGUMENTS[1])

import pytest  # noqa: E402

status = pytest.main(["-q", "-p", "no:cacheprovider", "tests/blender", *ARGUMENTS[2:]])
sys.stdout.flush()
sys.stderr.flush()
os._exit(int(status))  # Blender's own status would be 0
