# SPDX-License-Identifier: Apache-2.0
"""Kernels are compiled once for a device, and left where they fail or differ."""

import logging

import pytest
import torch

from hy3dgen.gpu.nvrtc import KernelsUnavailableError
from hy3dgen.gpu.tried_kernels import OFF, TriedKernels

CUDA = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def no_device_is_asked(monkeypatch):
    monkeypatch.setattr("hy3dgen.gpu.tried_kernels.chosen", lambda _device: torch.no_grad())
    monkeypatch.delenv(OFF, raising=False)


def test_once_for_a_device_and_what_else_decides():
    made = []
    kernels = TriedKernels(lambda *key: made.append(key) or key, "without", lambda *_: 0.0)
    for _ in range(2):
        assert kernels.on(CUDA, torch.float16) == (CUDA, torch.float16)
        assert kernels.on(CUDA, torch.bfloat16) == (CUDA, torch.bfloat16)
    assert len(made) == 2


def test_not_on_a_processor_and_not_when_switched_off(monkeypatch):
    kernels = TriedKernels(lambda device: device, "without")
    assert kernels.on(torch.device("cpu")) is None
    monkeypatch.setenv(OFF, "1")
    assert kernels.on(CUDA) is None
    monkeypatch.delenv(OFF)
    assert kernels.on(CUDA) == CUDA


@pytest.mark.parametrize("error", [0.5, float("nan")])
def test_what_differs_is_left(error, caplog):
    kernels = TriedKernels(lambda device: device, "Plain functions run", lambda *_: error)
    assert kernels.on(CUDA) is None
    assert "Plain functions run: the kernels are off by" in caplog.text


def test_what_cannot_be_had_is_said_once(caplog):
    def broken(_device):
        raise KernelsUnavailableError("no compiler")

    caplog.set_level(logging.INFO)
    kernels = TriedKernels(broken, "Plain functions run", level=logging.INFO)
    assert kernels.on(CUDA) is None
    assert kernels.on(CUDA) is None
    assert caplog.text.count("Plain functions run: no compiler") == 1
