# SPDX-License-Identifier: Apache-2.0
"""Reduces a mesh with pymeshlab in a process of its own, so that it can crash and be stopped."""

import contextlib
import time
from collections.abc import Callable
from importlib.util import find_spec

from hy3dgen.errors import (
    InvalidMeshError,
    InvalidSettingError,
    MissingDependencyError,
    TaskFailedError,
    WorkerDiedError,
)
from hy3dgen.mesh.triangle_mesh import TriangleMesh
from hy3dgen.worker.client import WorkerClient, worker_command
from hy3dgen.worker.protocol import Failure, Result

_LOOK_SECONDS = 0.05
_ERRORS = {
    kind.__name__: kind for kind in (InvalidMeshError, InvalidSettingError, MissingDependencyError)
}


def reduce_with_pymeshlab(
    mesh: TriangleMesh, target_faces: int, progress: Callable[[float], object] | None = None
) -> TriangleMesh:
    """`mesh` reduced by MeshLab's quadric edge collapse with the options of Hunyuan3D-2.

    MeshLab tells nothing of how far it is, so `progress` is called with 0 about 20 times a second
    and with 1 at the end; what it raises ends the process at once.
    """
    if find_spec("pymeshlab") is None:
        raise MissingDependencyError(
            "pymeshlab is not installed; install it with `pip install pymeshlab`, or choose the "
            'method "quality" or "fast".'
        )
    with contextlib.closing(WorkerClient(worker_command())) as worker:
        worker.start()
        worker.submit(
            "reduce",
            {"face_count": int(target_faces), "method": "pymeshlab"},
            {"vertices": mesh.vertices, "faces": mesh.faces},
        )
        while True:
            for event in worker.poll():
                if isinstance(event, Result):
                    assert isinstance(event.arrays, dict)  # descriptors only cross the border
                    if progress is not None:
                        progress(1.0)
                    return TriangleMesh(event.arrays["vertices"], event.arrays["faces"])
                if isinstance(event, Failure):
                    raise _error_of(event)
            if progress is not None:
                progress(0.0)
            time.sleep(_LOOK_SECONDS)


def _error_of(failure: Failure) -> Exception:
    if failure.kind == WorkerDiedError.__name__:
        return WorkerDiedError(
            f"MeshLab crashed on this mesh ({failure.message}); reduce it with the method "
            '"quality" instead.'
        )
    kind = _ERRORS.get(failure.kind)
    return kind(failure.message) if kind else TaskFailedError(failure.message, failure.kind)
