# SPDX-License-Identifier: Apache-2.0
"""What multi-view models take: dicts of views, a picture alone, tensors; one or several objects."""

import pytest
import torch
from golden import FOLDER, Case
from golden_models import resolve
from PIL import Image

from hy3dgen.errors import InvalidImageError

NAME = "e2e_mv_cfg"
PICTURE = FOLDER / "images" / "e2e_flow_cfg_0.png"
FAST = dict(num_inference_steps=2, octree_resolution=12, output_type="latent")


@pytest.fixture(scope="module")
def pipeline():
    case = Case(NAME)
    return resolve(case.spec["cls"]).from_pretrained(
        case.checkpoint.parent, device="cpu", variant=None, subfolder=case.checkpoint.name
    )


def run(pipeline, image):
    return pipeline(image, generator=torch.Generator().manual_seed(0), **FAST)


def test_one_to_four_views_of_any_form(pipeline):
    views = {"right": PICTURE, "front": str(PICTURE), "back": Image.open(PICTURE)}
    assert pipeline.prepare_image(views)["view_idxs"] == [(0, 2, 3)]
    for count in (1, 2, 3):
        assert run(pipeline, dict(list(views.items())[:count])).isfinite().all()
    other = dict(reversed(views.items()))
    assert torch.equal(run(pipeline, views), run(pipeline, other))


def test_a_picture_alone_is_seen_from_in_front(pipeline):
    assert torch.equal(run(pipeline, PICTURE), run(pipeline, {"front": PICTURE}))


def test_several_objects_at_once(pipeline):
    views = {"front": PICTURE, "left": PICTURE}
    assert len(run(pipeline, [views, views])) == 2
    with pytest.raises(InvalidImageError, match="have 1 and 2 views"):
        run(pipeline, [views, {"front": PICTURE}])


def test_prepared_tensors(pipeline):
    views = {"front": PICTURE, "left": PICTURE}
    pixels = pipeline.prepare_image(views)["image"]
    assert torch.equal(run(pipeline, pixels), run(pipeline, views))
    with pytest.raises(InvalidImageError, match=r"but \(B, V, 3, H, W\)"):
        run(pipeline, pixels[0])
