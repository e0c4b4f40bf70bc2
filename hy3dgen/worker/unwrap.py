# SPDX-License-Identifier: Apache-2.0
"""UVs for a mesh within a time limit: xatlas in a process that can be killed, or from six sides."""

import contextlib
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from hy3dgen.errors import WorkerError, WorkerStartError
from hy3dgen.mesh.box_unwrap import box_unwrap
from hy3dgen.mesh.triangle_mesh import TriangleMesh
from hy3dgen.mesh.uv_map import UVMap
from hy3dgen.worker.client import WorkerClient, worker_command
from hy3dgen.worker.protocol import Failure, Result

METHODS = ("auto", "xatlas", "box")
SECONDS = 60.0
# Measured on 2 cores, a bumpy sphere: 5,000 faces 0.3 s, 20,000 2.3 s, 82,000 37 s.
MAX_XATLAS_FACES = 100_000
_LOOK_SECONDS = 0.05


def unwrap(
    mesh: TriangleMesh,
    method: str = "auto",
    seconds: float = SECONDS,
    progress: Callable[[float], object] | None = None,
    polygons: np.ndarray | None = None,
) -> tuple[UVMap, str]:
    """UVs, and how they came about: "xatlas", or "box" with the reason in brackets.

    Whatever keeps xatlas from it (not installed, too many faces, out of time, a crash), there is a
    result. `progress` is called about 20 times a second; what it raises ends the process.

    Parameters
    ----------
    method : "xatlas" is tried for "auto" too
    seconds : how long xatlas may take, its start included
    polygons : (F,) the polygon of each face, kept whole; xatlas takes triangles only
    """
    reason = ""
    if method != "box":
        reason = _why_not(mesh, polygons)
        if not reason:
            try:
                found = _in_process(mesh, seconds, progress)
            except WorkerError as error:
                found, reason = None, f"xatlas failed: {' '.join(str(error).split())[:200]}"
            if found is not None:
                return found, "xatlas"
            reason = reason or f"xatlas took longer than {seconds:g} s"
    found = box_unwrap(mesh, progress=progress, polygons=polygons)
    return found, f"box ({reason})" if reason else "box"


def _why_not(mesh: TriangleMesh, polygons: np.ndarray | None) -> str:
    if polygons is not None and len(np.unique(polygons)) < len(mesh.faces):
        return "xatlas takes triangles only"
    if find_spec("xatlas") is None:
        return "xatlas is not installed"
    if len(mesh.faces) > MAX_XATLAS_FACES:
        return f"{len(mesh.faces):,} faces are too many for xatlas"
    return ""


def _in_process(
    mesh: TriangleMesh, seconds: float, progress: Callable[[float], object] | None
) -> UVMap | None:
    """None when the time is over."""
    end = time.monotonic() + seconds
    with contextlib.closing(WorkerClient(worker_command())) as worker:
        try:
            worker.start(timeout=max(seconds, 1.0))
        except WorkerStartError:
            if time.monotonic() < end:
                raise
            return None
        worker.submit(
            "unwrap", {"method": "xatlas"}, {"vertices": mesh.vertices, "faces": mesh.faces}
        )
        while time.monotonic() < end:
            for event in worker.poll():
                if isinstance(event, Result):
                    assert isinstance(event.arrays, dict)  # descriptors only cross the border
                    return UVMap(*(event.arrays[name] for name in ("uvs", "faces", "vertices")))
                if isinstance(event, Failure):
                    raise WorkerError(event.message)
            if progress is not None:
                progress(0.0)
            time.sleep(_LOOK_SECONDS)
    return None
