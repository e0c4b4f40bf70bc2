# SPDX-License-Identifier: Apache-2.0
"""Reduces many meshes at once, on all cores."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import InvalidMeshError, InvalidSettingError
from .face_target import check_target, tell_if_short
from .parallel import Progress, run_all, thread_count
from .triangle_mesh import TriangleMesh
from .trimesh_changes import KernelEngine, reduce_trimesh


def reduce_many(
    meshes: Sequence[Any],
    target_faces: int | Sequence[int],
    method: str = "quality",
    progress: Progress | None = None,
    threads: int | None = None,
) -> list[Any]:
    """Every mesh reduced as by `reduce_faces`, in the same order and of the same type.

    One mesh that cannot be used ends the work with an error that tells which one; nothing is
    changed then. A mesh that cannot get as small as asked for gives a TargetNotReachedWarning.

    Parameters
    ----------
    meshes : of TriangleMesh and trimesh.Trimesh, also mixed; those of trimesh keep what they carry
    target_faces : one number for each mesh, or one sequence with a number for every mesh
    progress : called on the calling thread with the whole's fraction 0..1, about 20 times a
        second; what it raises, such as `hy3dgen.errors.Cancelled`, stops all within 0.2 s
    threads : at most so many meshes at once; None: one per core
    """
    meshes = list(meshes)
    if np.ndim(target_faces) == 0:
        targets = [target_faces] * len(meshes)
    else:
        targets = list(target_faces)  # type: ignore[arg-type]
        if len(targets) != len(meshes):
            raise InvalidSettingError(
                f"{len(targets)} target counts were given for {len(meshes)} meshes; give one "
                "number, or one for each mesh."
            )
    targets = [check_target(target) for target in targets]
    # Each core is used once: by another mesh, or, where there are few, inside a mesh.
    inside = max(1, thread_count(threads) // max(1, len(meshes)))
    jobs = [
        _job(index, mesh, target, method, inside)
        for index, (mesh, target) in enumerate(zip(meshes, targets, strict=True))
    ]
    weights = [max(1, len(getattr(mesh, "faces", ()))) for mesh in meshes]
    reduced = run_all(jobs, weights, progress, threads)
    for mesh, target in zip(reduced, targets, strict=True):
        tell_if_short(target, len(mesh.faces))
    return reduced


def _job(
    index: int, mesh: Any, target: int, method: str, threads: int
) -> Callable[[Progress], Any]:
    engine = KernelEngine(method, threads)

    def run(report: Progress) -> Any:
        try:
            if isinstance(mesh, TriangleMesh):
                return engine(mesh, target, report)
            if type(mesh).__module__.startswith("trimesh") and hasattr(mesh, "faces"):
                return reduce_trimesh(mesh, target, engine, report)
        except InvalidMeshError as error:
            raise InvalidMeshError(f"Mesh {index} of the list: {error}") from error
        raise InvalidMeshError(
            f"Mesh {index} of the list is a {type(mesh).__name__}, but a TriangleMesh or a "
            "trimesh.Trimesh is wanted."
        )

    return run
