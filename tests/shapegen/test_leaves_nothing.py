# SPDX-License-Identifier: Apache-2.0
"""Calls of the public mesh functions, a tenth with faults: nothing is left behind."""

import gc
import os
import sys
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hy3dgen.errors import Cancelled, InputError
from hy3dgen.mesh import (
    Attribute,
    TriangleMesh,
    clean,
    fill_small_holes,
    reduce_many,
    reduce_with_attributes,
    weld,
)
from hy3dgen.mesh.files import load_mesh, save_mesh
from hy3dgen.shapegen.postprocessors import (
    DegenerateFaceRemover,
    FaceReducer,
    FloaterRemover,
    MeshSimplifier,
    export_mesh,
    mesh_normalize,
    reduce_face,
    reduce_face_trimesh,
    remove_floater,
)
from hy3dgen.worker.machine import peak_memory_mb

trimesh = pytest.importorskip("trimesh")

FAULTS = 10  # one call of so many


class Fault(Exception):
    """Thrown into a call."""


def stop(_):
    raise Fault


def cancel(_):
    raise Cancelled("enough")


def interrupt(_):
    raise KeyboardInterrupt


def makers(folder):
    ball = trimesh.creation.icosphere(1)
    colored = ball.copy()
    colored.visual.vertex_colors = np.tile(np.uint8([1, 2, 3, 255]), (42, 1))
    plain = TriangleMesh(ball.vertices, ball.faces)
    pierced = TriangleMesh(plain.vertices, plain.faces[1:])
    heights = Attribute("height", "vertex", plain.vertices[:, 2])
    holder = SimpleNamespace(mesh_v=plain.vertices, mesh_f=plain.faces)
    scene = trimesh.Scene([ball])
    path = folder / "ball.ply"
    save_mesh(ball, path)
    meshes = [ball, plain, colored, holder, plain, path, plain, scene]
    broken = TriangleMesh(np.zeros((80, 3)), [])
    nan = SimpleNamespace(mesh_v=np.full((3, 3), np.nan), mesh_f=[[0, 1, 2]])
    good = [
        lambda mesh: FaceReducer()(mesh, 40),
        lambda mesh: FaceReducer(use_fast_method=True)(mesh, 40),
        FloaterRemover(),
        DegenerateFaceRemover(),
        lambda mesh: MeshSimplifier()(mesh, 40),
        mesh_normalize,
        lambda mesh: reduce_face(mesh, 40),
        lambda mesh: reduce_face_trimesh(mesh, 40),
        remove_floater,
        lambda mesh: export_mesh(ball, mesh),
        lambda mesh: reduce_many([plain, colored], 40, "fast"),
        lambda mesh: save_mesh(ball, folder / "out.ply"),
        lambda mesh: fill_small_holes(pierced),
        lambda mesh: reduce_with_attributes(plain, [heights], 40, "fast"),
        lambda mesh: weld(clean(plain)),
    ]
    bad = [
        lambda mesh: FaceReducer()(mesh, 40, progress=stop),
        lambda mesh: FaceReducer()(mesh, 40, progress=interrupt),
        lambda mesh: reduce_many([plain, plain], 40, progress=cancel),
        lambda mesh: reduce_many([plain, broken], 40),
        lambda mesh: FaceReducer()(mesh, 0),
        lambda mesh: FaceReducer()(broken),
        lambda mesh: FloaterRemover()(nan),
        lambda mesh: DegenerateFaceRemover()(nan),
        lambda mesh: mesh_normalize(broken),
        lambda mesh: load_mesh(folder),
        lambda mesh: save_mesh(ball, folder / "missing" / "out.ply"),
        lambda mesh: save_mesh(None, folder / "out.ply"),
        lambda mesh: fill_small_holes(pierced, -1),
        lambda mesh: reduce_with_attributes(plain, [heights], 40, "fast", interrupt),
    ]
    return meshes, good, bad


def descriptors():
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 0


def files_in(*folders):
    return sorted(str(path) for folder in folders for path in folder.iterdir())


@pytest.mark.parametrize("calls", [600, pytest.param(10_000, marks=pytest.mark.slow)])
def test_calls_leave_nothing(calls, tmp_path, monkeypatch):
    private = tmp_path / "tmp"
    private.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    meshes, good, bad = makers(tmp_path)

    def run(calls):
        failed = 0
        for i in range(calls):
            mesh = meshes[i % len(meshes)]
            if i % FAULTS:
                good[i % len(good)](mesh)
                continue
            with pytest.raises((Fault, Cancelled, InputError, KeyboardInterrupt, AttributeError)):
                bad[i // FAULTS % len(bad)](mesh)
            failed += 1
        return failed

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(max(300, calls // 10))  # what is made once: caches, thread-locals, imports
        gc.collect()
        files, handles = files_in(tmp_path, private), descriptors()
        blocks, memory = sys.getallocatedblocks(), peak_memory_mb()
        failed = run(calls)
        gc.collect()
        more_blocks, more_memory = sys.getallocatedblocks() - blocks, peak_memory_mb() - memory
    assert failed == calls // FAULTS
    assert files_in(tmp_path, private) == files
    assert descriptors() == handles
    # Every leaked object is a block, one a call would be `calls` of them; caches still fill.
    assert more_blocks < 400 + calls // 20
    assert more_memory < 8  # MB, also of what the kernel allocates
