# SPDX-License-Identifier: Apache-2.0
"""A private place for blocks, so that tests see exactly what they left behind."""

import pytest
from worker_helpers import SAMPLE

from hy3dgen.worker import shared_arrays
from hy3dgen.worker.client import WorkerClient


@pytest.fixture
def roots(tmp_path, monkeypatch):
    """Two roots in place of /dev/shm and the temporary folder."""
    folders = [tmp_path / "memory", tmp_path / "disk"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr(shared_arrays, "default_roots", lambda: list(folders))
    return folders


@pytest.fixture
def client(roots):
    with WorkerClient(SAMPLE) as client:
        client.start(30)
        yield client
