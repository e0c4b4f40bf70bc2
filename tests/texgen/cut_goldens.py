# SPDX-License-Identifier: Apache-2.0
"""Copies the recordings of the texture pipeline into the tree, without what weighs much and says
little: `python tests/texgen/cut_goldens.py FOLDER` with the folder of the full set.

Nothing is changed or rounded. Left out are tensors that match a pattern below; those that remain
are stored compressed (`.npz`). A test that finds a tensor missing skips that part.
"""

import gzip
import re
import shutil
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

HERE = Path(__file__).parents[1] / "goldens" / "texgen"
# Group -> names left out.
LEFT_OUT = {
    "camera": r"$^",
    "raster": r"mesh_[123]\.",
    "render": r"view[1235]\.|view.\.normal_abs_u8",
    "bake": r"view[1345]\.|merged",
    "inpaint": r".*cpp\.|texture_inpaint|save_mesh|sparse\.python\.mask$^",
    "images": r"$^",
    "endtoend_stub": r"$^",
    "xatlas": r"$^",
    "position_masks": r"$^",
    "schedulers": r"$^",
    "v21_rope": r"$^",
    "v21_bake": r"view[123]\.",
    # Of the networks one block and one autoencoder.
    "unet": r"(?!block\.|sd\..*down_blocks\.0\.attentions\.0\.transformer_blocks\.0\.)",
    "pipeline": r"(?!vae\.|ref_u8|base\.ref_latents)",
}


def main(folder: Path) -> None:
    HERE.mkdir(parents=True, exist_ok=True)
    for group, pattern in LEFT_OUT.items():
        shutil.copyfile(folder / f"{group}.json", HERE / f"{group}.json")
        tensors = load_file(folder / f"{group}.safetensors")
        kept = {name: value for name, value in tensors.items() if not re.match(pattern, name)}
        np.savez_compressed(HERE / f"{group}.npz", **kept)
    layout = (folder / "unet_state_dict_layout.json").read_bytes()
    with open(HERE / "unet_state_dict_layout.json.gz", "wb") as file:
        file.write(gzip.compress(layout, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
