# SPDX-License-Identifier: Apache-2.0
"""Tests marked `gpu` are skipped where torch sees no CUDA device."""

import pytest
import torch

from tests.gpu.host_kernels import build


@pytest.fixture(scope="session")
def host_kernels(tmp_path_factory):
    """The CUDA kernels of meshes, compiled for the processor."""
    pytest.importorskip("ziglang")
    return build(tmp_path_factory.mktemp("kernels"))


def pytest_collection_modifyitems(items):
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
