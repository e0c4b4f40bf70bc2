# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's zip: what is in it, for which platform, and that it comes out the same twice."""

import zipfile
from pathlib import Path

import pytest
import tomllib

from build_tools import extension

LINUX = "hy3dgen-0.1.0-py3-none-manylinux_2_17_x86_64.whl"


@pytest.fixture
def wheel(tmp_path):
    """Makes a wheel that holds nothing but what it must say of its licence."""

    def make(name: str = LINUX) -> Path:
        path = tmp_path / name
        info = "hy3dgen-0.1.0.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in (
                ("METADATA", "License-Expression: MIT\nLicense-File: LICENSE\n"),
                ("licenses/LICENSE", "the licence"),
            ):
                archive.writestr(zipfile.ZipInfo(f"{info}/{name}"), text)
        return path

    return make


@pytest.mark.parametrize(
    ("tag", "platform"),
    [
        ("manylinux_2_17_x86_64", "linux-x64"),
        ("manylinux_2_17_aarch64", "linux-arm64"),
        ("win_amd64", "windows-x64"),
        ("win_arm64", "windows-arm64"),
        ("macosx_11_0_arm64", "macos-arm64"),
        ("macosx_10_13_x86_64", "macos-x64"),
        ("any", None),
    ],
)
def test_platform_of_a_wheel(tag, platform):
    assert extension.platform_of(Path(f"hy3dgen-0.1.0-py3-none-{tag}.whl")) == platform


def test_unknown_platform_is_named():
    with pytest.raises(SystemExit, match="'freebsd_14_amd64', which Blender does not know"):
        extension.platform_of(Path("hy3dgen-0.1.0-py3-none-freebsd_14_amd64.whl"))


def test_zip_has_code_manifest_and_wheel_at_its_root(wheel, tmp_path):
    archive = extension.package(tmp_path / "dist", [wheel()])
    assert archive.name == "hunyuan3d_blender-0.1.0-linux_x64.zip"
    with zipfile.ZipFile(archive) as contents:
        names = set(contents.namelist())
        manifest = tomllib.loads(contents.read("blender_manifest.toml").decode())
    assert {"__init__.py", "blender_manifest.toml", "LICENSE", f"wheels/{LINUX}"} <= names
    assert "operators/generate.py" in names
    assert not any("__pycache__" in name or name.startswith("/") for name in names)
    assert manifest["platforms"] == ["linux-x64"]
    assert manifest["wheels"] == [f"./wheels/{LINUX}"]


def test_manifest_keeps_everything_else_and_the_committed_file_stays(wheel):
    committed = extension.MANIFEST.read_text(encoding="utf-8")
    staged = tomllib.loads(extension.staged_manifest(committed, "linux-x64", [wheel()]))
    del staged["platforms"], staged["wheels"]
    assert staged == tomllib.loads(committed)
    assert "wheels" not in tomllib.loads(committed)


def test_same_files_same_bytes(wheel, tmp_path):
    first = extension.package(tmp_path / "a", [wheel()]).read_bytes()
    assert extension.package(tmp_path / "b", [wheel()]).read_bytes() == first


def test_wheels_of_two_platforms_do_not_share_a_zip(wheel, tmp_path):
    windows = LINUX.replace("manylinux_2_17_x86_64", "win_amd64")
    with pytest.raises(SystemExit, match=r"linux-x64.*windows-x64"):
        extension.package(tmp_path, [wheel(), wheel(windows)])
    made = extension.package_all(tmp_path, [wheel(), wheel(windows)])
    assert [path.name[24:] for path in made] == ["linux_x64.zip", "windows_x64.zip"]


def test_wheels_for_any_platform_alone_do_not_do(wheel, tmp_path):
    with pytest.raises(SystemExit, match="the wheels are for none"):
        extension.package(tmp_path, [wheel("hy3dgen-0.1.0-py3-none-any.whl")])


def test_manifest_follows_the_package_version():
    import hy3dgen

    assert tomllib.loads(extension.MANIFEST.read_text())["version"] == hy3dgen.__version__


def test_refusal_of_blenders_tool_comes_through(tmp_path):
    tool = tmp_path / "blender_ext.py"
    tool.write_text("import sys; print('tagline is too long'); sys.exit(1)")
    with pytest.raises(SystemExit, match="tagline is too long"):
        extension.validate(tmp_path / "any.zip", tool)
