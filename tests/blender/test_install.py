# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing, switching off and on, upgrading, removing."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import BPY_PYTHON, EXTENSION, children, install

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

USER = Path(bpy.utils.resource_path("USER"))

OPERATORS = (
    *("generate", "reduce_faces", "cancel"),
    *("use_python", "make_environment", "remove_environment"),
    *("download_model", "remove_model", "choose_model", "choose_model_folder"),
)


def registered() -> dict[str, bool]:
    found = {name: hasattr(bpy.types, f"HUNYUAN3D_OT_{name}") for name in OPERATORS}
    found["scene"] = hasattr(bpy.types.Scene, "hunyuan3d")
    found["panel"] = hasattr(bpy.types, "HY3D_PT_generate")
    return found


def wheel_folders() -> list[Path]:
    return list((USER / "extensions" / ".local").glob("lib/python*/site-packages/hy3dgen"))


def test_enabled_and_registered(extension):
    assert EXTENSION in bpy.context.preferences.addons
    assert all(registered().values()), registered()


def test_hy3dgen_comes_from_the_extensions_wheel(extension):
    hy3dgen = importlib.import_module("hy3dgen")
    assert USER in Path(hy3dgen.__file__).parents
    assert len(wheel_folders()) == 1


def test_importing_the_extension_does_not_import_torch(extension):
    assert "torch" not in sys.modules


def test_operators_are_in_menus_where_f3_finds_them(extension, module):
    drawn = [*bpy.types.VIEW3D_MT_mesh_add._dyn_ui_initialize()]
    assert module("menus")._draw_add in drawn
    assert module("menus")._draw_object in bpy.types.VIEW3D_MT_object._dyn_ui_initialize()


def test_blenders_own_tool_accepts_the_zip():
    addons = Path(bpy.utils.system_resource("SCRIPTS"), "addons_core")
    tool = addons / "bl_pkg" / "cli" / "blender_ext.py"
    command = [sys.executable, str(tool), "validate", os.environ["EXT_ZIP"]]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_off_and_on_again(scene):
    menus = len(bpy.types.VIEW3D_MT_object._dyn_ui_initialize())
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=4)
    bpy.ops.hunyuan3d.reduce_faces(face_count=200)
    assert children(), "a warm worker stays"
    bpy.ops.preferences.addon_disable(module=EXTENSION)
    assert not children(), "switching off ends the workers"
    assert not any(registered().values()), registered()
    assert len(bpy.types.VIEW3D_MT_object._dyn_ui_initialize()) == menus - 1
    bpy.ops.preferences.addon_enable(module=EXTENSION)
    assert all(registered().values()), registered()
    bpy.ops.hunyuan3d.reduce_faces(face_count=100)
    assert len(bpy.context.object.data.polygons) <= 100


def test_installing_over_itself_works_in_a_running_blender(scene):
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=4)
    bpy.ops.hunyuan3d.reduce_faces(face_count=400)
    install()
    bpy.ops.hunyuan3d.reduce_faces(face_count=100)
    assert len(bpy.context.object.data.polygons) <= 100


_LIFE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from conftest import EXTENSION, children, install
import bpy
install()
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=4)
bpy.ops.hunyuan3d.reduce_faces(face_count=100)
print("WORKERS", *children())
if sys.argv[2] == "uninstall":
    bpy.ops.preferences.addon_disable(module=EXTENSION)
    repos = bpy.context.preferences.extensions.repos
    index = next(i for i, repo in enumerate(repos) if repo.module == "user_default")
    bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="hunyuan3d_blender")
    HOME = Path(bpy.utils.resource_path("USER"))
    left = [p for p in HOME.rglob("*") if p.is_file() and ("hy3d" in str(p.relative_to(HOME))
            or "hunyuan" in str(p.relative_to(HOME)))]
    print("LEFT", *left)
"""


def life(what: str, home: Path) -> tuple[list[int], list[str]]:
    """A Blender of its own from start to end; its workers' ids and, uninstalled, its leftovers."""
    folder = Path(__file__).parent
    done = subprocess.run(
        [BPY_PYTHON, "-c", _LIFE, str(folder), what],
        capture_output=True,
        text=True,
        env={**os.environ, "BLENDER_USER_RESOURCES": str(home)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.strip()}
    return [int(pid) for pid in lines["WORKERS"]], lines.get("LEFT", [])


def test_uninstalling_leaves_no_file_and_no_process(tmp_path):
    workers, left = life("uninstall", tmp_path)
    assert workers
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert left == []


def test_blenders_end_is_the_workers_end(tmp_path):
    workers, _ = life("exit", tmp_path)
    assert workers
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_foreign_package_of_the_same_name_is_told(tmp_path):
    """Wheels come last on the search path, so a hy3dgen in Blender's own Python would win."""
    (tmp_path / "hy3dgen").mkdir()
    (tmp_path / "hy3dgen" / "__init__.py").write_text("")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from conftest import install; "
        "sys.path.insert(0, sys.argv[2]); install()"
    )
    done = subprocess.run(
        [BPY_PYTHON, "-c", code, str(Path(__file__).parent), str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "home")},
        timeout=120,
    )
    assert done.returncode != 0
    assert "hides the hy3dgen of this extension" in done.stdout + done.stderr
