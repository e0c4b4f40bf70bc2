# SPDX-License-Identifier: Apache-2.0
"""`python -m training.programs.contact_sheet --seed 7 --out sheet.png`: look at the families.

One row for each family, named at its left, several programs wide, as training pictures or (with
--studio) in one steady light on white.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from .batch import ProgramBatch
from .programs import FAMILIES
from .render import front_cameras, random_cameras, random_lights, render, studio_lights


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--families", nargs="*", default=FAMILIES, choices=FAMILIES)
    parser.add_argument("--studio", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = parser.parse_args(arguments)
    rows = [
        family_row(chosen.seed, name, chosen.columns, chosen.size, chosen.studio, chosen.device)
        for name in chosen.families
    ]
    sheet = np.concatenate(rows, axis=0)
    if not cv2.imwrite(str(chosen.out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        raise SystemExit(f"could not write {chosen.out}; does its folder exist?")
    print(f"{chosen.out}: {len(rows)} families, {chosen.columns} programs each")


def family_row(
    seed: int, name: str, columns: int, size: int, studio: bool, device: str
) -> np.ndarray:
    """(size, 80 + columns * size, 3) uint8: the name and programs of one family."""
    start = FAMILIES.index(name) * 1000
    indices = range(start, start + columns)
    batch = ProgramBatch.make(seed, indices, [name] * columns, device)
    if studio:
        cameras, lights = front_cameras(batch), studio_lights(columns, device)
    else:
        cameras = random_cameras(seed, indices, batch)
        lights = random_lights(seed, indices, device)
    rgba = render(batch, cameras, lights, size).cpu().numpy().astype(np.float32)
    alpha = rgba[..., 3:] / 255
    pictures = (rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    label = np.full((size, 80, 3), 255, np.uint8)
    cv2.putText(label, name, (4, size // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, 16)
    return np.concatenate([label, *pictures], axis=1)


if __name__ == "__main__":
    main()
