# SPDX-License-Identifier: Apache-2.0
"""The command line that starts a worker under any Python."""

import os
import sys
from pathlib import Path

import hy3dgen

# Run by the worker's Python. The current folder leaves the search path, and hy3dgen alone is taken
# from the folder given: whatever lies beside it there was made for another Python.
_BOOTSTRAP = """
import sys
if sys.path and sys.path[0] == "":
    del sys.path[0]
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
spec = PathFinder.find_spec("hy3dgen", sys.argv[1:] or None)
if spec is None:
    sys.exit("hy3dgen is not installed in " + sys.executable)
module = sys.modules["hy3dgen"] = module_from_spec(spec)
spec.loader.exec_module(module)
from hy3dgen.worker.__main__ import main
main()
"""


def worker_command(
    python: str | os.PathLike | None = None, hy3dgen_folder: str | os.PathLike | None = None
) -> list[str]:
    """The command line that starts a worker.

    Parameters
    ----------
    python : the interpreter; without one, the running interpreter with this very hy3dgen
    hy3dgen_folder : the folder that holds the package `hy3dgen`, when it is not installed in
        `python`; nothing else is imported from there
    """
    if hy3dgen_folder is None and python is None:
        assert hy3dgen.__file__
        hy3dgen_folder = Path(hy3dgen.__file__).parent.parent
    command = [str(python or sys.executable), "-E", "-c", _BOOTSTRAP]
    return command if hy3dgen_folder is None else [*command, str(hy3dgen_folder)]
