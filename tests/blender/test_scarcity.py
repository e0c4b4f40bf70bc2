# SPDX-License-Identifier: GPL-3.0-or-later
"""Too little disk or memory, half an environment, a firewall: a sentence each time, the scene as it
was, and the next job works."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

sys.path.append(str(Path(__file__).parents[1] / "install"))
from conftest import BASE_PYTHON, children, mount_memory, unmount  # noqa: E402
from hub_stand_in import HubStandIn  # noqa: E402
from scenes import add_sphere, fingerprint, select  # noqa: E402
from stand_in_packages import write_required  # noqa: E402

pytestmark = pytest.mark.usefixtures("nothing_left", "data")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts, limits of Linux")

MUG = str(Path(__file__).with_name("mug.png"))
QUICK = {"num_inference_steps": 2, "octree_resolution": 32, "face_count": 400}


def fails(operator, words: str, **settings) -> None:
    """In one sentence, and nothing in the file has changed."""
    before = fingerprint()
    with pytest.raises(RuntimeError, match=words) as caught:
        operator(**settings)
    message = str(caught.value).strip()
    assert "\n" not in message and "Traceback" not in message
    assert fingerprint() == before


@linux
def test_a_full_disk(scene, module, tmp_path, monkeypatch):
    from hy3dgen.worker import shared_arrays

    small = tmp_path / "small"
    small.mkdir()
    if not mount_memory(small, "size=256k"):
        pytest.skip("mounting is not allowed here")
    roots = shared_arrays.default_roots
    monkeypatch.setattr(shared_arrays, "default_roots", lambda: [small])
    sphere = add_sphere(subdivisions=7)
    try:
        fails(bpy.ops.hunyuan3d.reduce_faces, "found no place.*free some space", face_count=100)
        left = [path for path in small.rglob("*") if path.stat().st_size > 4096]
        assert left == []
        select(add_sphere("Little", subdivisions=3))
        assert bpy.ops.hunyuan3d.reduce_faces(face_count=100) == {"FINISHED"}
    finally:
        module("job_timer").queue.close()
        unmount(small)
    monkeypatch.setattr(shared_arrays, "default_roots", roots)
    select(sphere)
    assert bpy.ops.hunyuan3d.reduce_faces(face_count=100) == {"FINISHED"}


@linux
def test_too_little_memory(scene, preferences):
    import resource

    preferences.python = ""
    bpy.ops.hunyuan3d.generate(filepath=MUG, **QUICK)
    (worker,) = children()
    pages = int(Path(f"/proc/{worker}/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + (64 << 20)
    _, most = resource.prlimit(worker, resource.RLIMIT_AS)
    resource.prlimit(worker, resource.RLIMIT_AS, (limit, most))
    fine = {**QUICK, "octree_resolution": 512}
    fails(bpy.ops.hunyuan3d.generate, "memory is not enough.*lower res", filepath=MUG, **fine)
    resource.prlimit(worker, resource.RLIMIT_AS, (most, most))
    assert bpy.ops.hunyuan3d.generate(filepath=MUG, **QUICK) == {"FINISHED"}
    assert children() == {worker}, "the same worker, alive"


# What an artist's environment may hold: torch as it is, on a card with little memory.
_SMALL_CARD = """
import torch
from torch.utils._python_dispatch import TorchDispatchMode

class SmallCard(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        for tensor in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(tensor, torch.Tensor) and tensor.nbytes > 32 << 20:
                size = f"{tensor.nbytes / 2**20:.2f} MiB"
                raise ERROR("CUDA out of memory. Tried to allocate " + size)
        return found

SmallCard().__enter__()
"""


@pytest.fixture
def environment_with(worker_python, preferences, tmp_path):
    """Chooses an environment with the libraries of `worker_python`, which runs `code` at first."""

    def choose(code: str) -> None:
        ask = "import sys, sysconfig; print(sys.version_info[1], sysconfig.get_path('purelib'))"
        run = {"capture_output": True, "text": True, "check": True}
        said = subprocess.run([worker_python, "-c", ask], **run).stdout
        minor, _, libraries = said.strip().partition(" ")
        folder = tmp_path / "environment of mine"
        subprocess.run([worker_python, "-m", "venv", "--without-pip", str(folder)], **run)
        site = folder / "lib" / f"python3.{minor}" / "site-packages"
        (site / "others.pth").write_text(libraries)
        (site / "small_card.py").write_text(code)
        (site / "small_card.pth").write_text("import small_card")
        preferences.python = str(folder)

    return choose


@linux
@pytest.mark.parametrize("error", ["torch.OutOfMemoryError", "RuntimeError"])
def test_a_graphics_card_with_too_little_memory(scene, tiny_model, environment_with, error):
    """As CUDA says so, and as other devices do; the same worker does the next job."""
    environment_with(_SMALL_CARD.replace("ERROR", error))
    assert bpy.ops.hunyuan3d.generate(filepath=MUG, **QUICK) == {"FINISHED"}
    workers = children()
    fine = {**QUICK, "octree_resolution": 256}
    words = "memory is not enough.*lower resolution or close other programs"
    fails(bpy.ops.hunyuan3d.generate, words, filepath=MUG, **fine)
    assert bpy.ops.hunyuan3d.generate(filepath=MUG, **QUICK) == {"FINISHED"}
    assert children() == workers, "the same worker, alive"


def test_half_an_environment(scene, preferences, module, tmp_path):
    """What an interrupted making left is not used; what lost a library says so, and is mended."""
    packages = str(write_required(tmp_path / "packages"))
    settings = {"build": "cpu", "package_index": packages, "torch_index": packages}
    settings["base_python"] = BASE_PYTHON
    preferences.python = ""
    os.rename(tmp_path / "packages", tmp_path / "away")
    fails(bpy.ops.hunyuan3d.make_environment, "no folder of packages", **settings)
    os.rename(tmp_path / "away", tmp_path / "packages")
    made = module("environment").made_environment(bpy.context)
    assert made.status().kind == "unfinished"
    assert bpy.ops.hunyuan3d.generate(filepath=MUG, **QUICK) == {"FINISHED"}

    bpy.ops.hunyuan3d.make_environment(**settings)
    libraries = next(made.folder.glob("lib/python*/site-packages"), made.folder / "Lib")
    for name in ("torch", "numpy"):
        shutil.rmtree(libraries / name)
    words = r"No module named 'numpy'; choose another Python for it, or install its libraries again"
    fails(bpy.ops.hunyuan3d.generate, words, filepath=MUG, **QUICK)
    bpy.ops.hunyuan3d.make_environment(**settings)
    assert (libraries / "torch").is_dir() and (libraries / "numpy").is_dir()
    bpy.ops.hunyuan3d.remove_environment()
    assert bpy.ops.hunyuan3d.generate(filepath=MUG, **QUICK) == {"FINISHED"}


@pytest.mark.slow
def test_a_firewall_that_swallows_everything(scene, worker_python, online, monkeypatch):
    hub = HubStandIn("tencent/Hunyuan3D-2.1", {"LICENSE": b"it"})
    hub.faults["swallow"] = True
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    add_sphere()
    try:
        words = "could not be reached or stopped sending; check the connection or firewall"
        fails(bpy.ops.hunyuan3d.download_model, words, model="2.1", accept_licence=True)
    finally:
        hub.close()
    assert bpy.ops.hunyuan3d.reduce_faces(face_count=100) == {"FINISHED"}
