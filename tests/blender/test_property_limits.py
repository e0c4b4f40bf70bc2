# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators with every property at its limits: they finish, or refuse in one sentence."""

import math

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from scenes import add_sphere, fingerprint, save_picture, select  # noqa: E402

pytestmark = pytest.mark.usefixtures("nothing_left")

TEXTS = ("x" * 3000, "/" * 1000, "ü" * 300 + ".png", "//", "..", "\t\n", "%s{0}", "C:\\con", "😀")
SMALL = {"num_inference_steps": 1, "octree_resolution": 16, "face_count": 100}
SLOW_AT_THE_TOP = {"num_inference_steps", "octree_resolution", "batch_count", "texture_size"}


def limits(operator) -> list[tuple[str, object]]:
    """Each property that is shown with each of its limits."""
    found = []
    for prop in operator.get_rna_type().properties:
        if prop.is_readonly or prop.is_hidden:
            continue
        if prop.type in ("INT", "FLOAT"):
            values = [prop.hard_min, prop.hard_max]
            if prop.type == "FLOAT":
                values.append(math.nan)
        elif prop.type == "STRING":
            values = list(TEXTS)
        elif prop.type == "ENUM":
            values = [item.identifier for item in prop.enum_items]
        elif prop.type == "BOOLEAN":
            values = [False, True]
        else:
            continue
        found += [(prop.identifier, value) for value in values]
    return found


def finishes_or_refuses(operator, settings: dict) -> bool:
    """Whether it finished. A refusal is one sentence and changes nothing."""
    before = fingerprint()
    try:
        return operator(**settings) == {"FINISHED"}
    except RuntimeError as error:
        message = str(error).strip()
        assert 10 < len(message) < 4000, settings
        assert "Traceback" not in message, settings
        assert fingerprint() == before, settings
        return False


def test_reduce_faces(scene):
    operator = bpy.ops.hunyuan3d.reduce_faces
    tried = limits(operator)
    assert {"face_count", "method"} <= {name for name, _ in tried}
    for name, value in tried:
        bpy.ops.object.select_all(action="SELECT")
        bpy.ops.object.delete()
        select(add_sphere(subdivisions=3))
        finishes_or_refuses(operator, {"face_count": 100, name: value})


@pytest.fixture
def picture(tmp_path):
    pixels = np.zeros((48, 48, 4))
    pixels[8:40, 12:36] = (0.8, 0.3, 0.1, 1)
    return str(save_picture(tmp_path / "box.png", pixels))


def test_generate(scene, tmp_path, picture):
    operator = bpy.ops.hunyuan3d.generate
    tried = limits(operator)
    assert {"filepath", "seed", "guidance_scale"} <= {name for name, _ in tried}
    done = 0
    for name, value in tried:
        path = picture
        if name in SLOW_AT_THE_TOP and value != 0 and not value < 2:
            path = str(tmp_path / "missing.png")  # what is tried is the setting, not the patience
        done += finishes_or_refuses(operator, {**SMALL, "filepath": path, name: value})
    assert done > 3


@pytest.mark.slow
def test_the_largest_texture(scene, picture):
    operator = bpy.ops.hunyuan3d.generate
    most = operator.get_rna_type().properties["texture_size"].hard_max
    assert finishes_or_refuses(operator, {**SMALL, "filepath": picture, "texture_size": most})
