# SPDX-License-Identifier: Apache-2.0
"""Compiled kernels on disk: kept, made again where damaged, never read where others can write."""

import os
import stat

import pytest

from hy3dgen import compiled_code
from hy3dgen.cli import main
from hy3dgen.compiled_code import clear, keep_what_triton_compiles, kept, key_of
from hy3dgen.install.places import compiled_folder

posix = pytest.mark.skipif(os.name == "nt", reason="modes of files are POSIX's")
KEY = key_of("a program", b"its source")


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("HY3DGEN_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("TRITON_CACHE_DIR", raising=False)
    return tmp_path / "data"


def asked(usable=lambda _code: True, code=b"code", key=KEY):
    """What is given, and whether it was compiled for that."""
    made = []
    found = kept(key, lambda: made.append(code) or code, usable)
    return found, bool(made)


def entry():
    (found,) = compiled_folder().glob("*.cubin")
    return found


def test_the_second_time_nothing_is_compiled(data):
    assert asked() == (b"code", True)
    assert asked(code=b"other") == (b"code", False)
    assert asked(key=key_of("another"), code=b"other") == (b"other", True)
    assert not [path for path in compiled_folder().iterdir() if path.suffix != ".cubin"]


def test_a_key_tells_parts_apart():
    assert len({key_of("a", "b"), key_of("ab"), key_of("b", "a"), key_of("a", b"b", "")}) == 4
    assert key_of("a", "b") == key_of(b"a", "b")


@pytest.mark.parametrize("damage", [b"", b"x", b"x" * 60])
def test_damaged_entries_are_compiled_again(damage):
    asked()
    entry().write_bytes(damage)
    assert asked(code=b"anew") == (b"anew", True)
    assert asked() == (b"anew", False)


def test_code_that_the_driver_refuses_is_compiled_again():
    asked()
    assert asked(usable=lambda _code: False, code=b"anew") == (b"anew", True)
    assert asked() == (b"anew", False)


@posix
def test_only_this_user_can_read_and_write_it(data):
    before = os.umask(0)
    try:
        asked()
    finally:
        os.umask(before)
    assert stat.S_IMODE(compiled_folder().stat().st_mode) == 0o700
    assert stat.S_IMODE(entry().stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o720, 0o702])
def test_a_folder_that_others_can_enter_does_not_count(mode):
    asked()
    compiled_folder().chmod(mode)
    assert asked(code=b"anew") == (b"anew", True)
    compiled_folder().chmod(0o700)
    assert asked() == (b"code", False), "nothing was written there either"


@posix
def test_an_entry_that_others_can_write_does_not_count():
    asked()
    entry().chmod(0o666)
    assert asked(code=b"anew") == (b"anew", True)


@posix
def test_owners_are_looked_at(monkeypatch):
    asked()
    monkeypatch.setattr(os, "getuid", lambda: os.stat(compiled_folder()).st_uid + 1)
    assert asked(code=b"anew") == (b"anew", True)


@posix
def test_links_are_not_followed(data, tmp_path):
    asked()
    elsewhere = tmp_path / "elsewhere"
    compiled_folder().rename(elsewhere)
    compiled_folder().symlink_to(elsewhere)
    assert asked(code=b"anew") == (b"anew", True)
    keep_what_triton_compiles()
    assert "TRITON_CACHE_DIR" not in os.environ
    assert clear() == 0 and list(elsewhere.glob("*.cubin"))
    compiled_folder().unlink()
    elsewhere.rename(compiled_folder())
    file = entry()
    file.rename(tmp_path / "file")
    file.symlink_to(tmp_path / "file")
    assert asked(code=b"anew") == (b"anew", True)


def test_a_place_that_cannot_be_written_is_no_error(data):
    data.write_text("a file")
    assert asked() == (b"code", True)
    assert asked() == (b"code", True)
    keep_what_triton_compiles()
    assert "TRITON_CACHE_DIR" not in os.environ
    assert clear() == 0


def test_no_more_is_kept_than_the_limit(monkeypatch):
    monkeypatch.setattr(compiled_code, "MAX_BYTES", 3 * (32 + 100))
    keys = [key_of(str(number)) for number in range(4)]
    for age, key in enumerate(keys[:3]):
        asked(key=key, code=b"x" * 100)
        path = compiled_folder() / f"{key}.cubin"
        os.utime(path, (1000 + age, 1000 + age))
    assert not asked(key=keys[0])[1], "and is the newest by that"
    asked(key=keys[3], code=b"x" * 100)
    found = {path.stem for path in compiled_folder().glob("*.cubin")}
    assert found == {keys[0], keys[2], keys[3]}


def test_triton_keeps_its_code_in_the_same_folder(monkeypatch):
    keep_what_triton_compiles()
    folder = compiled_folder() / "triton"
    assert os.environ["TRITON_CACHE_DIR"] == str(folder) and folder.is_dir()
    (folder / "ABC").mkdir()
    (folder / "ABC" / "kernel.cubin").write_bytes(b"x" * 1000)
    monkeypatch.delenv("TRITON_CACHE_DIR")
    monkeypatch.setattr(compiled_code, "MAX_TRITON_BYTES", 999)
    keep_what_triton_compiles()
    assert not list(folder.iterdir())


@posix
def test_triton_keeps_its_own_place_where_ours_is_not_private():
    keep_what_triton_compiles()
    del os.environ["TRITON_CACHE_DIR"]
    compiled_folder().chmod(0o777)
    keep_what_triton_compiles()
    assert "TRITON_CACHE_DIR" not in os.environ


def test_a_place_for_triton_that_is_set_stays(monkeypatch, data):
    monkeypatch.setenv("TRITON_CACHE_DIR", "mine")
    keep_what_triton_compiles()
    assert os.environ["TRITON_CACHE_DIR"] == "mine" and not data.exists()


def test_the_command_line_clears_it(capsys):
    asked(code=b"x" * 968)
    keep_what_triton_compiles()
    assert main(["cache", "--clear", "--json"]) == 0
    assert '"bytes_of_compiled_kernels": 1000' in capsys.readouterr().out
    assert not compiled_folder().exists()
    assert asked() == (b"code", True)
    assert main(["cache", "--clear"]) == 0
    assert "compiled kernels are gone" in capsys.readouterr().err
