# SPDX-License-Identifier: Apache-2.0
"""The short form of `python -m trials.soak`, and that it would notice."""

import dataclasses
import os
import sys

import numpy as np
import pytest

from hy3dgen import private_folders
from hy3dgen.mesh import TriangleMesh, native_available
from hy3dgen.worker import shared_arrays
from trials import soak, soak_figures, soak_jobs

pytest.importorskip("torch")
if sys.platform != "linux" or not native_available():
    pytest.skip("reads /proc, and reduces meshes", allow_module_level=True)


def test_a_hundred_jobs(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    found = soak.soak(100, None, say=False)
    report = soak_figures.figures(found)
    assert found.surprises == []
    assert report["outcomes"] == {
        "generate done": 20,
        "reduce done": 30,
        "clean done": 6,
        "export done": 8,
        "faulty refused": 20,
        "cancel cancelled": 10,
        "status done": 6,
    }
    assert set(report["different_results_of_the_same_job"].values()) == {1}
    assert len(report["different_results_of_the_same_job"]) == 17
    first, last = found.samples
    for name in ("descriptors", "threads", "own_descriptors", "own_threads", "temporary_files"):
        assert getattr(first, name) == getattr(last, name), name
    assert last.blocks == 0


def test_what_is_left_in_shared_memory_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "default_roots", lambda: [tmp_path])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder, lock = private_folders.make_folder(tmp_path, shared_arrays.PREFIX)
    assert soak.block_folders() == {folder}
    assert soak.sample(os.getpid(), 50, {folder}).blocks == 0
    (folder / "w1").write_bytes(bytes(100))
    assert soak.sample(os.getpid(), 50, {folder}).blocks == 1
    os.close(lock)


def test_own_memory_is_told_from_pages_of_files():
    total, own = soak.resident_mb(os.getpid())
    block = np.ones(64 << 20, np.uint8)
    assert 60 < soak.resident_mb(os.getpid())[1] - own < 75
    assert 0 < own < total
    del block


def test_the_sphere_is_closed():
    mesh = TriangleMesh(*soak_jobs.bumpy_sphere(12))
    assert mesh.faces.shape == (528, 3)
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert set(np.unique(edges, axis=0, return_counts=True)[1]) == {2}


def a_run(growth=0.0, slower=1.0, leak=0, busier=1.0):
    source = np.random.default_rng(0)
    samples = [
        soak_figures.Sample(
            jobs,
            *(350, 240 + growth * jobs / 1000 + source.normal()),
            *(5 + leak * jobs, 4, 9, 4, 0, 0),
        )
        for jobs in range(50, 5001, 50)
    ]
    seconds = list(np.linspace(0.1, 0.1 * slower, 5000))
    control = list(np.linspace(0.2, 0.2 * busier, len(samples)))
    return soak_figures.Soak(samples, seconds, seconds, control, {"generate": {"a"}}, {}, [])


def test_a_steady_run_keeps_its_promises():
    assert soak_figures.broken(soak_figures.figures(a_run())) == []


def test_a_machine_that_gets_busy_breaks_none():
    assert soak_figures.broken(soak_figures.figures(a_run(slower=1.3, busier=1.3))) == []


def test_samples_that_are_alike_count_as_fewer():
    source = np.random.default_rng(3)
    walk = np.zeros(100)
    for number in range(1, 100):
        walk[number] = 0.9 * walk[number - 1] + source.normal()
    samples = [soak_figures.Sample(50 * (i + 1), 9, walk[i], 5, 4, 9, 4, 0, 0) for i in range(100)]
    growth, error, freedom = soak_figures.slope(samples, after=0)
    assert freedom < 30 and abs(growth) < soak_figures.certain(freedom) * error
    loose = np.polyfit(np.arange(1, 101) / 20, walk, 1, cov=True)[1][0, 0] ** 0.5
    assert error > 2 * loose


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"growth": 0.5}, "memory grows"),
        ({"slower": 1.3}, "took 1.2"),
        ({"slower": 1.3, "busier": 0.9}, "took 1.3"),
        ({"leak": 1}, "descriptors went from"),
    ],
)
def test_what_breaks_a_promise(change, words):
    assert any(words in text for text in soak_figures.broken(soak_figures.figures(a_run(**change))))


def test_another_result_of_the_same_job_breaks_a_promise():
    found = dataclasses.replace(a_run(), hashes={"fast 528": {"a", "b"}})
    assert soak_figures.broken(soak_figures.figures(found)) == ["fast 528 gave 2 different results"]


def pages(steps, every=1):
    """A run that touches a page of 4 kB at each of `steps`, and never lets go of one."""
    memory = 240 + 0.004 * np.cumsum(np.isin(np.arange(100), steps))
    return soak_figures.Soak(
        [
            soak_figures.Sample(50 * (i + 1), 350, memory[i], 5, 4, 9, 4, 0, 0)
            for i in range(0, 100, every)
        ],
        *[[0.1] * 5000] * 2,
        [0.2] * 100,
    )


@pytest.mark.parametrize("steps", [[], [40], [12, 13, 60]])
def test_a_page_now_and_then_is_no_growth(steps):
    assert soak_figures.broken(soak_figures.figures(pages(steps))) == []


def test_a_page_for_each_fifty_jobs_is():
    report = soak_figures.figures(pages(range(100)))
    assert report["own_mb_per_1000_jobs"] == pytest.approx(0.08)
    assert "memory grows" in soak_figures.broken(report)[0]
    assert report["own_mb_more_by_thousand_jobs"] == 4 * [0.08]
