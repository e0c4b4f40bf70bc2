# SPDX-License-Identifier: Apache-2.0
"""The short form of `python -m trials.kernel_arrays`."""

import shutil
import sys

import pytest

from hy3dgen.errors import MissingDependencyError
from trials import kernel_arrays

if sys.platform != "linux" or not shutil.which("c++"):
    pytest.skip("needs a C++ compiler with sanitizers", allow_module_level=True)

pytestmark = pytest.mark.slow  # compiling with sanitizers takes a quarter of a minute


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    try:
        return kernel_arrays.build("address,undefined", tmp_path_factory.mktemp("fuzz"), "c++")
    except MissingDependencyError as error:
        pytest.skip(str(error))


def test_five_hundred_cases(program):
    report = kernel_arrays.trial(program, 0, 500)
    assert "finding" not in report, report["finding"]
    assert sum(report["statuses"].values()) == 500
    assert {"no error", "cancelled", "a face names a vertex that does not exist"} <= set(
        report["statuses"]
    )


def test_a_compiler_that_is_missing_is_named(tmp_path):
    with pytest.raises(MissingDependencyError, match="no-such-compiler"):
        kernel_arrays.build("thread", tmp_path, "no-such-compiler")
