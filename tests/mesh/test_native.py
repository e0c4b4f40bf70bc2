# SPDX-License-Identifier: Apache-2.0
"""The library itself: what a machine without one is told, and the ABI's own checks."""

import ctypes
import gc

import numpy as np
import pytest
from known_meshes import cube

from hy3dgen.errors import InvalidMeshError, MissingDependencyError
from hy3dgen.mesh import native_available, reduce_faces
from hy3dgen.mesh.native import loader


@pytest.fixture
def unloaded():
    loader._library.cache_clear()
    yield
    loader._library.cache_clear()


def test_library_is_built_for_this_machine():
    assert native_available()


def test_missing_library_says_how_to_build_it(unloaded, monkeypatch, tmp_path):
    monkeypatch.setattr(loader, "library_path", lambda: tmp_path / "libhy3d_mesh.so")
    assert not native_available()
    with pytest.raises(MissingDependencyError, match=r"not built.*python build\.py test"):
        reduce_faces(cube(3), 12)


def test_file_that_is_no_library(unloaded, monkeypatch, tmp_path):
    (tmp_path / "libhy3d_mesh.so").write_bytes(b"not an ELF file")
    monkeypatch.setattr(loader, "library_path", lambda: tmp_path / "libhy3d_mesh.so")
    with pytest.raises(MissingDependencyError, match="could not be loaded"):
        reduce_faces(cube(3), 12)


def test_library_of_another_interface(unloaded, monkeypatch):
    monkeypatch.setattr(loader, "ABI_VERSION", loader.ABI_VERSION + 1)
    with pytest.raises(MissingDependencyError, match="interface"):
        reduce_faces(cube(3), 12)


def test_unknown_machine_lists_the_known(monkeypatch):
    monkeypatch.setattr(loader.platform, "machine", lambda: "riscv64")
    with pytest.raises(MissingDependencyError, match=r"riscv64.*linux x86_64"):
        loader.library_path()


@pytest.mark.parametrize("index", [-1, 3])
def test_kernel_refuses_an_index_by_itself(index):
    with pytest.raises(InvalidMeshError, match="a vertex that does not exist"):
        loader.reduce(
            np.zeros((3, 3), np.float32), np.array([[0, 1, index]], np.int32), 1, "fast", None
        )


def test_kernel_refuses_nan_by_itself():
    vertices = np.full((3, 3), np.nan, np.float32)
    with pytest.raises(InvalidMeshError, match="not a finite number"):
        loader.reduce(vertices, np.array([[0, 1, 2]], np.int32), 1, "fast", None)


def test_every_status_has_words():
    texts = [loader._library().hy3d_status_text(status) for status in range(8)]
    assert len(set(texts)) == 8 and b"does not know" in texts[7]


def test_arrays_of_wrong_type_do_not_reach_the_kernel():
    with pytest.raises(ctypes.ArgumentError):
        loader.drop_faces(np.zeros((1, 3), np.int64), 1)


def test_calls_leave_nothing_for_the_garbage_collector():
    mesh = cube(8)

    def call():
        reduce_faces(mesh, 100, progress=lambda _: None)

    call()
    gc.collect()
    gc.disable()
    try:
        call()
        assert gc.collect() == 0
    finally:
        gc.enable()
