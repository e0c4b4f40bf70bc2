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
    march = loader.march(gaps, levels=True)
    want = pixels.copy()
    loader.inpaint(want, march)
    ranks, order, levels = (
        torch.from_numpy(array.view(np.int32)).to(device)
        for array in (
            march.ranks,
            *(one[: march.starts[-1]] for one in (march.order, march.levels)),
        )
    )
    given = torch.from_numpy(pixels).to(device)
    got = fill_gaps(kernels, given, ranks, in_order(ranks, order, levels))
    np.testing.assert_array_equal(got.cpu().numpy(), want)
    np.testing.assert_array_equal(given.cpu().numpy(), pixels)


@pytest.mark.parametrize("size", [(12, 12), (40, 150), (150, 150)])
def test_a_pixel_s_level_is_above_those_of_all_that_it_looks_at(size):
    _, gaps = picture(size, 1)
    march = loader.march(gaps, levels=True)
    plain = loader.march(gaps)
    assert plain.levels is None
    for one, other in zip(march[:3], plain[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    ranks = march.ranks.astype(np.int64)
    levels = np.concatenate([[0], march.levels])[ranks]
    assert ((levels > 0) == (ranks > 0)).all()
    for down, right in looked_at():
        other = np.roll(levels, (-down, -right), (0, 1))
        before = np.roll(ranks, (-down, -right), (0, 1))
        rows, columns = np.indices(ranks.shape)
        inside = (
            (0 <= rows + down) & (rows + down < len(ranks))
            & (0 <= columns + right) & (columns + right < ranks.shape[1])
        )  # fmt: skip
        waits = inside & (ranks > 0) & (before > 0) & (before < ranks)
        assert (levels > other)[waits].all()
    assert len(np.unique(levels)) < max(80, np.count_nonzero(gaps) / 4)


def looked_at():
    """Where a pixel's neighbours within three pixels look for how much colours change, and at a
    picture's rim one step aside."""
    near = [(y, x) for y in range(-3, 4) for x in range(-3, 4) if y * y + x * x <= 9]
    steps = [(1, 0), (-1, 0), (0, 1), (0, -1)]
    places = {(y + down, x + right) for y, x in near for down, right in [(0, 0), *steps]}
    places |= {(y, x) for a in (-4, 4) for b in (-1, 1) for y, x in ((a, b), (b, a))}
    return places - {(0, 0)}


@devices
def test_a_picture_that_is_all_gap_has_no_rim(kernels, device):
    march = loader.march(np.ones((20, 20), np.uint8))
    assert march.starts[-1] == 0
    ranks = torch.from_numpy(march.ranks.view(np.int32)).to(device)
    order = torch.zeros(0, dtype=torch.int32, device=device)
    fill_gaps(kernels, torch.zeros(20, 20, 3, dtype=torch.uint8, device=device), ranks, order)
