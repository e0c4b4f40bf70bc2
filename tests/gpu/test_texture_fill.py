# SPDX-License-Identifier: Apache-2.0
"""Filling and the bake of two materials in tensors: what they give in arrays."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "texgen"))
from tensor_views import bumpy_ball, pictures_of

from hy3dgen.texgen import bake_materials, cameras, inpaint
from hy3dgen.texgen.fill_on_device import (
    fill_along_mesh_on_device,
    fill_rest_on_device,
    find_gaps,
)
from hy3dgen.texgen.material_bake import bake_in_arrays
from hy3dgen.texgen.materials_on_device import bake_on_device

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
    """Before gaps are filled: filling follows lines, and a texel that differs makes others do."""
    mesh = pictures_of(bumpy_ball(), SIZE, SIZE)[0].prepared
    random = np.random.default_rng(1)
    images = [
        np.asarray(
            Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize((SIZE,) * 2)
        )
        for _ in cameras.STANDARD_VIEWS
    ]
    images = [np.concatenate([image, 255 - image], axis=-1) for image in images]
    settings = mesh, images, cameras.STANDARD_VIEWS, SIZE, 4, 2
    want, painted = bake_in_arrays(*settings, lambda number: None)
    numbers = []
    got, also = bake_on_device(*settings, torch.device(device), numbers.append)
    assert numbers == list(range(6))
    assert painted.any() and (painted != also).mean() < 1e-3
    off = np.abs(got.cpu().numpy() - want).max(axis=-1)[painted & also] > 2e-3
    print(f"{off.sum()} of {off.size} texels differ")
    assert off.mean() < 2e-3


@devices
def test_two_materials_from_views_to_maps(device):
    mesh = pictures_of(bumpy_ball(), SIZE, SIZE)[0].prepared
    views = {
        name: [np.full((SIZE, SIZE, 3), shade, np.uint8)] * 6
        for name, shade in (("albedo", 90), ("mr", 200))
    }
    said = []
    maps = bake_materials(
        mesh, views, texture_size=SIZE, device=torch.device(device),
        progress=lambda *told: said.append(told),
    )  # fmt: skip
    for shade, one in zip((90, 200), maps, strict=True):
        assert np.abs(one.astype(int) - shade).max() <= 1
    assert {"bake", "fill"} == {stage for stage, *_ in said}


@devices
def test_it_can_be_given_up(device):
    _, painted, mesh = half_painted()

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_gaps(painted, *mesh[:3], torch.device(device), stop)
