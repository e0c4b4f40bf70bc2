# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel tells of a chosen model, cheap enough for drawing."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
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

from . import environment, generation, job_timer, model_source, preferences, quality
from .job import sentence
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
    key: quality.Key = ("", None)  # of what is known of it on this machine


def of(context: bpy.types.Context, name: str) -> ModelFacts:
    """Facts of the model called `name`, as `model_source.find_source` understands it."""
    name = name or preferences.get(context).default_model
    key = (name, preferences.get(context).python, preferences.get(context).models_folder)
    now = time.monotonic()
    if key not in _known or now - _known[key][0] > _FRESH:
        _known[key] = now, _look_up(context, name)
    return _known[key][1]


def choice(chosen: Any, facts: ModelFacts) -> quality.Choice:
    """What the panel's settings come to; the seconds are those of the last equal job, if any."""
    face_count = chosen.face_count or None
    found = quality.choose(
        speed_priority(chosen),
        quality.own_settings(chosen),
        facts.defaults,
        quality.known.get(facts.key),
        face_count,
        quality.known.share(facts.key),
    )
    if facts.problem:
        return replace(found, seconds=None)
    texture_size = chosen.texture_size or None
    kind = generation.kind_of(facts.source, found.settings, None, face_count, texture_size)
    taken = job_timer.queue.usual_seconds(kind)
    return found if taken is None else replace(found, seconds=taken)


def ask(context: bpy.types.Context) -> None:
    """Have an idle worker measure the bundled model, so that the panel need not guess.

    Not other models: loading one that nobody asked for yet takes memory and a while.
    """
    facts = of(context, context.scene.hunyuan3d.generate.model)
    key = facts.key
    if facts.source is not None or facts.problem or quality.known.asked(key):
        return

    def answer(values: Mapping[str, Any] | None) -> None:
        if values is None:
            quality.known.forget_question(key)
        else:
            quality.known.learn(key, values)

    try:
        worker = environment.generation_worker(context)
    except Hy3DError:
        return
    if job_timer.queue.ask(worker, "settings", answer):
        quality.known.ask(key)


def _look_up(context: bpy.types.Context, name: str) -> ModelFacts:
    found = _describe(context, name)
    bundled = found.source is None and name in ("", model_source.BUNDLED)
    # Nothing is known of a model that is not here.
    source = found.source if found.source or bundled else f"no {name}"
    return replace(found, key=generation.key_of(_python(context), source))


def _python(context: bpy.types.Context) -> Path | None:
    try:
        return environment.generation_python(context)
    except Hy3DError:
        return None


def _describe(context: bpy.types.Context, name: str) -> ModelFacts:
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


def register() -> None:
    job_timer.when_idle.append(ask)


def unregister() -> None:
    job_timer.when_idle.remove(ask)
    _known.clear()
