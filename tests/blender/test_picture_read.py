# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures through Blender's readers: bytes, opacity and rows as they stand in the file."""

import struct
import zlib

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from scenes import fingerprint, save_picture  # noqa: E402


@pytest.fixture
def read(module):
    from importlib import import_module

    name = module("operators.generate").__package__.rpartition(".")[0]
    return import_module(f"{name}.picture_read").read_picture


@pytest.fixture
def pixels():
    """(24, 32, 4) values from 0 to 1, none of them wholly transparent."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 4)) / 255
    pixels[..., 3] = np.maximum(pixels[..., 3], 0.5)
    pixels[:, :8] = 1, 0.5, 0, 1
    return np.round(pixels * 255) / 255


def test_bytes_rows_and_opacity_are_those_of_the_file(scene, read, pixels, tmp_path):
    path = save_picture(tmp_path / "ein Bild ü.png", pixels)
    before = fingerprint()
    found = read(path)
    assert found.dtype == np.uint8 and found.shape == pixels.shape
    np.testing.assert_array_equal(found, np.round(pixels * 255))
    assert fingerprint() == before, "no image is left in the file"


def test_an_image_already_in_the_file_stays(scene, read, pixels, tmp_path):
    path = save_picture(tmp_path / "twice.png", pixels)
    own = bpy.data.images.load(str(path))
    read(path)
    assert list(bpy.data.images) == [own] and own.size[:] == (32, 24)


def test_sixteen_bits_become_the_same_colours(scene, read, tmp_path):
    """Blender keeps them as linear light times opacity."""
    pixel = struct.pack(">4H", *(257 * value for value in (188, 100, 20, 128)))
    parts = (
        (b"IHDR", struct.pack(">2I5B", 16, 16, 16, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress((b"\0" + 16 * pixel) * 16)),
        (b"IEND", b""),
    )
    path = tmp_path / "deep.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in parts
        )
    )
    found = read(path)
    assert found.shape == (16, 16, 4)
    assert np.abs(found.astype(int) - (188, 100, 20, 128)).max() <= 1


def test_more_than_eighty_megapixels_are_not_decoded(scene, read, tmp_path):
    """Blender itself would take ten gigabytes for this one."""
    path = save_picture(tmp_path / "large.png", np.ones((16, 16, 4)))
    good = path.read_bytes()
    path.write_bytes(good[:16] + struct.pack(">2I", 50_000, 50_000) + good[24:])
    with pytest.raises(ValueError, match="50000 x 50000 pixels, 2500 megapixels; make it smaller"):
        read(path)
    assert not bpy.data.images


def test_an_image_of_the_file_may_be_no_larger_either(scene, module, tmp_path):
    from importlib import import_module

    name = module("operators.generate").__package__.rpartition(".")[0]
    image = bpy.data.images.new("large", 9000, 9000)
    with pytest.raises(ValueError, match="81 megapixels"):
        import_module(f"{name}.picture_read").read_image(image)


def test_grey_without_opacity(scene, read, tmp_path):
    header = b"P5 20 16 255\n"
    (tmp_path / "grey.pgm").write_bytes(header + bytes(range(160)) * 2)
    try:
        found = read(tmp_path / "grey.pgm")
    except ValueError as error:  # no reader for this format in this Blender
        assert "choose a PNG" in str(error)
    else:
        assert (found[..., 3] == 255).all() and found[0, 5, 1] == 5
