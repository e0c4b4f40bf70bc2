# SPDX-License-Identifier: Apache-2.0
import threading
import time

import numpy as np
import pytest
from known_meshes import moved, sphere, torus

from hy3dgen.errors import Cancelled, InvalidMeshError, InvalidSettingError
from hy3dgen.mesh import TargetNotReachedWarning, TriangleMesh, reduce_faces, reduce_many
from hy3dgen.mesh.parallel import run_all


def test_results_in_order_and_as_one_by_one():
    meshes = [sphere(33), moved(sphere(9), (5, 0, 0)), torus(), sphere(17)]
    reduced = reduce_many(meshes, [300, 100, 400, 50], threads=3)
    for mesh, target, result in zip(meshes, [300, 100, 400, 50], reduced, strict=True):
        alone = reduce_faces(mesh, target)
        np.testing.assert_array_equal(result.vertices, alone.vertices)
        np.testing.assert_array_equal(result.faces, alone.faces)


def test_trimesh_meshes_stay_trimesh_meshes():
    trimesh = pytest.importorskip("trimesh")
    ball = trimesh.creation.icosphere(3)
    first, second = reduce_many([ball, sphere(9)], 100, "fast")
    assert type(first) is trimesh.Trimesh and len(first.faces) == 100
    assert type(second) is TriangleMesh and len(second.faces) == 100


def test_progress_rises_to_one_on_the_calling_thread():
    told, where = [], set()

    def progress(fraction):
        told.append(fraction)
        where.add(threading.get_ident())

    reduce_many([sphere(65)] * 4, 500, progress=progress)
    assert told == sorted(told) and told[-1] == 1 and all(0 <= f <= 1 for f in told)
    assert where == {threading.get_ident()}


def test_a_cancel_ends_long_reductions_within_a_fifth_of_a_second():
    big = sphere(201)  # 480,000 faces: far more than 0.2 s each
    start = None

    def cancel(_):
        nonlocal start
        start = time.monotonic()
        raise Cancelled("enough")

    before = threading.active_count()
    with pytest.raises(Cancelled, match="enough"):
        reduce_many([big] * 6, 1000, progress=cancel)
    assert time.monotonic() - start < 0.2 * 4  # the machine of a test may be busy
    assert threading.active_count() == before


def test_one_bad_mesh_is_named_and_ends_all():
    with pytest.raises(InvalidMeshError, match=r"Mesh 1 of the list: .*no faces"):
        reduce_many([sphere(9), TriangleMesh(np.zeros((3, 3)), []), sphere(9)], 100)
    with pytest.raises(InvalidMeshError, match="Mesh 0 of the list is a str"):
        reduce_many(["ball.glb"], 100)


def test_settings_are_checked_first():
    with pytest.raises(InvalidSettingError, match="1 target counts were given for 2 meshes"):
        reduce_many([sphere(9)] * 2, [100])
    for target in (0, -1, 2.5, True):
        with pytest.raises(InvalidSettingError, match="target_faces is"):
            reduce_many([sphere(9)], target)
    with pytest.raises(InvalidSettingError, match="threads is 0"):
        reduce_many([sphere(9)], 100, threads=0)
    with pytest.raises(InvalidSettingError, match="method is 'best'"):
        reduce_many([sphere(9)], 100, "best")


def test_a_target_out_of_reach_is_told():
    with pytest.warns(TargetNotReachedWarning) as told:
        (reduced,) = reduce_many([torus()], 1)
    assert told[0].message.wanted == 1 and told[0].message.reached == len(reduced.faces) > 1


def test_nothing_to_do():
    assert reduce_many([], 10) == []


def test_an_error_stops_the_other_jobs():
    stopped = threading.Event()

    def waits(report):
        try:
            while True:
                report(0.5)
                time.sleep(0.005)
        except Cancelled:
            stopped.set()
            raise

    def fails(report):
        time.sleep(0.02)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_all([waits, fails], [1, 1], threads=2)
    assert stopped.is_set()
