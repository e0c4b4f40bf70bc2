# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel tells of a chosen model, cheap enough for drawing."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as _

from hy3dgen.errors import Hy3DError
from hy3dgen.install import models
from hy3dgen.model_defaults import (
    PUBLISHED,
    STANDARD,
    Defaults,
    bundled_folder,
    usual_settings,
    with_file,
)
from hy3dgen.worker.speed import settings_at

from . import environment, generation, job_timer, model_source, preferences
from .jobs import sentence
from .properties import speed_priority

_FRESH = 1.0  # seconds; drawing must not ask the disk each time
_SEVERAL_VIEWS = "MVImageProcessor"  # in the config.yaml of a model that takes several views
_known: dict[tuple, tuple[float, "ModelFacts"]] = {}


@dataclass(frozen=True)
class ModelFacts:
    name: str  # what the artist reads
    source: str | None  # what the task gets; None: the bundled model
    defaults: Defaults | None  # None: not known before it is loaded
    several_views: bool = False
    problem: str = ""  # why it cannot be used now, in words


def of(context: bpy.types.Context, name: str) -> ModelFacts:
    """Facts of the model called `name`, as `model_source.find_source` understands it."""
    name = name or preferences.get(context).default_model
    key = (name, preferences.get(context).python, preferences.get(context).models_folder)
    now = time.monotonic()
    if key not in _known or now - _known[key][0] > _FRESH:
        _known[key] = now, _look_up(context, name)
    return _known[key][1]


def settings(chosen: Any, facts: ModelFacts) -> dict[str, float]:
    """Steps, resolution and guidance that the panel's settings come to; empty if not known."""
    if facts.defaults is None:
        return {}
    usual = facts.defaults
    found: dict[str, float] = settings_at(
        speed_priority(chosen), usual.num_inference_steps, usual.octree_resolution
    )
    found["guidance_scale"] = usual.guidance_scale
    own = {name: getattr(chosen, name) for name in found}
    return found | {name: value for name, value in own.items() if value}


def seconds(chosen: Any, facts: ModelFacts) -> float | None:
    """How long the last mesh of the same settings took, if there was one."""
    if facts.problem:
        return None
    kind = generation.kind_of(
        facts.source,
        chosen.num_inference_steps or None,
        chosen.octree_resolution or None,
        speed_priority(chosen),
        chosen.face_count or None,
        chosen.texture_size or None,
    )
    return job_timer.queue.usual_seconds(kind)


def _look_up(context: bpy.types.Context, name: str) -> ModelFacts:
    problem = ""
    source: str | None = None
    try:
        python = environment.generation_python(context)
        source = model_source.find_source(context, name).model
        if source is not None and python is None:
            problem = _("This model needs PyTorch; make an environment in the preferences first")
    except Hy3DError as error:
        problem = sentence(str(error))
    if not name or name == model_source.BUNDLED:
        usual = _in_file(STANDARD, bundled_folder())
        return ModelFacts(_("Small"), None, usual, problem=problem)
    published = models.known_as(name)
    if published:
        model = published[0]
        if problem and models.look_up(model, model_source.kept_folder(context)).folder is None:
            problem = _("This model is not on this machine; get it in the preferences")
        usual = PUBLISHED.get(model.subfolder, STANDARD)
        return ModelFacts(
            model.name,
            source,
            usual if source is None else _in_file(usual, Path(source)),
            "-mv" in model.subfolder,
            problem,
        )
    folder = Path(source or bpy.path.abspath(name))
    usual = usual_settings(folder)
    return ModelFacts(
        os.path.basename(os.path.normpath(name)) or name,
        source,
        _in_file(usual, folder),
        "-mv" in folder.name or _takes_views(folder),
        problem,
    )


def _in_file(usual: Defaults, folder: Path) -> Defaults | None:
    try:
        return with_file(usual, folder)
    except (Hy3DError, ImportError):  # the worker will say what is wrong; only YAML needs a library
        return None


def _takes_views(folder: Path) -> bool:
    try:
        return _SEVERAL_VIEWS in (folder / models.CONFIG_NAME).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False


def forget() -> None:
    """Ask again: something has changed on the disk."""
    _known.clear()
