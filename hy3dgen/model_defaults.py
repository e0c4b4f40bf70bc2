# SPDX-License-Identifier: Apache-2.0
"""Which settings a model is usually run with, for whoever leaves them alone.

A model folder may hold a `defaults.yaml` or `defaults.json` with any of `num_inference_steps`,
`guidance_scale`, `octree_resolution` and `subfolder`. Published folders have none; their values are
in a table here.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .errors import CheckpointMismatchError, InvalidSettingError
from .worker.parameters import Parameter, check_parameters

FILES = ("defaults.json", "defaults.yaml")
BUNDLED = "tiny"


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

STANDARD = Defaults()
TURBO = Defaults(num_inference_steps=5)
_FEW_STEPS, _MANY_STEPS = "ConsistencyFlowMatchEuler", "FlowMatchEuler"  # begin schedulers' names
_ENOUGH = 100_000  # characters of a config; the published ones have two thousand
# By subfolder. The -fast variants fold guidance into one pass per step and keep the steps.
PUBLISHED = {
    "hunyuan3d-dit-v2-0": STANDARD,
    "hunyuan3d-dit-v2-0-fast": STANDARD,
    "hunyuan3d-dit-v2-0-turbo": TURBO,
    "hunyuan3d-dit-v2-mini": STANDARD,
    "hunyuan3d-dit-v2-mini-fast": STANDARD,
    "hunyuan3d-dit-v2-mini-turbo": TURBO,
    "hunyuan3d-dit-v2-mv": STANDARD,
    "hunyuan3d-dit-v2-mv-fast": STANDARD,
    "hunyuan3d-dit-v2-mv-turbo": TURBO,
    "hunyuan3d-dit-v2-1": STANDARD,
}


def usual_settings(folder: Path) -> Defaults:
    """Those of the model in a folder, whatever it is called: its config names its scheduler."""
    try:
        with (folder / "config.yaml").open(encoding="utf-8", errors="replace") as file:
            config = file.read(_ENOUGH)
    except (OSError, ValueError):
        config = ""
    if _FEW_STEPS in config:
        return TURBO
    return STANDARD if _MANY_STEPS in config else PUBLISHED.get(folder.name, STANDARD)


def bundled_folder() -> Path:
    """Where the small model lies that comes with this package."""
    return Path(__file__).parent / "assets" / BUNDLED


def with_file(defaults: Defaults, folder: Path) -> Defaults:
    """`defaults`, but for what the folder's own file says."""
    found = read_defaults(folder)
    return replace(
        defaults, **{name: found[name] for name in SETTINGS if found.get(name) is not None}
    )


def read_defaults(folder: Path) -> dict[str, Any]:
    """What the folder's file says, `subfolder` included; empty without a file.

    Raises
    ------
    CheckpointMismatchError
        The file cannot be read, or says something else.
    """
    path = next((p for name in FILES if (p := folder / name).is_file()), None)
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
