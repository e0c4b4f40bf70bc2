# SPDX-License-Identifier: Apache-2.0
"""Set-up behind the worker's protocol: functions (params, arrays, context) -> (values, arrays)."""

from pathlib import Path
from typing import Any

import numpy as np

from hy3dgen.errors import InvalidSettingError
from hy3dgen.install import models
from hy3dgen.install.download import download_model
from hy3dgen.install.environment import Environment, Recipe
from hy3dgen.install.pip_run import Index
from hy3dgen.install.python_check import check_python, find_python
from hy3dgen.install.requirements import worker_requirements
from hy3dgen.install.torch_builds import AUTOMATIC, BUILDS, choose_build, examine_machine
from hy3dgen.worker.parameters import Parameter, check_arrays, check_parameters
from hy3dgen.worker.server import Task, TaskContext

Arrays = dict[str, np.ndarray]
Values = dict[str, Any]

_PATH = Parameter(str, high=4096)
_NEEDED_PATH = Parameter(str, high=4096, required=True)
_MAKE = {
    "folder": _NEEDED_PATH,
    "base_python": _NEEDED_PATH,
    "build": Parameter(str, choices=(AUTOMATIC, *BUILDS), default=AUTOMATIC),
    "package_index": _PATH,
    "torch_index": _PATH,
    "hy3dgen_wheel": _PATH,
    "online": Parameter(bool, required=True),
}
_DOWNLOAD = {
    "model": _NEEDED_PATH,
    "python": _NEEDED_PATH,
    "models_folder": _PATH,
    "accept_licence": Parameter(bool, default=False),
}


def check(params: Values, arrays: Arrays, context: TaskContext) -> tuple[Values, Arrays]:
    """What the Python `python` can do, in a `sentence`; `lacks` is empty if it runs every model."""
    settings = check_parameters(params, {"python": _NEEDED_PATH})
    check_arrays(arrays, ())
    context.progress("check the Python", 0, 1)
    found = check_python(settings["python"], context.check_cancelled)
    return {"sentence": found.sentence, "lacks": found.lacks, "python": found.python}, {}


def make_environment(params: Values, arrays: Arrays, context: TaskContext) -> tuple[Values, Arrays]:
    """An environment in `folder`, made or finished; `reason` says why this build of torch."""
    settings = check_parameters(params, _MAKE)
    check_arrays(arrays, ())
    context.progress("look at this machine", 0, 1)
    choice = choose_build(examine_machine(), settings["build"])
    wheel = settings["hy3dgen_wheel"]
    recipe = Recipe(
        base_python=Path(settings["base_python"]),
        build=choice.build,
        requirements=worker_requirements(),
        packages=Index(settings["package_index"] or None),
        torch=Index(settings["torch_index"]) if settings["torch_index"] else None,
        hy3dgen_wheel=Path(wheel) if wheel else None,
    )
    if recipe.needs_network and not settings["online"]:
        raise InvalidSettingError(
            "packages would come from the internet, but online access is off; allow it in "
            "Blender's System preferences, or choose folders of packages"
        )
    found = Environment(Path(settings["folder"])).make(recipe, context.progress)
    return {
        "python": found.python,
        "sentence": found.sentence,
        "build": choice.build.label,
        "reason": choice.reason,
    }, {}


def remove_environment(
    params: Values, arrays: Arrays, context: TaskContext
) -> tuple[Values, Arrays]:
    """The environment in `folder` is gone; `freed` bytes."""
    settings = check_parameters(params, {"folder": _NEEDED_PATH})
    check_arrays(arrays, ())
    return {"freed": Environment(Path(settings["folder"])).remove(context.progress)}, {}


def fetch_model(params: Values, arrays: Arrays, context: TaskContext) -> tuple[Values, Arrays]:
    """The known model `model` is on this machine, in `folder`, and so is what it needs."""
    settings = check_parameters(params, _DOWNLOAD)
    check_arrays(arrays, ())
    model = models.find_known(settings["model"])
    if settings["accept_licence"]:
        models.accept(model.licence)
    if not models.accepted(model.licence):
        raise InvalidSettingError(
            f"{model.name} is under the {model.licence.name}, which has not been accepted; read "
            f"it at {model.licence.address}"
        )
    kept = settings["models_folder"]
    for one in (*models.needed_by(model), model):
        folder = download_model(
            one,
            find_python(settings["python"]),
            context.progress,
            models=Path(kept) if kept else None,
        )
    return {"folder": str(folder), "name": model.name}, {}


def remove_model(params: Values, arrays: Arrays, context: TaskContext) -> tuple[Values, Arrays]:
    """No copy of the known model `model` is on this machine any more; `freed` bytes."""
    settings = check_parameters(params, {"model": _NEEDED_PATH, "models_folder": _PATH})
    check_arrays(arrays, ())
    model = models.find_known(settings["model"])
    context.progress("remove", 0, 1)
    kept = settings["models_folder"]
    return {"freed": models.remove(model, Path(kept) if kept else None), "name": model.name}, {}


TASKS: dict[str, Task] = {
    "check_python": check,
    "make_environment": make_environment,
    "remove_environment": remove_environment,
    "download_model": fetch_model,
    "remove_model": remove_model,
}
