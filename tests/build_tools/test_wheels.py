# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheel that build_tools makes, checked as an installer would, then used from its files."""

import base64
import csv
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from email.parser import Parser

import pytest

import hy3dgen

pytest.importorskip("tomllib", reason="build_tools reads pyproject.toml, from Python 3.11 on")

from build_tools import native, wheels


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    (path,) = wheels.build_wheels(tmp_path_factory.mktemp("wheels"))
    return path


def test_name_tells_version_and_platform(wheel):
    tag = wheels.PLATFORMS[wheels.host_platform()]
    assert wheel.name == f"hy3dgen_independent-{hy3dgen.__version__}-py3-none-{tag}.whl"


def test_record_lists_every_file_with_its_hash(wheel):
    with zipfile.ZipFile(wheel) as archive:
        info = f"hy3dgen_independent-{hy3dgen.__version__}.dist-info"
        rows = list(csv.reader(io.StringIO(archive.read(f"{info}/RECORD").decode())))
        assert sorted(row[0] for row in rows) == sorted(archive.namelist())
        for name, digest, size in rows:
            if name.endswith("/RECORD"):
                assert digest == size == ""
                continue
            content = archive.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            assert digest == f"sha256={expected.decode()}" and int(size) == len(content)


def test_it_holds_one_library_and_no_sources(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    libraries = [name for name in names if "/native/lib/" in name]
    assert [name.rsplit("/", 1)[1] for name in libraries] == [
        native.library_path(wheels.host_platform()).name
    ]
    assert not [name for name in names if name.endswith((".cpp", ".h", ".pyc"))]


def test_it_brings_the_command_line(wheel):
    with zipfile.ZipFile(wheel) as archive:
        info = f"hy3dgen_independent-{hy3dgen.__version__}.dist-info"
        text = archive.read(f"{info}/entry_points.txt").decode()
    assert text == "[console_scripts]\nhy3dgen = hy3dgen.cli:main\n"


def test_metadata_comes_from_the_project(wheel):
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(
            f"hy3dgen_independent-{hy3dgen.__version__}.dist-info/METADATA"
        ).decode()
    fields = Parser().parsestr(text)
    assert fields["Name"] == "hy3dgen-independent" and fields["License-Expression"] == "Apache-2.0"
    required = fields.get_all("Requires-Dist")
    assert "numpy>=1.26" in required
    assert any(r.startswith("torch") and r.endswith('; extra == "shape"') for r in required)


def test_same_files_same_bytes(wheel, tmp_path):
    (again,) = wheels.build_wheels(tmp_path)
    assert again.read_bytes() == wheel.read_bytes()


def test_unpacked_wheel_reduces_a_mesh(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        "import numpy as np, hy3dgen.mesh as m; v = np.float32([(0,0,0),(1,0,0),(2,0,0),(1,1,0)]);"
        "r = m.reduce_faces(m.TriangleMesh(v, [(0,1,3),(1,2,3)]), 1);"
        "print(len(r.faces), r.area, m.__file__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=True,
    )
    faces, area, file = result.stdout.split()
    assert (faces, area) == ("1", "1.0") and file.startswith(str(tmp_path))


def test_unknown_platform_lists_the_known(tmp_path):
    with pytest.raises(SystemExit, match=r"'amiga'.*linux-x64"):
        wheels.build_wheels(tmp_path, ["amiga"])
    with pytest.raises(SystemExit, match=r"'amiga'.*linux-x64"):
        native.build(["amiga"])


def test_library_names_agree():
    from hy3dgen.mesh.native.loader import LIBRARY_NAMES

    assert sorted(LIBRARY_NAMES.values()) == sorted(t.library for t in native.TARGETS.values())
    assert set(native.TARGETS) == set(wheels.PLATFORMS)


def test_built_library_is_not_built_again(capsys):
    before = native.library_path(native.host_target()).stat().st_mtime_ns
    (library,) = native.build()
    assert library.stat().st_mtime_ns == before and capsys.readouterr().out == ""
