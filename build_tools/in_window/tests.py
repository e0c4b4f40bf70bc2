# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests of tests/blender inside this very Blender, for versions without a tested bpy wheel.

    blender -b --python build_tools/in_window/tests.py -- FOLDER_WITH_PYTEST EXTENSION_ZIP [OPTIONS]

`python -m build_tools.window tests` makes both and calls it.
"""

import os
import shlex
import sys
import tempfile
from pathlib import Path

import bpy

packages, archive, *OPTIONS = sys.argv[sys.argv.index("--") + 1 :]
HERE = Path(__file__).parent

# Blender as a Python with bpy. Its user folder must be known before it starts.
_AS_PYTHON = f"""#!/bin/sh
for word; do
    [ "$before" != --home ] || export BLENDER_USER_RESOURCES="$word"
    before=$word
done
exec {shlex.quote(bpy.app.binary_path)} -b --python-exit-code 1 \\
    --python {shlex.quote(str(HERE / "like_python.py"))} -- "$@"
"""

sys.path.append(os.path.abspath(packages))
import pytest  # noqa: E402

with tempfile.TemporaryDirectory() as folder:
    python = Path(folder, "python-with-bpy")
    python.write_text(_AS_PYTHON)
    python.chmod(0o755)
    os.environ["EXT_ZIP"] = os.path.abspath(archive)
    os.environ["HY3D_BPY_PYTHON"] = str(python)
    os.environ["HY3D_TEST_PACKAGES"] = os.path.abspath(packages)
    status = pytest.main(["-q", "-p", "no:cacheprovider", "tests/blender", *OPTIONS])
sys.stdout.flush()
sys.stderr.flush()
os._exit(int(status))  # Blender's own status would be 0
