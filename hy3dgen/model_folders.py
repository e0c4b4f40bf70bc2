# SPDX-License-Identifier: Apache-2.0
"""Finds a texture model: a folder of folders in the layout of diffusers, here or on the hub.

Knows names of files only, nothing of what is in them.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from .errors import CheckpointNotFoundError, MissingDependencyError

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# Of a component: the best first. Only weights; no Python file is ever read.
_WEIGHTS = (
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.safetensors",
    "model.fp16.safetensors",
    "model.safetensors",
    "diffusion_pytorch_model.bin",
    "pytorch_model.bin",
)


def locate_folders(
    model_path: str | os.PathLike[str],
    subfolders: Sequence[str],
    *,
    local_files_only: bool = False,
    skip: Sequence[str] = (),
) -> list[Path]:
    """Where each of the `subfolders` of a model is.

    Looked for, in this order: the folder itself; the folder below `$HY3DGEN_MODELS` (or
    `~/.cache/hy3dgen`); a repository on the Hugging Face hub, of which only these subfolders are
    fetched, without what matches `skip`, and not at all with `local_files_only`.

    Raises
    ------
    CheckpointNotFoundError
        The message lists where it was looked for.
    """
    path = Path(os.path.expanduser(os.fspath(model_path)))
    cache = Path(os.path.expanduser(os.environ.get("HY3DGEN_MODELS") or "~/.cache/hy3dgen"))
    roots = [path] if path.is_absolute() else [path.absolute(), cache / path]
    for root in roots:
        folders = [root / name for name in subfolders]
        if all(folder.is_dir() for folder in folders):
            return folders
    wanted = " or ".join(str(root) for root in roots)
    missing = f"there are no folders {' and '.join(subfolders)} in {wanted}"
    if path.is_absolute() or path.is_dir() or not _REPOSITORY.fullmatch(os.fspath(model_path)):
        raise CheckpointNotFoundError(f"{missing}; choose the folder that holds them")
    root = _from_hub(os.fspath(model_path), subfolders, skip, local_files_only, missing)
    return [root / name for name in subfolders]


def _from_hub(
    repository: str,
    subfolders: Sequence[str],
    skip: Sequence[str],
    local_files_only: bool,
    missing: str,
) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingDependencyError(
            f"{missing}, and huggingface_hub, which would download them, is not installed; install "
            "it with pip, or give a local folder"
        ) from error
    try:
        root = Path(
            snapshot_download(
                repository,
                allow_patterns=[f"{name}/*" for name in subfolders],
                ignore_patterns=list(skip),
                local_files_only=local_files_only,
            )
        )
    except LocalEntryNotFoundError as error:
        reason = "downloads were not allowed" if local_files_only else "the hub is out of reach"
        raise CheckpointNotFoundError(
            f"{missing}, and {reason}; download the model, or give a local folder"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise CheckpointNotFoundError(
            f"{missing}, and the download failed ({error}); check the name and the connection"
        ) from error
    absent = [name for name in subfolders if not (root / name).is_dir()]
    if absent:
        raise CheckpointNotFoundError(
            f"the repository {repository} has no folder {absent[0]}; check the name"
        )
    return root


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a component, safetensors first.

    Raises
    ------
    CheckpointNotFoundError
        There is none.
    """
    found = [folder / name for name in _WEIGHTS if (folder / name).is_file()]
    if not found:
        raise CheckpointNotFoundError(
            f"{folder} holds no weights; wanted is {_WEIGHTS[1]} or {_WEIGHTS[3]}, so copy one "
            "there"
        )
    return found
