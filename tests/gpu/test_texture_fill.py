# SPDX-License-Identifier: Apache-2.0
"""Filling and the bake of two materials in tensors: what they give in arrays."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "texgen"))
from tensor_views import bumpy_ball, pictures_of

from hy3dgen.texgen import bake_materials, inpaint
from hy3dgen.texgen.fill_on_device import (
    fill_along_mesh_on_device,
    fill_rest_on_device,
    find_gaps,
)

devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
SIZE = 128


def half_painted():
    """A texture with gaps, and the mesh that it is for."""
    random = np.random.default_rng(4)
    texture = random.random((SIZE, SIZE, 3)).astype(np.float32)
    painted = np.kron(random.random((16, 16)) > 0.6, np.ones((8, 8))) > 0
    render, _ = pictures_of(bumpy_ball(), SIZE, SIZE)
    return np.where(painted[..., None], texture, 0), painted, render.get_mesh()


@devices
def test_filled_as_in_arrays(device):
    texture, painted, mesh = half_painted()
    mask = painted.astype(np.uint8) * np.uint8(255)
    along, known = inpaint.fill_along_mesh(texture, mask, *mesh)
    want = inpaint.fill_rest(along, known)
    where = torch.device(device)
    gaps = find_gaps(painted, *mesh[:3], where, lambda: None)
    tensor = torch.from_numpy(texture.copy()).to(where)
    got_known = fill_along_mesh_on_device(tensor, gaps, *mesh[:2])
    np.testing.assert_array_equal(got_known, known)
    np.testing.assert_array_equal(tensor.cpu().numpy(), along)
    np.testing.assert_array_equal(fill_rest_on_device(tensor, got_known, gaps), want)


@devices
def test_both_materials_as_in_arrays(device):
    render, _ = pictures_of(bumpy_ball(), SIZE, SIZE)
    random = np.random.default_rng(1)
    views = {
        name: list(np.repeat(random.integers(0, 256, (6, 4, 4, 3), np.uint8), 32, 1).repeat(32, 2))
        for name in ("albedo", "mr")
    }
    said = []
    maps = [
        bake_materials(
            render.prepared, views, texture_size=SIZE, device=where,
            progress=lambda *told: said.append(told),
        )
        for where in (None, torch.device(device))
    ]  # fmt: skip
    for want, got in zip(*maps, strict=True):
        assert (np.abs(want.astype(int) - got).max(axis=-1) > 1).mean() < 5e-3
    assert {"bake", "fill"} == {stage for stage, *_ in said}


@devices
def test_it_can_be_given_up(device):
    _, painted, mesh = half_painted()

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_gaps(painted, *mesh[:3], torch.device(device), stop)
