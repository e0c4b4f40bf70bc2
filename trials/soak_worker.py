# SPDX-License-Identifier: Apache-2.0
"""The worker that Blender starts, with two tasks more: what else the library does to a mesh.

clean {} + vertices, faces            -> what is left of them
export {"ending": ".glb"} + the same  -> `file`, the bytes of the file that was written and read
settle {}                             once, when all is imported; see there
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from hy3dgen import mesh as meshes
from hy3dgen.worker.__main__ import prepare

Arrays = dict[str, np.ndarray]


def command(python: str | None) -> list[str]:
    """How a client starts it; a worker is not given PYTHONPATH, but this one needs what we have."""
    bootstrap = "import os, sys; sys.path[:0] = sys.argv[1].split(os.pathsep); "
    bootstrap += "from trials.soak_worker import main; main()"
    here = [] if python else sys.path
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *here])
    return [python or sys.executable, "-c", bootstrap, paths]


def clean(params: dict[str, Any], arrays: Arrays, context: Any) -> tuple[dict[str, Any], Arrays]:
    cleaned = meshes.clean(meshes.TriangleMesh(arrays["vertices"], arrays["faces"]))
    return {}, {"vertices": cleaned.vertices, "faces": cleaned.faces}


def export(params: dict[str, Any], arrays: Arrays, context: Any) -> tuple[dict[str, Any], Arrays]:
    import trimesh

    from hy3dgen.mesh.files import as_one_mesh, load_mesh, save_mesh

    with tempfile.TemporaryDirectory(prefix="hy3d-export-") as folder:
        path = Path(folder, f"mesh{params['ending']}")
        save_mesh(trimesh.Trimesh(arrays["vertices"], arrays["faces"], process=False), path)
        read = as_one_mesh(load_mesh(path))
        assert len(read.faces) == len(arrays["faces"])
        return {}, {"file": np.fromfile(path, np.uint8)}


def settle(params: dict[str, Any], arrays: Arrays, context: Any) -> tuple[dict[str, Any], Arrays]:
    """Bring CPython's table of names to the size that it has from some day on in any long life.

    Before 3.12 names that are gone leave their places taken. When the table is full of such (of
    temporary files' and of those in tracebacks, after 1,800 jobs of this mixture) it is built anew,
    once in twice the size, which is 2 MB at one stroke, and then always in the same.
    """
    if sys.version_info < (3, 12):
        for number in range(400_000):
            sys.intern(f"a name that is gone at once {number}")
    return {}, {}


def main() -> NoReturn:
    prepare()
    from hy3dgen.worker import tasks
    from hy3dgen.worker.server import Server

    table, unavailable, device = tasks.available()
    Server(
        {**table, "clean": clean, "export": export, "settle": settle}, unavailable, device
    ).serve()
