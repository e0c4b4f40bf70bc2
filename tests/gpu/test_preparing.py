# SPDX-License-Identifier: Apache-2.0
"""What a first picture waits for is begun beforehand, and what fails there does no harm."""

import logging

import pytest
import torch

from hy3dgen.gpu import mesh_kernels, preparing, transformer_kernels


def test_a_processor_needs_nothing():
    assert preparing.prepare_kernels(torch.device("cpu")) == []


def test_what_fails_is_left_to_whoever_needs_it(monkeypatch, caplog):
    def broken(_device):
        raise RuntimeError("nothing works")

    for name in ("_transformers", "mesh_kernels", "_triton", "_libraries"):
        monkeypatch.setattr(preparing, name, broken)
    caplog.set_level(logging.INFO)
    for thread in preparing.prepare_kernels(torch.device("cuda")):
        thread.join()
    assert caplog.text.count("could not be prepared: nothing works") == 4


@pytest.mark.gpu
def test_kernels_are_there_afterwards():
    state = torch.get_rng_state(), torch.cuda.get_rng_state()
    for thread in preparing.prepare_kernels(torch.device("cuda", 0)):
        thread.join()
    for module in (mesh_kernels, transformer_kernels):
        assert len(module.KERNELS.found) == 1
        assert None not in module.KERNELS.found.values()
    assert torch.equal(torch.get_rng_state(), state[0])
    assert torch.equal(torch.cuda.get_rng_state(), state[1])
