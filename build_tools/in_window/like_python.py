# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets Blender stand in for a Python that can import bpy: runs a program, or a line after `-c`.

    blender -b --python build_tools/in_window/like_python.py -- (FILE | -c CODE) [ARGUMENTS]

`tests.py` beside it makes a command of this for the tests that start Blenders of their own.
"""

import os
import runpy
import sys
import tempfile
from pathlib import Path

sys.path += filter(None, os.environ.get("HY3D_TEST_PACKAGES", "").split(os.pathsep))
program, *arguments = sys.argv[sys.argv.index("--") + 1 :]
with tempfile.TemporaryDirectory() as folder:
    if program == "-c":
        code, *arguments = arguments
        program = os.path.join(folder, "code.py")
        Path(program).write_text(code, encoding="utf-8")
    sys.argv = [program, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(program)))
    runpy.run_path(program, run_name="__main__")
