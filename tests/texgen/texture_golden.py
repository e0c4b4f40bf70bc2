# SPDX-License-Identifier: Apache-2.0
"""Reads recorded results of the texture pipeline: `NAME.json` and `NAME.npz` or `.safetensors`.

The tree holds a part of them, see `cut_goldens.py`. HY3DGEN_GOLDENS names folders, separated as in
PATH, that hold the full set or a subfolder `texgen` with it; then all of that is checked.
"""

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

_OWN = Path(__file__).parents[1] / "goldens" / "texgen"


class Golden:
    """One group: `golden["name"]` is a tensor, `golden.info["key"]` an entry of the JSON."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.info = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        if (folder / f"{name}.safetensors").is_file():
            self.tensors = load_file(folder / f"{name}.safetensors")
        else:
            with np.load(folder / f"{name}.npz") as file:
                self.tensors = dict(file)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.tensors[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def need(self, *names: str) -> None:
        """Skip the running test unless all these tensors are in this set."""
        missing = [name for name in names if name not in self.tensors]
        if missing:
            pytest.skip(f"{missing[0]} of {self.name} is not in the tree's part of the recordings")


@cache
def load(name: str) -> Golden:
    """The group from a folder of HY3DGEN_GOLDENS, else from the tree; skips if there is none."""
    given = filter(None, os.environ.get("HY3DGEN_GOLDENS", "").split(os.pathsep))
    for folder in [*(path for one in given for path in (Path(one, "texgen"), Path(one))), _OWN]:
        if (folder / f"{name}.json").is_file():
            return Golden(folder, name)
    pytest.skip(f"the recording {name} is not in the tree; name its folder in HY3DGEN_GOLDENS")


def share_off(got: np.ndarray, want: np.ndarray, tolerance: float) -> float:
    """Share of pixels (all but the last axis) where any channel is off by more than that."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape, f"shape {got.shape}, want {want.shape}"
    off = np.abs(got - want) > tolerance
    return float(off.reshape(-1, off.shape[-1]).any(axis=1).mean())
