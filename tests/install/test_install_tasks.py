# SPDX-License-Identifier: Apache-2.0
"""Set-up through the worker's protocol: what is refused, and that nothing has happened then."""

import sys

import pytest

from hy3dgen.errors import InvalidSettingError, SetupError
from hy3dgen.install import models
from hy3dgen.install.tasks import TASKS


class Context:
    """Stands in for the server's: nobody listens and nobody cancels."""

    def progress(self, stage, step, total):
        pass

    def check_cancelled(self):
        pass


def run(task, **params):
    values, arrays = TASKS[task](params, {}, Context())
    assert arrays == {}
    return values


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("HY3DGEN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HY3DGEN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))


def test_no_environment_from_the_network_offline(tmp_path):
    folder = tmp_path / "environment"
    settings = {"folder": str(folder), "base_python": sys.executable, "build": "cpu"}
    with pytest.raises(InvalidSettingError, match="online access is off; allow it"):
        run("make_environment", online=False, **settings)
    with pytest.raises(InvalidSettingError, match="online access is off"):  # one of two will do
        run("make_environment", online=False, package_index=str(tmp_path), **settings)
    assert not folder.exists()


def test_no_download_before_the_licence_is_accepted(tmp_path):
    model = models.find_known("2.1")
    with pytest.raises(InvalidSettingError, match=r"has not been accepted; read it at https://"):
        run("download_model", model=model.key, python=sys.executable)
    assert not models.accepted(model.licence)
    assert not (tmp_path / "models").exists()


def test_removing_what_is_not_there():
    assert run("remove_model", model="2.1") == {"freed": 0, "name": "2.1"}
    with pytest.raises(SetupError, match="no known model"):
        run("remove_model", model="../../etc")


def test_unknown_settings_are_refused(tmp_path):
    with pytest.raises(InvalidSettingError, match="no setting 'force'"):
        run("remove_environment", folder=str(tmp_path), force=True)


def test_checking_a_python_tells_what_it_lacks():
    values = run("check_python", python=sys.executable)
    assert values["python"] == sys.executable
    assert values["sentence"].startswith("Python 3")
