# SPDX-License-Identifier: GPL-3.0-or-later
"""Only wheels whose licence is named, compatible and included go into the extension's zip."""

import zipfile

import pytest

pytest.importorskip("tomllib", reason="build_tools reads pyproject.toml, from Python 3.11 on")

from build_tools import extension, wheels
from build_tools.wheel_licences import check_licence


def write_wheel(tmp_path, expression="MIT", text="the licence"):
    path = tmp_path / "thing-1.0-py3-none-any.whl"
    metadata = "Metadata-Version: 2.4\nName: thing\nVersion: 1.0\nLicense-File: LICENSE\n"
    if expression:
        metadata += f"License-Expression: {expression}\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing-1.0.dist-info/METADATA", metadata)
        archive.writestr("thing-1.0.dist-info/licenses/LICENSE", text)
    return path


def test_our_own_wheel_passes(tmp_path):
    (wheel,) = wheels.build_wheels(tmp_path)
    assert check_licence(wheel) == "Apache-2.0"


@pytest.mark.parametrize("expression", ["MIT", "MIT AND Zlib", "GPL-2.0-only OR MIT"])
def test_compatible(tmp_path, expression):
    assert check_licence(write_wheel(tmp_path, expression)) == expression


@pytest.mark.parametrize(
    ("expression", "text", "words"),
    [
        ("", "text", "does not name its licence"),
        ("GPL-2.0-only", "text", "'GPL-2.0-only', which is not on the list"),
        ("MIT AND CC-BY-NC-4.0", "text", "CC-BY-NC-4.0', which is not"),
        ("MIT", "", "lacks the text of its licence"),
    ],
)
def test_refused(tmp_path, expression, text, words):
    with pytest.raises(SystemExit, match=words):
        check_licence(write_wheel(tmp_path, expression, text))


def test_no_zip_is_made_with_such_a_wheel(tmp_path):
    (ours,) = wheels.build_wheels(tmp_path / "ours")
    with pytest.raises(SystemExit, match="not on the list"):
        extension.package(tmp_path / "out", [ours, write_wheel(tmp_path, "CC-BY-NC-4.0")])
    assert not list((tmp_path / "out").glob("*"))
