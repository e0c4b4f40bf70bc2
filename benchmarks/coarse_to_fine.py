# SPDX-License-Identifier: Apache-2.0
"""How exactly coarse-to-fine decoding gives the dense field's surface, and how much less it asks.

    python -m benchmarks.coarse_to_fine [--count 36] [--resolution 128] [--json FILE]

Two groups of fields. `held-out`: shapes that the small model was not trained on, two of each of its
18 kinds, encoded and decoded by its autoencoder; tables and chairs have thin legs. `made`: exact
distance fields of what is easily missed: thin legs, nested shells, parts far apart, a thin plate, a
hair. Of every field it is counted in how many of the cells that the dense surface passes the
coarse-to-fine grid gives other signs or leaves a corner unknown, or that it passes alone.
"""

import argparse
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
from hy3dgen.shapegen.models.autoencoders import CoarseToFineVolumeDecoder, VanillaVolumeDecoder
from hy3dgen.shapegen.models.autoencoders.attention_blocks import KeysValues
from hy3dgen.worker.model_cache import bundled_folder
from training.architecture import SURFACE_POINTS
from training.programs.batch import ProgramBatch
from training.programs.programs import FAMILIES, make_programs
from training.programs.sampling import surface_points

from .machine import processor_name

BOUNDS, STEEPNESS = 1.01, 20.0  # distances of 0.05 and more are saturated, as in training


class MadeField:
    """A geometry decoder whose field is a distance, positive inside, saturated at +-1."""

    def __init__(self, distance: Callable[[Tensor], Tensor]) -> None:
        self.distance = distance

    def project(self, latents: Tensor) -> KeysValues:
        return KeysValues(latents, latents)

    def query(self, projected: KeysValues, queries: Tensor) -> Tensor:
        return (-STEEPNESS * self.distance(queries)).clamp(-1, 1)[..., None]


def box(points: Tensor, centre: Any, half: Any) -> Tensor:
    offset = (points - points.new_tensor(centre)).abs() - points.new_tensor(half)
    return offset.clamp_min(0).norm(dim=-1) + offset.amax(dim=-1).clamp_max(0)


def ball(points: Tensor, centre: Any, radius: float) -> Tensor:
    return (points - points.new_tensor(centre)).norm(dim=-1) - radius


def thin_legs(points: Tensor, width: float = 0.012) -> Tensor:
    """A table top on four legs that are 1.5 cells of a grid of 128 wide."""
    legs = [
        box(points, (x, -0.2, z), (width, 0.6, width)) for x in (-0.7, 0.61) for z in (-0.5, 0.53)
    ]
    return torch.stack([box(points, (0, 0.45, 0), (0.8, 0.05, 0.6)), *legs]).amin(dim=0)


def nested_shells(points: Tensor) -> Tensor:
    """Three hollow balls, one in the other, walls of three cells."""
    distance = points.norm(dim=-1)
    return torch.stack([(distance - r).abs() - 0.024 for r in (0.3, 0.55, 0.85)]).amin(dim=0)


def far_apart(points: Tensor) -> Tensor:
    """A large part and small ones in the corners."""
    corners = [
        ball(points, (0.9 * x, 0.9 * y, 0.9 * z), 0.03)
        for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)
    ]  # fmt: skip
    return torch.stack([ball(points, (0, 0, 0), 0.4), *corners]).amin(dim=0)


def thin_plate(points: Tensor) -> Tensor:
    return box(points, (0, 0.003, 0), (0.8, 0.009, 0.8))


def hair(points: Tensor) -> Tensor:
    """A slanted wire of two cells beside a ball."""
    start, direction = points.new_tensor((-0.8, -0.7, -0.6)), points.new_tensor((1.6, 1.3, 1.4))
    along = (((points - start) @ direction) / direction.square().sum()).clamp(0, 1)
    wire = (points - start - along[..., None] * direction).norm(dim=-1) - 0.016
    return torch.minimum(wire, ball(points, (0.5, -0.5, 0), 0.3))


MADE = {f.__name__: f for f in (thin_legs, nested_shells, far_apart, thin_plate, hair)}


def crossed(grid: Tensor) -> tuple[Tensor, Tensor]:
    """Cells with both signs and no unknown corner, and the signs of their corners as a number."""
    side = grid.shape[0] - 1
    signs = torch.zeros(side, side, side, dtype=torch.int32)
    known = torch.ones(side, side, side, dtype=torch.bool)
    for corner in range(8):
        x, y, z = corner & 1, corner >> 1 & 1, corner >> 2 & 1
        part = grid[x : x + side, y : y + side, z : z + side]
        known &= torch.isfinite(part)
        signs |= (part > 0).int() << corner
    return known & (signs != 0) & (signs != 255), signs


def compare(geo_decoder: Any, tokens: Tensor, resolution: int) -> dict[str, Any]:
    asked = [0]

    def count(done: int, _total: int) -> None:
        asked[0] = done

    options = dict(bounds=BOUNDS, octree_resolution=resolution, progress=count, num_chunks=8000)
    dense = VanillaVolumeDecoder()(tokens, geo_decoder, **options)[0]
    all_points = asked[0]
    sparse = CoarseToFineVolumeDecoder()(tokens, geo_decoder, **options)[0]
    (want, want_signs), (got, got_signs) = crossed(dense), crossed(sparse)
    wrong = int((want & (~got | (want_signs != got_signs))).sum()) + int((got & ~want).sum())
    both = torch.isfinite(sparse)
    return {
        "cells": int(want.sum()),
        "wrong_cells": wrong,
        "asked_share": round(asked[0] / all_points, 4),
        "largest_difference": float((dense - sparse)[both].abs().max()),
    }


def held_out_tokens(vae: Any, seed: int, count: int) -> tuple[list[str], Tensor]:
    """Kinds and decoded latents of shapes, one kind after the other."""
    kinds = [FAMILIES[number % len(FAMILIES)] for number in range(count)]
    batch = ProgramBatch.from_programs(make_programs(seed, range(count), kinds))
    generator = torch.Generator().manual_seed(seed)
    points, normals = surface_points(batch, SURFACE_POINTS, generator)
    surface = torch.cat([points, normals], dim=-1)
    tokens = vae.decode(vae.encode(surface, sample_posterior=False, generator=generator))
    return kinds, tokens


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    cells = sum(row["cells"] for row in rows)
    return {
        "fields": len(rows),
        "cells": cells,
        "wrong_per_thousand_cells": round(1000 * sum(r["wrong_cells"] for r in rows) / cells, 4),
        "worst_per_thousand_cells": round(
            max(1000 * row["wrong_cells"] / row["cells"] for row in rows), 4
        ),
        "asked_share": round(float(np.mean([row["asked_share"] for row in rows])), 4),
        "largest_difference": max(row["largest_difference"] for row in rows),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=36, help="of held-out shapes")
    parser.add_argument("--seed", type=int, default=7, help="any but the training seed")
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with torch.inference_mode():
        for name, distance in MADE.items():
            found = compare(MadeField(distance), torch.zeros(1, 1, 1), options.resolution)
            rows.append({"group": "made", "name": name, **found})
            print(json.dumps(rows[-1]), flush=True)
        vae = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
            bundled_folder(), subfolder=None, device="cpu"
        ).vae
        kinds, tokens = held_out_tokens(vae, options.seed, options.count)
        for kind, row in zip(kinds, tokens.split(1), strict=True):
            found = compare(vae.geo_decoder, row, options.resolution)
            rows.append({"group": "held-out", "name": kind, **found})
            print(json.dumps(rows[-1]), flush=True)
    groups = {
        group: summary([row for row in rows if row["group"] == group])
        for group in ("held-out", "made")
    }
    result = {
        "device": processor_name(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "octree_resolution": options.resolution,
        "seed": options.seed,
        **groups,
        "fields": rows,
    }
    print(json.dumps(groups, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
