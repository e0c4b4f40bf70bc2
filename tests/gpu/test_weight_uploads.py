# SPDX-License-Identifier: Apache-2.0
"""Tensors of all sizes and types arrive as they were, whatever blocks they go through."""

import pytest
import torch
from torch import nn

from hy3dgen.weight_uploads import Block, Uploads
from hy3dgen.weights import load_strictly

CPU = torch.device("cpu")
devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


def tensors():
    generator = torch.Generator().manual_seed(0)
    shapes = [(), (0, 3), (1,), (3, 5), (1000,), (40, 50), (7,), (2, 3, 4)]
    types = [torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool]
    return [
        (100 * torch.randn(shape, generator=generator)).to(dtype)
        for shape in shapes
        for dtype in types
    ]


@devices
@pytest.mark.parametrize("size", [256, 1024, 1 << 20])
def test_they_arrive_as_they_were(device, size):
    where = torch.device(device)
    uploads = Uploads(where, [Block(where, size), Block(where, size)])
    wanted = tensors()
    for got, want in zip([uploads(value) for value in wanted], wanted, strict=True):
        assert got.device.type == device and got.dtype == want.dtype
        assert torch.equal(got.cpu(), want)
        assert want.numel() == 0 or got.data_ptr() != want.data_ptr()


def test_parts_of_wider_tensors_go_alone():
    wide = torch.arange(12.0).view(3, 4)
    assert torch.equal(Uploads(CPU, [Block(CPU, 256)])(wide[:, 1:3]), wide[:, 1:3])


def test_without_pinned_memory_they_are_copied_plainly(monkeypatch):
    def none(*_arguments):
        raise RuntimeError("no memory can be pinned")

    monkeypatch.setattr("hy3dgen.weight_uploads.Block", none)
    value = torch.ones(3)
    assert torch.equal(Uploads(CPU)(value), value)


@pytest.mark.gpu
def test_a_network_is_loaded_through_blocks():
    state = {"weight": torch.randn(300, 200), "bias": torch.randn(300)}
    with torch.device("meta"):
        layer = nn.Linear(200, 300)
    load_strictly(layer, dict(state), "test", torch.float16, torch.device("cuda"))
    for name, value in state.items():
        assert torch.equal(layer.state_dict()[name].cpu(), value.half())
