# SPDX-License-Identifier: Apache-2.0
"""Image processors: centring, kinds of input, pictures without an object."""

import numpy as np
import pytest
import torch
from PIL import Image

from hy3dgen.errors import InvalidImageError, UnknownViewError
from hy3dgen.shapegen.preprocessors import ImageProcessorV2, MVImageProcessorV2


def disc(size=64, radius=10, at=(20, 40)):
    y, x = np.mgrid[:size, :size]
    pixels = np.zeros((size, size, 4), np.uint8)
    pixels[(y - at[0]) ** 2 + (x - at[1]) ** 2 <= radius**2] = (200, 30, 40, 255)
    return pixels


def test_an_array_gives_what_its_pil_image_gives():
    processor = ImageProcessorV2(size=56, border_ratio=0.2)
    pixels = disc()
    before = pixels.copy()
    from_array, from_pil = processor(pixels), processor(Image.fromarray(pixels))
    assert torch.equal(from_array["image"], from_pil["image"])
    assert np.array_equal(pixels, before)


def test_the_object_is_centred_and_as_large_as_the_border_allows():
    mask = ImageProcessorV2(size=100)(disc(), border_ratio=0.2, to_tensor=False)["mask"][..., 0]
    rows, columns = np.nonzero(mask > 127)
    for places in (rows, columns):
        assert abs((places.min() + places.max()) / 2 - 49.5) <= 1.5
        assert abs(places.max() - places.min() + 1 - 80) <= 3


def test_a_picture_alone_is_the_view_in_front():
    processor = MVImageProcessorV2(size=56)
    alone, named = processor(disc()), processor({"front": disc()})
    assert alone["view_idxs"] == named["view_idxs"] == (0,)
    assert torch.equal(alone["image"], named["image"]) and alone["image"].ndim == 5


def test_pictures_without_an_object_are_refused():
    processor = ImageProcessorV2()
    with pytest.raises(InvalidImageError, match="fully transparent"):
        processor(np.zeros((32, 32, 4), np.uint8))
    line = np.zeros((32, 32, 4), np.uint8)
    line[5] = 255
    with pytest.raises(InvalidImageError, match="one line"):
        processor(line)
    sliver = np.zeros((64, 64, 4), np.uint8)
    sliver[:, 5:7] = 255
    sliver[:, 6] = (0, 0, 0, 255)
    with pytest.raises(InvalidImageError, match="too thin"):
        processor(sliver, border_ratio=0.15)
    with pytest.raises(UnknownViewError, match=r"^the views are named 'top'; give") as caught:
        MVImageProcessorV2()({"top": disc()})
    assert isinstance(caught.value, KeyError) and isinstance(caught.value, InvalidImageError)


@pytest.mark.parametrize("side", [2, 3, 8, 15])
def test_small_pictures_are_for_scripts_to_decide(side):
    """A user is told to choose a larger one before; see `hy3dgen.pictures`."""
    image = np.full((side, side, 3), 70, np.uint8)
    found = ImageProcessorV2(size=56)(image)
    assert found["image"].shape == (1, 3, 56, 56)
    with pytest.raises(InvalidImageError, match="1 x 1 pixels; at least 2 x 2"):
        ImageProcessorV2(size=56)(image[:1, :1])
