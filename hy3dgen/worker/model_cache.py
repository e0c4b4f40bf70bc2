# SPDX-License-Identifier: Apache-2.0
"""Which model a request means, its default settings, and the one that stays loaded.

A model folder may hold a `defaults.yaml` or `defaults.json` with any of `num_inference_steps`,
`guidance_scale`, `octree_resolution` and `subfolder`; it stands beside `config.yaml`, or above it
to name the subfolder. Published folders have none, their values are in a table here.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hy3dgen
from hy3dgen.errors import (
    CheckpointMismatchError,
    CheckpointNotFoundError,
    InvalidSettingError,
    MissingDependencyError,
)
from hy3dgen.worker.parameters import Parameter, check_parameters

if TYPE_CHECKING:
    from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline

BUNDLED = "tiny"
CONFIG_FILE = "config.yaml"
DEFAULTS_FILES = ("defaults.json", "defaults.yaml")


@dataclass(frozen=True)
class Defaults:
    """Settings for whoever leaves them alone; the documented ones if a folder has no others."""

    num_inference_steps: int = 50
    guidance_scale: float = 5.0
    octree_resolution: int = 384


SETTINGS = {
    "num_inference_steps": Parameter(int, 1, 1000),
    "guidance_scale": Parameter(float, 0, 100),
    "octree_resolution": Parameter(int, 8, 1024),
}
_IN_FILE = {**SETTINGS, "subfolder": Parameter(str, high=256)}

_STANDARD = Defaults()
_TURBO = Defaults(num_inference_steps=5)
_PLAIN_SUBFOLDERS = {
    "Hunyuan3D-2": "hunyuan3d-dit-v2-0",
    "Hunyuan3D-2mini": "hunyuan3d-dit-v2-mini",
    "Hunyuan3D-2mv": "hunyuan3d-dit-v2-mv",
    "Hunyuan3D-2.1": "hunyuan3d-dit-v2-1",
}
# The -fast variants fold guidance into one pass per step and keep the number of steps.
_PUBLISHED = {
    "hunyuan3d-dit-v2-0": _STANDARD,
    "hunyuan3d-dit-v2-0-fast": _STANDARD,
    "hunyuan3d-dit-v2-0-turbo": _TURBO,
    "hunyuan3d-dit-v2-mini": _STANDARD,
    "hunyuan3d-dit-v2-mini-fast": _STANDARD,
    "hunyuan3d-dit-v2-mini-turbo": _TURBO,
    "hunyuan3d-dit-v2-mv": _STANDARD,
    "hunyuan3d-dit-v2-mv-fast": _STANDARD,
    "hunyuan3d-dit-v2-mv-turbo": _TURBO,
    "hunyuan3d-dit-v2-1": _STANDARD,
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
        if folder.is_dir():
            return _choose_folder(folder.resolve(), subfolder)
    subfolder = subfolder or _PLAIN_SUBFOLDERS.get(model.rpartition("/")[2])
    return ModelChoice(model, subfolder, _PUBLISHED.get(subfolder or "", _STANDARD))


def bundled_folder() -> Path:
    assert hy3dgen.__file__
    return Path(hy3dgen.__file__).parent / "assets" / BUNDLED


def _choose_folder(folder: Path, subfolder: str | None) -> ModelChoice:
    outer = _read_defaults(folder)
    if not subfolder and not (folder / CONFIG_FILE).is_file():
        subfolder = outer.get("subfolder") or _find_subfolder(folder)
    defaults = _PUBLISHED.get((folder / (subfolder or "")).name, _STANDARD)
    inner = _read_defaults(folder / subfolder) if subfolder else {}
    for found in (outer, inner):
        found = {name: found[name] for name in SETTINGS if found.get(name) is not None}
        defaults = replace(defaults, **found)
    return ModelChoice(str(folder), subfolder or None, defaults)


def _find_subfolder(folder: Path) -> str:
    found = sorted(path.parent.name for path in folder.glob(f"*/{CONFIG_FILE}"))
    plain = [name for name in found if name in _PLAIN_SUBFOLDERS.values()]
    if len(plain or found) == 1:
        return (plain or found)[0]
    advice = f"choose the subfolder: {', '.join(found)}" if found else "choose another folder"
    raise CheckpointNotFoundError(f"the model folder '{folder}' has no {CONFIG_FILE}; {advice}")


def _read_defaults(folder: Path) -> dict[str, Any]:
    path = next((p for name in DEFAULTS_FILES if (p := folder / name).is_file()), None)
    if path is None:
        return {}
    try:
        content = _parse(path)
        if not isinstance(content, dict):
            raise InvalidSettingError("it is not a list of names and values")
        return check_parameters({str(key): value for key, value in content.items()}, _IN_FILE)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointMismatchError(f"'{path}' cannot be used: {reason}") from error


def _parse(path: Path) -> Any:
    """What a JSON or YAML file says; ValueError if it says nothing."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.loads(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


class ModelCache:
    """Keeps the last pipeline loaded, as long as its files stay as they are."""

    def __init__(self) -> None:
        self._key: tuple | None = None
        self._pipeline: Hunyuan3DDiTFlowMatchingPipeline | None = None

    def get(self, choice: ModelChoice, download: bool) -> "Hunyuan3DDiTFlowMatchingPipeline":
        """The pipeline of `choice`: on CUDA if there is CUDA, in half precision.

        `download` allows to fetch a repository that is not on this machine.
        """
        try:
            from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
        except (ImportError, OSError) as error:  # OSError: a shared library of torch is missing
            raise MissingDependencyError(
                f"this Python cannot load what generation needs ({error}); "
                "install the libraries of requirements/worker.txt into it"
            ) from error
        key = (choice.path, choice.subfolder, _stamp(choice))
        if self._pipeline is None or key != self._key:
            self._pipeline = self._key = None  # make room before loading
            self._pipeline = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
                choice.path, subfolder=choice.subfolder, local_files_only=not download
            )
            self._key = key
        return self._pipeline


def _stamp(choice: ModelChoice) -> tuple:
    """Changes when a local folder's files do; empty for a repository."""
    folder = Path(choice.path, choice.subfolder or "")
    if not folder.is_dir():
        return ()
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return tuple((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files)
