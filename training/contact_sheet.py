# SPDX-License-Identifier: Apache-2.0
"""Pictures that the bundled model has never seen, each beside the mesh made from it.

::

    python -m training.contact_sheet --seed 7 --count 18 --blender-python PYTHON --out FILE.png

One shape of each family in turn, first come first shown: nothing is picked by its score. The mesh
is what the pipeline that users call returns, drawn by Blender from the picture's own camera, and
the number is its volume IoU with the true shape. PYTHON is one that has the bpy wheel.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from hy3dgen.shapegen.mesh_export import export_to_arrays
from hy3dgen.shapegen.pipelines import Hunyuan3DDiTFlowMatchingPipeline
from hy3dgen.worker.model_cache import Defaults, choose_model

from .architecture import select_device
from .evaluate import BUNDLED, PICTURE_SIZE, RESOLUTION, held_out_pictures
from .metrics import decoded_solid, iou, true_solid
from .pool import TRAINING_SEED
from .programs.batch import ProgramBatch
from .programs.programs import FAMILIES
from .programs.render import random_cameras

BLENDER_SCRIPT = Path(__file__).with_name("render_in_blender.py")

# The sheet, in pixels.
COLUMNS = 6
THUMBNAIL = 134
PADDING = 8  # inside a card
GAP = 12  # between cards, and around them all
CAPTION = 36
CARD = (2 * THUMBNAIL + 2 * PADDING, THUMBNAIL + PADDING + CAPTION)
MARGIN = 0.06  # around a shape, as a part of its size
SCALE = 4  # rounded corners are drawn larger and reduced

WHITE, CARD_COLOUR = (255, 255, 255), (244, 245, 247)
TEXT, FAINT = (45, 50, 58), (120, 127, 138)


@dataclass(frozen=True)
class Pair:
    """A held-out picture, and what the model made of it."""

    family: str
    picture: Image.Image  # RGBA
    result: Image.Image  # RGBA, from the same camera
    iou: float


@dataclass(frozen=True)
class Made:
    """V vertices and F faces, y up, and their volume IoU with the program."""

    vertices: np.ndarray
    faces: np.ndarray
    iou: float


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=7, help="any but the training seed")
    parser.add_argument("--count", type=int, default=len(FAMILIES))
    parser.add_argument("--blender-python", type=Path, required=True, help="one that has bpy")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device")
    options = parser.parse_args(arguments)
    if options.seed == TRAINING_SEED:
        parser.error(f"seed {TRAINING_SEED} was used in training; take any other")
    if options.count < 1:
        parser.error(f"--count is {options.count}; ask for at least one shape")
    if shutil.which(options.blender_python) is None:
        parser.error(
            f"{options.blender_python} is no program; give a Python that has the bpy wheel"
        )
    if not options.out.parent.is_dir():
        parser.error(f"the folder {options.out.parent} does not exist; make it first")
    device = select_device(options.device)
    pipeline = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
        str(BUNDLED), subfolder=None, device=device, dtype=torch.float32
    )
    pairs = make_pairs(pipeline, options.seed, options.count, options.blender_python)
    compose(pairs).save(options.out, optimize=True)
    mean = np.mean([pair.iou for pair in pairs])
    print(f"{options.out}: {len(pairs)} shapes, mean IoU {mean:.3f}")


def make_pairs(
    pipeline: Hunyuan3DDiTFlowMatchingPipeline, seed: int, count: int, blender_python: Path
) -> list[Pair]:
    """The first `count` programs of a seed, the families taking turns."""
    families = [FAMILIES[number % len(FAMILIES)] for number in range(count)]
    programs = ProgramBatch.make(seed, range(count), families, pipeline.device)
    pictures = held_out_pictures(programs, seed)
    defaults = choose_model(str(BUNDLED), None).defaults
    made = [
        make_shape(pipeline, programs[slice(i, i + 1)], pictures[i], seed + i, defaults)
        for i in range(count)
    ]
    results = draw_in_blender(made, programs, seed, blender_python)
    return [
        Pair(family, picture, result, shape.iou)
        for family, picture, result, shape in zip(families, pictures, results, made, strict=True)
    ]


@torch.inference_mode()
def make_shape(
    pipeline: Hunyuan3DDiTFlowMatchingPipeline,
    program: ProgramBatch,
    picture: Image.Image,
    seed: int,
    defaults: Defaults,
) -> Made:
    """One shape at the model's own settings; its score as `training.evaluate` takes it."""
    latents = []
    [mesh] = pipeline(
        image=picture,
        num_inference_steps=defaults.num_inference_steps,
        guidance_scale=defaults.guidance_scale,
        octree_resolution=defaults.octree_resolution,
        generator=torch.Generator("cpu").manual_seed(seed),
        output_type="mesh",
        callback=lambda step, timestep, outputs: latents.append(outputs.prev_sample),
    )
    tokens = pipeline.vae.decode(latents[-1] / pipeline.vae.scale_factor)
    solid = decoded_solid(pipeline.vae, tokens, RESOLUTION)
    score = float(iou(solid, true_solid(program, RESOLUTION)))
    return Made(*export_to_arrays(mesh), score)


def draw_in_blender(
    made: Sequence[Made], programs: ProgramBatch, seed: int, blender_python: Path
) -> list[Image.Image]:
    """RGBA pictures of the meshes from the cameras of the programs' own pictures."""
    cameras = random_cameras(seed, range(len(made)), programs).to("cpu")
    with tempfile.TemporaryDirectory(prefix="contact-sheet-") as folder:
        files = [Path(folder, f"{number:05d}.npz") for number in range(len(made))]
        for number, (path, shape) in enumerate(zip(files, made, strict=True)):
            np.savez(
                path,
                vertices=shape.vertices,
                faces=shape.faces,
                origin=cameras.origins[number].numpy(),
                rotation=cameras.rotations[number].numpy(),
                tangent=cameras.tangents[number].numpy(),
            )
        # Isolated, so that no module of this folder hides one that Blender imports.
        command = [str(blender_python), "-I", str(BLENDER_SCRIPT), folder, str(PICTURE_SIZE)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**os.environ, "BLENDER_USER_RESOURCES": folder},
        )
        pictures = [path.with_suffix(".png") for path in files]
        if done.returncode or not all(path.is_file() for path in pictures):
            raise SystemExit(
                f"Blender did not draw the meshes; does {blender_python} have the bpy wheel, and "
                f"OpenGL? It said:\n{(done.stdout + done.stderr)[-2000:]}"
            )
        return [Image.open(path).convert("RGBA") for path in pictures]


def compose(pairs: Sequence[Pair]) -> Image.Image:
    """The sheet, at most `COLUMNS` pairs wide."""
    columns = min(COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    width, height = (
        number * side + (number + 1) * GAP
        for number, side in zip((columns, rows), CARD, strict=True)
    )
    sheet = Image.new("RGB", (width, height), WHITE)
    for number, pair in enumerate(pairs):
        row, column = divmod(number, columns)
        place = (GAP + column * (CARD[0] + GAP), GAP + row * (CARD[1] + GAP))
        sheet.paste(draw_card(pair), place)
    return sheet


def draw_card(pair: Pair) -> Image.Image:
    large = Image.new("RGB", (CARD[0] * SCALE, CARD[1] * SCALE), WHITE)
    ImageDraw.Draw(large).rounded_rectangle(
        (0, 0, large.width - 1, large.height - 1), radius=10 * SCALE, fill=CARD_COLOUR
    )
    card = large.resize(CARD, Image.Resampling.LANCZOS)
    frame = common_frame(pair.picture, pair.result)
    for column, picture in enumerate((pair.picture, pair.result)):
        small = picture.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS, box=frame)
        card.paste(small, (PADDING + column * THUMBNAIL, PADDING), small)
    draw = ImageDraw.Draw(card)
    font = ImageFont.load_default(19)
    baseline = CARD[1] - 12
    draw.text((2 * PADDING, baseline), pair.family, TEXT, font, anchor="ls")
    draw.text((CARD[0] - 2 * PADDING, baseline), f"IoU {pair.iou:.2f}", FAINT, font, anchor="rs")
    return card


def common_frame(*pictures: Image.Image) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of the smallest square with all that the pictures show.

    The square keeps a margin and stays inside the pictures, which are square and of one size.
    """
    side = pictures[0].width
    alpha = np.max([np.asarray(picture)[..., 3] for picture in pictures], axis=0)
    rows, columns = (np.flatnonzero(alpha.any(axis=axis)) for axis in (1, 0))
    low = np.array([columns[0], rows[0]])
    high = np.array([columns[-1], rows[-1]]) + 1
    length = min(side, (high - low).max() * (1 + MARGIN))
    corner = np.clip((low + high - length) / 2, 0, side - length)
    return (*corner, *(corner + length))


if __name__ == "__main__":
    main()
