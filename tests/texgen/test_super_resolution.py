# SPDX-License-Identifier: Apache-2.0
"""The enlarging network: the published size, strict loading, and its use by the pipeline."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hy3dgen.errors import CheckpointMismatchError
from hy3dgen.texgen import super_resolution
from hy3dgen.texgen.super_resolution import RRDBNet, SuperResolution


def test_as_many_weights_as_the_published_file_has():
    with torch.device("meta"):
        network = RRDBNet()
    assert sum(weight.numel() for weight in network.parameters()) == 16_697_987
    names = list(network.state_dict())
    assert names[0] == "conv_first.weight" and names[-1] == "conv_last.bias"
    assert "body.22.rdb3.conv5.bias" in names


def test_four_times_as_large_and_local():
    torch.manual_seed(0)
    network = RRDBNet(blocks=1, width=8, growth=4)
    enlarge = SuperResolution(network)
    picture = np.random.default_rng(0).integers(0, 256, (40, 24, 3), np.uint8)
    large = enlarge(picture)
    assert large.shape == (160, 96, 3) and large.dtype == np.uint8
    changed = picture.copy()
    changed[0, 0] = 255 - changed[0, 0]
    assert np.array_equal(enlarge(changed)[140:], large[140:])


def test_read_with_and_without_the_wrapper(tmp_path, monkeypatch):
    torch.manual_seed(0)
    small = RRDBNet(1, 8, 4)
    monkeypatch.setattr(super_resolution, "RRDBNet", lambda: RRDBNet(1, 8, 4))
    state = {name: value.contiguous() for name, value in small.state_dict().items()}
    save_file(state, tmp_path / "plain.safetensors")
    torch.save({"params_ema": state}, tmp_path / "wrapped.ckpt")
    picture = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    want = SuperResolution(small)(picture)
    for name in ("plain.safetensors", "wrapped.ckpt"):
        got = SuperResolution.from_file(tmp_path / name, "cpu")(picture)
        assert np.array_equal(got, want)
    state.pop("conv_last.bias")
    save_file(state, tmp_path / "less.safetensors")
    with pytest.raises(CheckpointMismatchError, match=r"conv_last\.bias"):
        SuperResolution.from_file(tmp_path / "less.safetensors", "cpu")
