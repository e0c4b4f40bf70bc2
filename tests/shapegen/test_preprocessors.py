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


def coloured(height=40, width=28):
    """An object of soft alpha and many colours, off the middle of a picture that is not square."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([y * 6, x * 9, 255 - y * 3], axis=-1)
    alpha = np.clip(400 - 3 * ((y - 22) ** 2 + 2 * (x - 11) ** 2), 0, 255)[..., None]
    return Image.fromarray(np.concatenate([rgb, alpha], axis=-1).astype(np.uint8))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK", "RGB", "RGBA", "RGBa", "YCbCr"])
def test_every_kind_of_picture_gives_what_its_rgba_form_gives(mode, tmp_path):
    image = coloured()
    image = image.convert("L") if mode == "1" else image
    image = image.convert("RGB") if mode in ("CMYK", "YCbCr", "P") else image
    image = image.convert(mode)
    processor = ImageProcessorV2(size=56, border_ratio=0.15)
    want = processor(image.convert("RGBA"))
    got = processor(image)
    assert torch.equal(got["image"], want["image"]) and torch.equal(got["mask"], want["mask"])
    if mode in ("L", "LA", "P", "1", "RGB", "RGBA"):
        image.save(tmp_path / "a.png")
        for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
            assert torch.equal(processor(path)["image"], want["image"])


def test_sixteen_bits_are_scaled_rather_than_cut_off():
    """Pillow's own conversion of such a picture to RGB makes everything above 255 white."""
    grey = np.asarray(coloured().convert("L"))
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    assert deep.mode.startswith("I;16")
    processor = ImageProcessorV2(size=56)
    assert torch.equal(processor(deep)["image"], processor(Image.fromarray(grey))["image"])


def test_a_palette_may_have_a_transparent_colour(tmp_path):
    pixels = np.zeros((30, 30), np.uint8)
    pixels[8:20, 5:25] = 1
    image = Image.frombytes("P", (30, 30), pixels.tobytes())
    image.putpalette([0, 0, 0, 200, 40, 30])
    image.save(tmp_path / "a.png", transparency=0)
    processor = ImageProcessorV2(size=64)
    found = processor(tmp_path / "a.png", border_ratio=0.25, to_tensor=False)
    mask = found["mask"][..., 0] > 127
    assert np.ptp(np.nonzero(mask)[1]) == pytest.approx(48, abs=3)
    assert found["image"][mask].mean(axis=0) == pytest.approx([200, 40, 30], abs=8)


@pytest.mark.parametrize("own", [None, 0.0, 0.3])
@pytest.mark.parametrize("call", [{}, {"border_ratio": 0.4}])
def test_the_constructor_s_border_wins_over_the_call_s(own, call):
    found = ImageProcessorV2(size=80, border_ratio=own)(coloured(), to_tensor=False, **call)
    share = call.get("border_ratio", 0.15) if own is None else own
    want, _ = ImageProcessorV2.recenter(np.asarray(coloured()), share)
    assert found["image"].shape == (80, 80, 3) and found["mask"].shape == (80, 80, 1)
    assert found["image"].dtype == found["mask"].dtype == np.uint8
    assert np.array_equal(ImageProcessorV2(size=40, border_ratio=own).load_image(
        coloured(), share)[0], want)  # fmt: skip


def test_views_may_be_numpy_too_and_come_in_order():
    views = {"right": coloured(), "front": coloured(30, 44), "back": coloured(50, 50)}
    found = MVImageProcessorV2(size=48, border_ratio=0.1)(views, to_tensor=False)
    assert found["view_idxs"] == (0, 2, 3)
    assert found["image"].shape == (3, 48, 48, 3)
    single = ImageProcessorV2(size=48, border_ratio=0.1)
    for part, name in zip(found["image"], ("front", "back", "right"),
                          strict=True):  # fmt: skip
        assert np.array_equal(part, single(views[name], to_tensor=False)["image"])
