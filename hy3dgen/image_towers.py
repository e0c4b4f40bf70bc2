# SPDX-License-Identifier: Apache-2.0
"""Image towers that a config names instead of describing: `facebook/dinov2-large` and the like.

They are looked for on this machine only. A model's config must not be able to start a download.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CheckpointError, CheckpointNotFoundError
from .weights import read_weights

if TYPE_CHECKING:
    from torch import Tensor

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_PICTURE_HALF = ("vision_model.", "visual_projection.")  # of CLIP, whose other half reads text
_NO_WEIGHTS = ".position_ids"  # numbers that old files hold


def read_tower(version: str) -> "tuple[dict[str, Any], dict[str, Tensor]]":
    """The config and the weights of the picture tower called `version`.

    Looked for, in this order: the folder itself; the folder below `$HY3DGEN_MODELS` (or
    `~/.cache/hy3dgen`); the hub's cache.

    Raises
    ------
    CheckpointError
        It is not there, or cannot be read.
    """
    folder = _find(version)
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        whole = dict(config)
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{folder / _CONFIG} cannot be read ({error}); copy it again."
        ) from error
    config = {**whole, **whole.get("vision_config", {})}
    if "projection_dim" in whole:
        config["projection_dim"] = whole["projection_dim"]
    weights = read_weights(folder / _WEIGHTS)
    if any(name.startswith(_PICTURE_HALF) for name in weights):
        weights = {
            name: value
            for name, value in weights.items()
            if name.startswith(_PICTURE_HALF) and not name.endswith(_NO_WEIGHTS)
        }
    return config, weights


def _find(version: str) -> Path:
    path = Path(os.path.expanduser(version))
    kept = Path(os.path.expanduser(os.environ.get("HY3DGEN_MODELS") or "~/.cache/hy3dgen"))
    for folder in (path, kept / path):
        if (folder / _CONFIG).is_file():
            return folder
    missing = CheckpointNotFoundError(
        f"the image encoder {version} is not on this machine; get it first, for instance with "
        f"`hf download {version} {_CONFIG} {_WEIGHTS}`, or write its config into config.yaml, as "
        "published models do."
    )
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import LocalEntryNotFoundError
    except ImportError:
        raise missing from None
    try:
        folder = Path(snapshot_download(version, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        raise missing from None
    if not (folder / _CONFIG).is_file():
        raise missing
    return folder
