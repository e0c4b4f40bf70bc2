# SPDX-License-Identifier: GPL-3.0-or-later
"""Which model an artist means, where it lies, and what must be fetched before it can be used.

Nothing is fetched here. A published model that is not on this machine is refused in words unless
its licence was accepted and online access is allowed.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import bpy

from hy3dgen.errors import CheckpointNotFoundError, InvalidSettingError
from hy3dgen.install import models
from hy3dgen.install.places import models_folder

from . import environment, preferences
from .job import Part

BUNDLED = "tiny"


@dataclass(frozen=True)
class ModelSource:
    """`model` for the task `generate` (None: the bundled one), and the parts that come before."""

    model: str | None
    fetch: tuple[Part, ...] = ()


def find_source(context: bpy.types.Context, name: str, accept_licence: bool = False) -> ModelSource:
    """The model called `name`: a folder, a published name, "tiny"; empty: the preferences' default.

    Raises
    ------
    CheckpointNotFoundError
        There is no such folder or name.
    InvalidSettingError
        It would have to be fetched, and something for that is missing.
    SetupError
        The preferences name a Python that is not there.
    """
    name = name or preferences.get(context).default_model
    if not name or name == BUNDLED:
        return ModelSource(None)
    folder = Path(bpy.path.abspath(name))
    if os.path.exists(folder):  # which takes any text, unlike pathlib
        return ModelSource(str(folder.absolute()))
    if name.startswith(("//", ".", "~")) or folder.is_absolute():
        raise CheckpointNotFoundError(
            f"model folder {folder} does not exist; choose another one, or leave the model empty "
            "for the small one that comes with the extension"
        )
    kept = kept_folder(context)
    known = models.known_as(name)
    for model in known:
        found = models.look_up(model, kept)
        if found.folder is not None:
            return ModelSource(str(found.folder))
    if known:
        target = kept / known[0].repository / known[0].subfolder
        return ModelSource(str(target), (fetch_part(context, known[0], accept_licence),))
    if os.path.isdir(kept / name):
        return ModelSource(str(kept / name))
    if models.is_in_hub_cache(name):
        return ModelSource(name)
    raise CheckpointNotFoundError(
        f"the model '{name}' is not on this machine and not one that this extension fetches; "
        "choose its folder, or one of the models in the extension's preferences"
    )


def fetch_part(context: bpy.types.Context, model: models.KnownModel, accept_licence: bool) -> Part:
    """The part of a job that fetches `model`; InvalidSettingError says what must come first."""
    python = environment.generation_python(context)
    wanting = []
    if python is None:
        wanting.append("make an environment in the extension's preferences")
    if not bpy.app.online_access:
        wanting.append("allow online access in Blender's preferences under System")
    if not accept_licence and not models.accepted(model.licence):
        wanting.append(
            f"accept the {model.licence.name} (read it at {model.licence.address}; in scripts: "
            "accept_licence=True)"
        )
    if wanting:
        raise InvalidSettingError(
            f"the model {model.name} is not on this machine; to download it, "
            f"{' and '.join(wanting)}, or choose a model folder"
        )
    return Part(
        model.name,
        "download_model",
        {
            "model": model.key,
            "python": str(python),
            "models_folder": str(kept_folder(context)),
            "accept_licence": accept_licence,
        },
    )


def kept_folder(context: bpy.types.Context) -> Path:
    """Where models are kept as `owner/name/subfolder`."""
    chosen = preferences.get(context).models_folder
    return Path(bpy.path.abspath(chosen)) if chosen else models_folder()
