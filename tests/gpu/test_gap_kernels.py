# SPDX-License-Identifier: Apache-2.0
"""Gaps of a picture are filled on a GPU with the bytes that the processor gives."""

import numpy as np
import pytest
import torch

from hy3dgen.gpu.gap_kernels import fill_gaps, gap_kernels, in_order
from hy3dgen.mesh.native import loader

pytestmark = pytest.mark.skipif(not loader.native_available(), reason="needs the mesh kernel")
devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


@pytest.fixture
def kernels(request, device):
    if device == "cpu":
        return request.getfixturevalue("host_kernels")
    return gap_kernels(torch.device("cuda"))


def picture(size, seed):
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    waves = [127 + 120 * np.sin(x / 9 + seed) * np.cos(y / (7 + c)) for c in range(3)]
    pixels = np.stack(waves, axis=-1).astype(np.uint8)
    coarse = random.random((-(-size[0] // 9), -(-size[1] // 9))) > 0.4
    gaps = np.kron(coarse, np.ones((9, 9)))[: size[0], : size[1]].astype(np.uint8)
    gaps[random.random(size) > 0.97] = 1
    return pixels, gaps


@devices
@pytest.mark.parametrize(
    "size", [(3, 3), (1, 9), (40, 210), (210, 40), (90, 120), (300, 300), (1024, 1024)]
)
def test_the_same_bytes(kernels, device, size):
    if device == "cpu" and max(size) > 300:
        pytest.skip("takes long without a GPU")
    pixels, gaps = picture(size, len(str(size)))
    march = loader.march(gaps)
    want = pixels.copy()
    loader.inpaint(want, march)
    ranks = torch.from_numpy(march.ranks.view(np.int32)).to(device)
    order = torch.from_numpy(march.order[: march.starts[-1]].view(np.int32)).to(device)
    given = torch.from_numpy(pixels).to(device)
    got = fill_gaps(kernels, given, ranks, in_order(ranks, order))
    np.testing.assert_array_equal(got.cpu().numpy(), want)
    np.testing.assert_array_equal(given.cpu().numpy(), pixels)


@devices
def test_a_picture_that_is_all_gap_has_no_rim(kernels, device):
    march = loader.march(np.ones((20, 20), np.uint8))
    assert march.starts[-1] == 0
    ranks = torch.from_numpy(march.ranks.view(np.int32)).to(device)
    order = torch.zeros(0, dtype=torch.int32, device=device)
    fill_gaps(kernels, torch.zeros(20, 20, 3, dtype=torch.uint8, device=device), ranks, order)
