# SPDX-License-Identifier: Apache-2.0
"""Copies the recordings of the texture pipeline into the tree, without what weighs much and says
little: `python tests/texgen/cut_goldens.py FOLDER` with the folder of the full set.

Nothing is changed or rounded. Left out are tensors that match a pattern below; those that remain
are stored packed (`.npz`). A test that finds a tensor missing skips that part.
"""

import gzip
import io
import re
import shutil
import sys
import zipfile
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
        _save(HERE / f"{group}.npz", kept)
    layout = (folder / "unet_state_dict_layout.json").read_bytes()
    with open(HERE / "unet_state_dict_layout.json.gz", "wb") as file:
        file.write(gzip.compress(layout, mtime=0))


def _save(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """As `np.savez_compressed` does, but packed more tightly; `np.load` reads both."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, tensor in tensors.items():
            with io.BytesIO() as file:
                np.save(file, tensor)
                # A fixed date, so that the same recordings give the same file.
                entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
                archive.writestr(entry, file.getvalue(), zipfile.ZIP_LZMA)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
