# SPDX-License-Identifier: Apache-2.0
"""The sheet of held-out pictures: its layout, its refusals, and that both halves share a camera."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.measure import marching_cubes

from training.contact_sheet import (
    CARD,
    COLUMNS,
    GAP,
    PADDING,
    THUMBNAIL,
    WHITE,
    Made,
    Pair,
    common_frame,
    compose,
    draw_in_blender,
    main,
)
from training.evaluate import PICTURE_SIZE, held_out_pictures
from training.metrics import BOUND
from training.pool import TRAINING_SEED
from training.programs import sdf
from training.programs.batch import ProgramBatch

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("bin/python", "Scripts/python.exe")
BLENDERS = sorted(path for name in PYTHONS for path in ROOT.glob(f".venv-bpy-*/{name}"))
LOPSIDED = ["mug", "plane"]


def spot(colour: tuple[int, int, int], box: tuple[int, int, int, int], side: int = 64):
    """A transparent picture with one opaque rectangle."""
    picture = Image.new("RGBA", (side, side))
    picture.paste((*colour, 255), box)
    return picture


def test_frame_holds_what_either_picture_shows():
    left, top, right, bottom = common_frame(
        spot((1, 2, 3), (20, 10, 30, 20)), spot((1, 2, 3), (40, 10, 50, 12))
    )
    assert [right - left, bottom - top] == pytest.approx([30 * 1.06] * 2)
    assert left < 20 < 50 < right
    assert top == 0  # centred on the rows it would begin above the picture


def test_frame_stays_inside_the_picture():
    assert common_frame(spot((0, 0, 0), (0, 0, 64, 64))) == (0, 0, 64, 64)


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (6, 6, 1), (7, 6, 2)])
def test_sheet_has_the_picture_left_and_the_result_right(count, columns, rows):
    assert COLUMNS == 6
    red, blue = spot((255, 0, 0), (8, 8, 56, 56)), spot((0, 0, 255), (8, 8, 56, 56))
    sheet = compose([Pair("mug", red, blue, 0.5)] * count)
    assert sheet.size == (columns * (CARD[0] + GAP) + GAP, rows * (CARD[1] + GAP) + GAP)
    assert sheet.width <= 1800
    x = GAP + PADDING + THUMBNAIL // 2
    y = GAP + PADDING + THUMBNAIL // 2 + (rows - 1) * (CARD[1] + GAP)
    assert sheet.getpixel((x, y)) == (255, 0, 0)
    assert sheet.getpixel((x + THUMBNAIL, y)) == (0, 0, 255)
    assert sheet.getpixel((0, 0)) == WHITE


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seed", str(TRAINING_SEED)], "used in training"),
        (["--count", "0"], "at least one"),
        (["--blender-python", "no-such-python"], "no-such-python is no program"),
    ],
)
def test_bad_arguments_are_refused(arguments, said, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--blender-python", "python", "--out", str(tmp_path / "sheet.png"), *arguments])
    assert said in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.blender
@pytest.mark.skipif(not BLENDERS, reason="needs a Python with the bpy wheel; build.py makes one")
def test_blender_draws_from_the_pictures_camera():
    """A program's own surface in Blender covers the pixels that its picture covers."""
    seed, resolution = 3, 96
    programs = ProgramBatch.make(seed, range(len(LOPSIDED)), LOPSIDED)
    made = []
    for field in sdf.grid(programs, resolution).numpy():
        vertices, faces, _, _ = marching_cubes(-field, 0.0)
        vertices = vertices * (2 * BOUND / (resolution - 1)) - BOUND
        made.append(Made(vertices.astype(np.float32), faces[:, ::-1].astype(np.int32), 1.0))
    try:
        results = draw_in_blender(made, programs, seed, BLENDERS[-1])
    except SystemExit as error:
        # Without OpenGL Blender complains of EGL and dies; an error of ours leaves a traceback.
        if "EGL" in str(error) and "Traceback" not in str(error):
            pytest.skip("this machine has no OpenGL")
        raise
    pictures = held_out_pictures(programs, seed)
    for picture, result in zip(pictures, results, strict=True):
        assert picture.size == result.size == (PICTURE_SIZE, PICTURE_SIZE)
        wanted, found = (np.asarray(image)[..., 3] > 127 for image in (picture, result))
        # A grid cell is 3 pixels wide, and marching cubes rounds edges off by a part of one.
        overlap = (wanted & found).sum() / (wanted | found).sum()
        assert overlap > 0.96
        assert overlap > (wanted[:, ::-1] & found).sum() / (wanted[:, ::-1] | found).sum()
