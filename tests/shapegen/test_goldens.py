# SPDX-License-Identifier: Apache-2.0
"""Every recorded case of the tree, and of the folders that HY3DGEN_GOLDENS names."""

import pytest
from golden import Case, all_cases
from golden_models import run_case

CASES = all_cases()


@pytest.mark.parametrize("name", CASES)
def test_recorded(name):
    run_case(Case(CASES[name]))
