# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from PIL import Image
from texture_golden import load

from hy3dgen.errors import InvalidImageError
from hy3dgen.texgen.reference_image import (
    finish_delight,
    match_colours,
    prepare_for_delight,
    recenter_image,
)


@pytest.mark.parametrize("case", ["recenter0", "recenter1", "recenter2", "recenter3", "recenterL"])
def test_recentring_as_recorded(case):
    golden = load("images")
    image = Image.fromarray(golden[f"{case}.in"])
    assert np.array_equal(np.asarray(recenter_image(image)), golden[f"{case}.out"])
    if f"{case}.out_b05" in golden:
        narrow = recenter_image(image, border_ratio=0.05)
        assert np.array_equal(np.asarray(narrow), golden[f"{case}.out_b05"])


@pytest.mark.parametrize("case", ["delight_rgba", "delight_rgb"])
def test_pictures_around_delight_as_recorded(case):
    golden = load("images")
    prepared, target, alpha = prepare_for_delight(Image.fromarray(golden[f"{case}.in"]))
    window = (slice(150, 300), slice(60, 200))
    off = np.asarray(prepared)[window].astype(int) - golden[f"{case}.pipe_image_crop"]
    assert np.abs(off).max() <= 1
    mean = np.asarray(prepared).reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(mean, golden.info[f"{case}_pipe_image_mean"], atol=0.05)
    stub = Image.fromarray(golden[f"{case}.stub_result_64"]).resize((512, 512), Image.BILINEAR)
    out = np.asarray(finish_delight(stub, target, alpha))
    assert np.abs(out[window].astype(int) - golden[f"{case}.out_crop"]).max() <= 1
    mean = out.reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(mean, golden.info[f"{case}_out_mean"], atol=0.05)


@pytest.mark.parametrize("case", ["recorrect0", "recorrect1"])
def test_colour_matching_as_recorded(case):
    golden = load("images")
    inputs = (golden[f"{case}.{name}"] for name in ("src", "target", "alpha"))
    np.testing.assert_allclose(match_colours(*inputs), golden[f"{case}.out"], atol=1e-9)


def test_palette_and_grey_with_alpha_are_read():
    grey = Image.new("LA", (20, 10), (90, 255))
    assert recenter_image(grey).mode == "RGBA"
    palette = Image.new("RGB", (20, 10), (204, 0, 51)).convert("P")
    assert np.asarray(recenter_image(palette))[0, 0].tolist() == [204, 0, 51]


def test_a_transparent_picture_is_told():
    with pytest.raises(InvalidImageError, match="transparent everywhere"):
        recenter_image(Image.new("RGBA", (9, 9), (1, 2, 3, 0)))


def test_one_colour_stays():
    plain = np.full((4, 4, 3), 0.25)
    found = match_colours(plain, plain, np.ones((4, 4, 1)))
    assert np.array_equal(found[..., :3], plain)
