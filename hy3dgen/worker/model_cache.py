# SPDX-License-Identifier: Apache-2.0
"""Which model a request means, its default settings, and the one that stays loaded.

The file of default settings (`hy3dgen.model_defaults`) stands beside `config.yaml`, or above it to
name the subfolder.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hy3dgen.errors import CheckpointNotFoundError, MissingDependencyError
from hy3dgen.memory import keep_for_good
from hy3dgen.model_defaults import (
    BUNDLED,
    PUBLISHED,
    SETTINGS,
    STANDARD,
    Defaults,
    bundled_folder,
    read_defaults,
    usual_settings,
    with_file,
)

if TYPE_CHECKING:
    from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline

__all__ = ["CONFIG_FILE", "SETTINGS", "ModelCache", "ModelChoice", "bundled_folder", "choose_model"]

CONFIG_FILE = "config.yaml"


_PLAIN_SUBFOLDERS = {
    "Hunyuan3D-2": "hunyuan3d-dit-v2-0",
    "Hunyuan3D-2mini": "hunyuan3d-dit-v2-mini",
    "Hunyuan3D-2mv": "hunyuan3d-dit-v2-mv",
    "Hunyuan3D-2.1": "hunyuan3d-dit-v2-1",
}


@dataclass(frozen=True)
class ModelChoice:
    """A model as `from_pretrained` takes it, with its defaults."""

    path: str  # a folder or a repository's name
    subfolder: str | None  # None: the files lie in the folder itself
    defaults: Defaults


def choose_model(model: str | None, subfolder: str | None) -> ModelChoice:
    """What `model` (None or "tiny": the bundled one; a folder; a repository) means.

    Whether a repository exists is not asked here, loading it will tell.

    Raises
    ------
    CheckpointNotFoundError
        A folder has no model in it, or several.
    CheckpointMismatchError
        Its defaults cannot be used.
    """
    bundled = bundled_folder()
    if model is None or model == BUNDLED:
        if not (bundled / CONFIG_FILE).is_file():
            raise CheckpointNotFoundError(
                "this installation of hy3dgen lacks its bundled model; install it again, or choose "
                "a model folder"
            )
        return _choose_folder(bundled, subfolder)
    kept = os.environ.get("HY3DGEN_MODELS") or "~/.cache/hy3dgen"
    for folder in (Path(model), Path(kept, model)):
        folder = Path(os.path.expanduser(folder))
        if os.path.isdir(folder):
            return _choose_folder(folder.resolve(), subfolder)
    subfolder = subfolder or _PLAIN_SUBFOLDERS.get(model.rpartition("/")[2])
    return ModelChoice(model, subfolder, PUBLISHED.get(subfolder or "", STANDARD))


def _choose_folder(folder: Path, subfolder: str | None) -> ModelChoice:
    outer = read_defaults(folder)
    if not subfolder and not (folder / CONFIG_FILE).is_file():
        subfolder = outer.get("subfolder") or _find_subfolder(folder)
    defaults = with_file(usual_settings(folder / (subfolder or "")), folder)
    if subfolder:
        defaults = with_file(defaults, folder / subfolder)
    return ModelChoice(str(folder), subfolder or None, defaults)


def _find_subfolder(folder: Path) -> str:
    found = sorted(path.parent.name for path in folder.glob(f"*/{CONFIG_FILE}"))
    plain = [name for name in found if name in _PLAIN_SUBFOLDERS.values()]
    if len(plain or found) == 1:
        return (plain or found)[0]
    advice = f"choose the subfolder: {', '.join(found)}" if found else "choose another folder"
    raise CheckpointNotFoundError(f"the model folder '{folder}' has no {CONFIG_FILE}; {advice}")


class ModelCache:
    """Keeps the last pipeline loaded, as long as its files stay as they are."""

    def __init__(self) -> None:
        self._key: tuple | None = None
        self._pipeline: Hunyuan3DDiTFlowMatchingPipeline | None = None

    def get(
        self,
        choice: ModelChoice,
        download: bool,
        device: str | None = None,
        max_memory: float | None = None,
    ) -> "Hunyuan3DDiTFlowMatchingPipeline":
        """The pipeline of `choice`; by default on a GPU if there is one, in half precision.

        `download` allows to fetch a repository that is not on this machine, `max_memory` is the
        pipeline's limit for a CUDA GPU, in bytes.
        """
        try:
            from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
        except (ImportError, OSError) as error:  # OSError: a shared library of torch is missing
            raise MissingDependencyError(
                f"this Python cannot load what generation needs ({error}); "
                "install the libraries of requirements/worker.txt into it"
            ) from error
        keep_for_good()  # the libraries, not the model
        key = (choice.path, choice.subfolder, device, max_memory, _stamp(choice))
        if self._pipeline is None or key != self._key:
            # A model that cannot be found must not cost the one that is loaded.
            Hunyuan3DDiTFlowMatchingPipeline.locate_files(
                choice.path, choice.subfolder, local_files_only=not download
            )
            self._pipeline = self._key = None  # make room before loading
            self._pipeline = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
                choice.path,
                subfolder=choice.subfolder,
                device=device,
                local_files_only=not download,
                max_memory=max_memory,
            )
            self._key = key
        return self._pipeline


def _stamp(choice: ModelChoice) -> tuple:
    """Changes when a local folder's files do; empty for a repository."""
    folder = Path(choice.path, choice.subfolder or "")
    if not os.path.isdir(folder):
        return ()
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return tuple((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files)
