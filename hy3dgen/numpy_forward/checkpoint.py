# SPDX-License-Identifier: Apache-2.0
"""Reads a model folder, `config.json` and a safetensors file, into float32 arrays."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError, CheckpointMismatchError, CheckpointNotFoundError
from ..mapped_weights import read_header

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.fp16.safetensors"
_DTYPES = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}
Weights = Mapping[str, np.ndarray]


def read_config(folder: Path) -> dict[str, Any]:
    """The twin of `config.yaml`, which needs no YAML reader."""
    path = folder / CONFIG_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointNotFoundError(
            f"there is no {path}; install the extension again."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not readable ({error}); copy it again.") from error
    if not isinstance(config, dict):
        raise CheckpointMismatchError(f"{path} holds no sections; copy it again.")
    return config


def read_safetensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Every tensor of a file as float32; the header is checked before anything is believed."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointNotFoundError(f"there is no weight file at {path}; check the path.")
    header, start = read_header(path)
    data = path.read_bytes()
    tensors = {}
    for name, entry in header.items():
        dtype = _DTYPES.get(str(entry.get("dtype")))
        if dtype is None:
            raise CheckpointMismatchError(
                f"{path} stores {name} as {entry.get('dtype')}, but {' or '.join(_DTYPES)} is "
                "wanted; use the file that came with this extension."
            )
        shape, (begin, end) = entry.get("shape"), entry["data_offsets"]
        sound = (
            isinstance(shape, list)
            and all(isinstance(number, int) and number >= 0 for number in (*shape, begin, end))
            and end - begin == math.prod(shape) * dtype.itemsize
        )
        if not sound:
            raise CheckpointError(f"{path} has a damaged header at {name}; copy it again.")
        values = np.frombuffer(data, dtype, math.prod(shape), start + begin)
        tensors[name] = values.reshape(shape).astype(np.float32)
    return tensors


def part(weights: Weights, prefix: str) -> dict[str, np.ndarray]:
    """The weights below `prefix.`, by the rest of their names."""
    prefix += "."
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }
