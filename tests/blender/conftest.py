# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension inside real Blender: an isolated user folder, the zip from EXT_ZIP installed.

    EXT_ZIP=dist/….zip HY3D_WORKER_PYTHON=.venv/bin/python VENV_WITH_BPY/bin/pytest tests/blender

The venv holds only bpy and pytest: an extension's wheels come last on the search path, so another
hy3dgen there would hide the one under test.
"""

import atexit
import ctypes
import importlib.util
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest

EXTENSION = "bl_ext.user_default.hunyuan3d_blender"
HAS_BPY = importlib.util.find_spec("bpy") is not None
HOME = Path(tempfile.mkdtemp(prefix="hy3d-blender-test-"))
TEMP = HOME / "temp"  # for temporary files of this process and its children only
TEMP.mkdir()
# Runs programs that import bpy, as a Python does where bpy is a wheel.
BPY_PYTHON = os.environ.get("HY3D_BPY_PYTHON") or sys.executable
# One that can make environments; a system's own may lack what that needs.
BASE_PYTHON = sys.executable
if importlib.util.find_spec("ensurepip") is None:
    BASE_PYTHON = os.environ.get("HY3D_WORKER_PYTHON") or sys.executable
MEMORY = Path(tempfile.mkdtemp(dir="/dev/shm")) if os.path.isdir("/dev/shm") else None
for _folder in filter(None, (HOME, MEMORY)):
    atexit.register(shutil.rmtree, _folder, ignore_errors=True)
if HAS_BPY:
    # The repository's own hy3dgen would hide the wheel's, which is the one under test.
    sys.path[:] = [folder for folder in sys.path if not Path(folder or ".", "hy3dgen").is_dir()]
    # Where Blender itself runs this it has begun with folders of its own.
    if "bpy" not in sys.modules or not sys.modules["bpy"].app.binary_path:
        os.environ["BLENDER_USER_RESOURCES"] = str(HOME)
    os.environ["TMPDIR"] = tempfile.tempdir = str(TEMP)
    # Neither this user's environment nor models, and nothing is accepted yet.
    os.environ["HY3DGEN_DATA"] = str(HOME / "data")
    os.environ["HY3DGEN_MODELS"] = str(HOME / "models")
    os.environ["HF_HOME"] = str(HOME / "hub")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = None
    if not HAS_BPY:
        reason = "needs a Python with the bpy wheel; `build.py test` makes one"
    elif not os.environ.get("EXT_ZIP"):
        reason = "EXT_ZIP does not name the extension's zip; `build.py test` makes it"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("blender")
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


_exit_status = 0


def pytest_sessionfinish(exitstatus: int) -> None:
    global _exit_status
    _exit_status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """End the process in Blender 4.2 ourselves.

    There the module crashes while the process ends (signal 11 in bpy_class_free), after all tests,
    once Blender's own glTF exporter has run: `import bpy; bpy.ops.export_scene.gltf(…)` alone does.
    """
    bpy = sys.modules.get("bpy")
    if bpy is None or bpy.app.version >= (4, 3):
        return
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_exit_status)


def mount_memory(folder: Path, options: str = "") -> bool:
    """Lay a small disk in memory over `folder`; False where that is not allowed.

    Linux. Without the program `mount`, which small systems lack.
    """
    if sys.platform != "linux":
        return False
    flags = _READ_ONLY if options == "ro" else 0
    data = b"" if flags else options.encode()
    return _libc().mount(b"hy3dgen-test", os.fsencode(folder), b"tmpfs", flags, data) == 0


def remount(folder: Path, writable: bool) -> None:
    """Let people write to a disk of `mount_memory`, or not."""
    flags = _REMOUNT | (0 if writable else _READ_ONLY)
    assert _libc().mount(None, os.fsencode(folder), None, flags, None) == 0


def unmount(folder: Path) -> None:
    assert _libc().umount2(os.fsencode(folder), _DETACH) == 0


_READ_ONLY, _REMOUNT, _DETACH = 1, 32, 2  # MS_RDONLY, MS_REMOUNT, MNT_DETACH


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def install() -> None:
    import bpy

    bpy.ops.extensions.package_install_files(
        filepath=os.environ["EXT_ZIP"], repo="user_default", enable_on_install=True
    )
    assert EXTENSION in bpy.context.preferences.addons, "installed but not enabled"


@pytest.fixture(scope="session")
def extension():
    """The extension's package, installed and enabled."""
    install()
    yield sys.modules[EXTENSION]
    import bpy

    if EXTENSION in bpy.context.preferences.addons:
        bpy.ops.preferences.addon_disable(module=EXTENSION)


@pytest.fixture
def scene(extension, monkeypatch):
    """An empty scene; the extension stays on. Shared arrays lie in folders of this process."""
    import bpy

    from hy3dgen.worker import shared_arrays

    roots = [MEMORY, TEMP] if MEMORY else [TEMP]
    monkeypatch.setattr(shared_arrays, "default_roots", lambda: roots)

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    yield bpy.context.scene
    sys.modules[f"{EXTENSION}.job_timer"].queue.close()


@pytest.fixture
def preferences(extension):
    import bpy

    preferences = bpy.context.preferences.addons[EXTENSION].preferences
    names = [p.identifier for p in preferences.bl_rna.properties if not p.is_readonly]
    before = {name: getattr(preferences, name) for name in names if name != "bl_idname"}
    yield preferences
    for name, value in before.items():
        setattr(preferences, name, value)


@pytest.fixture
def data(extension, tmp_path, monkeypatch):
    """Folders of this test's own for the environment, accepted licences and models."""
    folders = {"HY3DGEN_DATA": "data", "HY3DGEN_MODELS": "models", "HF_HOME": "hub"}
    for variable, name in folders.items():
        monkeypatch.setenv(variable, str(tmp_path / name))
    return tmp_path / "data"


@pytest.fixture
def online(extension):
    """Online access as allowed in Blender's preferences."""
    import bpy

    bpy.context.preferences.system.use_online_access = True
    yield
    bpy.context.preferences.system.use_online_access = False


@pytest.fixture
def worker_python(preferences):
    """The generation Python, set in the preferences."""
    python = os.environ.get("HY3D_WORKER_PYTHON")
    if not python:
        pytest.skip("HY3D_WORKER_PYTHON does not name a Python with PyTorch")
    preferences.python = python
    return python


@pytest.fixture
def tiny_model(worker_python):
    """Whether the wheel brings the bundled model, together with a Python that can run it."""
    import hy3dgen

    if not (Path(hy3dgen.__file__).parent / "assets" / "tiny" / "config.yaml").is_file():
        pytest.skip("the wheel under test was built without the bundled model")


@pytest.fixture
def module(extension):
    """Modules of the extension by their short names."""
    return lambda name: sys.modules[f"{EXTENSION}.{name}"]


@pytest.fixture
def nothing_left(scene):
    """Fails if the test leaves a child process, a shared block or a temp file behind.

    A warm worker is no leftover, so the queue is closed first, as at the extension's end.
    """
    before = _traces()
    yield
    sys.modules[f"{EXTENSION}.job_timer"].queue.close()
    deadline = time.monotonic() + 3
    while (left := _traces() - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def _traces() -> set[str]:
    """Child processes, and what lies in the folders for temporary files."""
    folders = [MEMORY, TEMP] if MEMORY else [TEMP]
    files = {str(path) for folder in folders for path in folder.glob("*hy3d*")}
    return files | {f"process {pid}" for pid in children()}


def children() -> set[int]:
    """Processes that this one started and that still run (zombies do not)."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            found.add(int(folder.name))
    return found
