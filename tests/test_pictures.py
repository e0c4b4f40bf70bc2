# SPDX-License-Identifier: Apache-2.0
"""Pictures of every kind become RGBA, or one clear sentence; backgrounds go."""

import os
import struct
import sys
import zlib

import numpy as np
import pytest

pytest.importorskip("PIL", reason="pictures need Pillow")
pytest.importorskip("cv2", reason="background removal needs OpenCV")

from PIL import Image

from hy3dgen.errors import InvalidImageError
from hy3dgen.picture_limits import FORMATS, MAX_PIXELS, told_size
from hy3dgen.pictures import load_picture
from hy3dgen.rembg import BackgroundRemover, plain_background_alpha


def gradient(height=24, width=32):
    """Red grows downwards, green to the right."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y * 10, x * 8, np.full_like(x, 40)], axis=-1).astype(np.uint8)


def opaque(rgb):
    return np.concatenate([rgb, np.full((*rgb.shape[:2], 1), 255, np.uint8)], axis=2)


def save(path, image, **options):
    image.save(path, **options)
    return path


def png(width, height, bit_depth, colour_type, rows, path):
    """A PNG written by hand, for kinds that Pillow does not write."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


class TestKinds:
    @pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".tga", ".webp"])
    def test_lossless_files(self, tmp_path, suffix):
        options = {"lossless": True} if suffix == ".webp" else {}
        path = save(tmp_path / f"a{suffix}", Image.fromarray(gradient()), **options)
        assert np.array_equal(load_picture(path), opaque(gradient()))
        assert np.array_equal(load_picture(str(path)), opaque(gradient()))

    def test_jpeg(self, tmp_path):
        path = save(tmp_path / "a.jpg", Image.fromarray(gradient()), quality=95)
        assert np.abs(load_picture(path).astype(int) - opaque(gradient())).max() < 12

    def test_transparency_is_kept_straight(self, tmp_path):
        pixels = opaque(gradient())
        pixels[..., 3] = np.arange(32, dtype=np.uint8) * 8
        path = save(tmp_path / "a.png", Image.fromarray(pixels))
        assert np.array_equal(load_picture(path), pixels)

    def test_greyscale_and_greyscale_with_alpha(self, tmp_path):
        grey = gradient()[..., 1]
        want = opaque(np.repeat(grey[..., None], 3, axis=2))
        path = save(tmp_path / "a.png", Image.fromarray(grey))
        assert np.array_equal(load_picture(path), want)
        both = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(grey)])
        want[..., 3] = grey
        assert np.array_equal(load_picture(save(tmp_path / "b.png", both)), want)

    def test_palette_with_a_transparent_entry(self, tmp_path):
        image = Image.fromarray(gradient() // 128 * 255).convert("P", palette=Image.Palette.WEB)
        first = image.getpixel((0, 0))
        path = save(tmp_path / "a.png", image, transparency=first)
        pixels = load_picture(path)
        assert pixels[0, 0, 3] == 0
        assert pixels[-1, -1, 3] == 255

    def test_one_bit(self, tmp_path):
        bits = gradient()[..., 1] > 100
        path = save(tmp_path / "a.png", Image.fromarray(bits))
        assert np.array_equal(load_picture(path)[..., 0] == 255, bits)

    def test_16_bit_greyscale_is_scaled_not_cut_off(self, tmp_path):
        deep = np.linspace(0, 65535, 32 * 24).reshape(24, 32).astype(np.uint16)
        for suffix in (".png", ".tiff"):
            path = save(tmp_path / f"a{suffix}", Image.fromarray(deep))
            got = load_picture(path)[..., 0]
            assert np.abs(got - deep / 257.0).max() <= 0.51

    def test_16_bit_colour_is_scaled_not_cut_off(self, tmp_path):
        deep = (gradient().astype(np.uint16) * 257).astype(">u2")
        rows = b"".join(b"\0" + row.tobytes() for row in deep)
        path = png(32, 24, 16, 2, rows, tmp_path / "a.png")
        assert np.array_equal(load_picture(path), opaque(gradient()))

    def test_floating_point_tiff(self, tmp_path):
        values = gradient()[..., 1] / 255
        path = save(tmp_path / "a.tiff", Image.fromarray(values.astype(np.float32)))
        assert np.abs(load_picture(path)[..., 0].astype(int) - gradient()[..., 1]).max() <= 1

    def test_cmyk(self, tmp_path):
        flat = np.broadcast_to(np.uint8([200, 60, 30]), (24, 32, 3))
        for suffix in (".jpg", ".tiff"):
            path = save(tmp_path / f"a{suffix}", Image.fromarray(flat).convert("CMYK"))
            assert np.abs(load_picture(path)[..., :3].astype(int) - flat).max() < 12

    @pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
    def test_the_first_frame_of_an_animation(self, tmp_path, suffix):
        colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
        first, *others = [Image.new("RGB", (24, 24), colour) for colour in colours]
        path = save(tmp_path / f"a{suffix}", first, save_all=True, append_images=others)
        pixels = load_picture(path)
        assert np.abs(pixels[12, 12].astype(int) - [255, 0, 0, 255]).max() < 6
        moving = Image.open(path)
        moving.seek(2)  # a caller may have looked further
        assert np.array_equal(load_picture(moving), pixels)

    def test_a_camera_s_orientation_is_applied(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6  # turn a quarter clockwise to see it upright
        path = save(tmp_path / "a.png", Image.fromarray(gradient()), exif=exif)
        assert np.array_equal(load_picture(path), opaque(np.rot90(gradient(), -1)))

    def test_arrays(self):
        rgb = gradient()
        want = opaque(rgb)
        before = rgb.copy()
        for array in (rgb, want, rgb.astype(np.uint16) * 257, rgb / 255):
            assert np.array_equal(load_picture(array), want)
        assert np.array_equal(rgb, before)
        grey = load_picture(rgb[..., 0])
        assert np.array_equal(grey, load_picture(rgb[..., :1]))
        assert np.array_equal(grey, opaque(np.repeat(rgb[..., :1], 3, axis=2)))
        assert np.array_equal(load_picture(rgb[..., 1] > 9)[..., 2] == 255, rgb[..., 1] > 9)
        load_picture(want)[:] = 0
        assert want.any()  # a copy came back


class TestRefusals:
    def refused(self, source, message):
        with pytest.raises(InvalidImageError, match=message) as error:
            load_picture(source)
        assert "\n" not in str(error.value)

    def test_files_that_are_no_pictures(self, tmp_path):
        self.refused(tmp_path / "none.png", r"no picture at .*none\.png; check the path")
        self.refused("a\0b.png", "no picture at")
        self.refused(tmp_path, "is a folder, not a picture")
        empty = tmp_path / "empty.png"
        empty.touch()
        self.refused(empty, "empty file of 0 bytes")
        text = tmp_path / "text.png"
        text.write_text("this is no picture " * 50)
        self.refused(text, "not a picture in a known format")

    def test_no_picture_starts_a_program(self, tmp_path, ghostscript):
        """For EPS Pillow would start Ghostscript, which runs what the file says."""
        path = save(tmp_path / "a.eps", Image.fromarray(gradient()))
        self.refused(path, "not a picture in a known format")
        self.refused(path.rename(tmp_path / "a.png"), "not a picture in a known format")
        assert not ghostscript.exists()
        with Image.open(tmp_path / "a.png") as image, pytest.raises(OSError):
            image.load()
        assert ghostscript.exists(), "what this test is about is gone from Pillow"

    def test_only_what_pillow_decodes_by_itself(self):
        Image.init()
        assert set(FORMATS) <= set(Image.OPEN)
        assert not {"EPS", "WMF", "BUFR", "GRIB", "HDF5"} & set(FORMATS)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.png")
        self.refused(tmp_path / "pipe.png", "not an ordinary file")

    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".webp", ".tiff", ".bmp"])
    @pytest.mark.parametrize("share", [0.05, 0.4, 0.8])
    def test_a_file_cut_off_anywhere(self, tmp_path, suffix, share):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        path = save(tmp_path / f"a{suffix}", Image.fromarray(noise))
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        self.refused(path, "damaged|known format")

    def test_damaged_in_the_middle(self, tmp_path):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        path = save(tmp_path / "a.png", Image.fromarray(noise))
        content = bytearray(path.read_bytes())
        content[3000:3100] = bytes(100)
        path.write_bytes(content)
        self.refused(path, "damaged")

    def test_a_damaged_avif(self, tmp_path):
        """Its decoder has another kind of error than all others."""
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        path = save(tmp_path / "a.avif", Image.fromarray(noise))
        content = bytearray(path.read_bytes())
        for place in range(0, 256, 7):  # somewhere in the description of what comes where
            content[place : place + 4], before = b"\xff" * 4, content[place : place + 4]
            path.write_bytes(content)
            try:
                load_picture(path)
            except InvalidImageError as error:
                assert "\n" not in str(error)
            content[place : place + 4] = before

    def test_too_small(self, tmp_path):
        path = save(tmp_path / "a.png", Image.new("RGB", (1, 1)))
        self.refused(path, r"a\.png has 1 x 1 pixels; at least 16 x 16")
        self.refused(np.zeros((400, 3, 3), np.uint8), "3 x 400 pixels")

    def test_too_large_is_refused_before_anything_is_decoded(self, tmp_path):
        assert MAX_PIXELS < 200e6
        # The header promises 200 and 2,500 megapixels; there are hardly any bytes behind it.
        for width, height in ((20000, 10000), (50000, 50000)):
            path = png(width, height, 8, 2, b"", tmp_path / "a.png")
            self.refused(path, "megapixels; make it smaller")

    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".gif"])
    def test_the_size_is_told_by_the_beginning(self, tmp_path, suffix):
        exif = Image.Exif()
        exif[0x010E] = "a description " * 99  # stands before the size in a JPEG file
        options = {"exif": exif} if suffix == ".jpg" else {}
        path = save(tmp_path / f"a{suffix}", Image.fromarray(gradient(24, 37)), **options)
        content = path.read_bytes()
        assert told_size(content) == (37, 24)
        for end in range(40):
            assert told_size(content[:end]) in (None, (37, 24))
        assert told_size(b"\xff\xd8" + b"\xff\xe0\x00\x00" * 9) is None

    def test_things_that_are_no_picture(self):
        self.refused(None, "given as NoneType")
        self.refused(np.zeros((20, 20, 2), np.uint8), r"shape \(20, 20, 2\)")
        self.refused(np.zeros((0, 20, 3), np.uint8), "20 x 0 pixels")
        self.refused(np.zeros((20, 20), np.int64), "array of int64")
        self.refused(np.full((20, 20), 2.0), "run from 2 to 2")
        self.refused(np.full((20, 20), np.nan), "from nan to nan")


def scene(background, size=96):
    """A mug: a red disc with a handle, whose hole shows the background, and a white highlight."""
    y, x = np.mgrid[:size, :size].astype(float)
    body = np.hypot(x - 40, y - 48) < 24
    ring = np.abs(np.hypot(x - 70, y - 48) - 11) < 3.5
    hole = np.hypot(x - 70, y - 48) < 6
    mug = (body | ring) & ~(hole & ~body)
    picture = np.broadcast_to(background, (size, size, 3)).astype(float).copy()
    picture[mug] = (180, 40, 30)
    picture[np.hypot(x - 34, y - 40) < 4] = 255
    return picture.round().clip(0, 255).astype(np.uint8), mug, hole & ~body


def ramp(low, high, size=96):
    t = np.linspace(0, 1, size)[:, None, None]
    return np.asarray(low) * (1 - t) + np.asarray(high) * t


PLAIN = {
    "white": np.array([255, 255, 255]),
    "grey": np.array([128, 128, 128]),
    "gradient": ramp((90, 120, 160), (190, 200, 210)),
    "grain": np.random.default_rng(1).normal((200, 190, 170), 4, (96, 96, 3)),
}


class TestBackgrounds:
    @pytest.mark.parametrize("name", PLAIN)
    def test_a_plain_background_goes_and_the_object_stays(self, name):
        picture, mug, hole = scene(PLAIN[name])
        cut_out = BackgroundRemover()(Image.fromarray(picture))
        assert cut_out.mode == "RGBA" and cut_out.size == (96, 96)
        alpha = np.asarray(cut_out)[..., 3]
        kept = alpha > 127
        assert (kept & mug).sum() / (kept | mug).sum() > 0.93
        assert alpha[0].max() == alpha[-1].max() == 0
        assert alpha[hole].mean() < 60
        assert ((alpha > 0) & (alpha < 255)).sum() > 30  # a soft edge
        assert np.array_equal(np.asarray(cut_out)[..., :3], picture)

    def test_a_highlight_in_another_colour_than_the_background_stays(self):
        picture, _, _ = scene(PLAIN["grey"])
        assert np.asarray(BackgroundRemover()(picture))[40, 34, 3] == 255

    def test_an_object_may_cross_the_border(self):
        picture, _, _ = scene(PLAIN["white"])
        picture[60:, 30:50] = (180, 40, 30)
        alpha = np.asarray(BackgroundRemover()(picture))[..., 3]
        assert alpha[-1, 35:45].min() == 255
        assert alpha[-1, :25].max() == 0

    def test_specks_go(self):
        picture, _, _ = scene(PLAIN["white"])
        picture[5:7, 5:7] = 0
        assert np.asarray(BackgroundRemover()(picture))[:12, :12, 3].max() == 0

    def test_a_large_picture_is_cut_out_like_a_small_one(self):
        picture, mug, _ = scene(PLAIN["white"])
        large = np.kron(picture, np.ones((25, 25, 1), np.uint8))
        alpha = np.asarray(BackgroundRemover()(large))[..., 3]
        assert alpha.shape == (2400, 2400)
        kept, want = alpha > 127, np.kron(mug, np.ones((25, 25), bool))
        assert (kept & want).sum() / (kept | want).sum() > 0.93

    def test_transparency_that_is_there_already_is_kept(self):
        picture, mug, _ = scene(np.random.default_rng(0).integers(0, 256, (96, 96, 3)))
        pixels = np.dstack([picture, np.where(mug, 255, 0).astype(np.uint8)])
        assert np.array_equal(np.asarray(BackgroundRemover()(pixels)), pixels)

    def test_an_opaque_alpha_channel_does_not_count_as_a_cut_out(self):
        picture, mug, _ = scene(PLAIN["white"])
        alpha = np.asarray(BackgroundRemover()(opaque(picture)))[..., 3]
        assert (alpha > 127).mean() == pytest.approx(mug.mean(), rel=0.1)

    @pytest.mark.parametrize("colour", [0, 77, 255])
    def test_nothing_left_of_an_empty_picture(self, colour):
        with pytest.raises(InvalidImageError, match="nothing is left"):
            BackgroundRemover()(np.full((64, 64, 3), colour, np.uint8))

    def test_nothing_left_of_a_transparent_picture(self):
        with pytest.raises(InvalidImageError, match="transparent nearly everywhere"):
            BackgroundRemover()(np.zeros((64, 64, 4), np.uint8))

    def test_a_busy_background_without_the_library(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "rembg", None)
        busy = np.random.default_rng(0).integers(0, 256, (96, 96, 3))
        picture, _, _ = scene(busy)
        assert plain_background_alpha(picture, 20.0) is None
        with pytest.raises(
            InvalidImageError, match=r"not plain; cut out the object .* rembg and onnxruntime"
        ):
            BackgroundRemover()(picture)

    def test_the_library_is_not_used_without_its_model(self, monkeypatch, tmp_path):
        pytest.importorskip("rembg", reason="the rembg library is not installed")
        monkeypatch.setenv("U2NET_HOME", str(tmp_path))
        busy = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
        with pytest.raises(InvalidImageError, match="download its model u2net"):
            BackgroundRemover()(busy)
        assert list(tmp_path.iterdir()) == []
