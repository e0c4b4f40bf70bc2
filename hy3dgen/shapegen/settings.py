# SPDX-License-Identifier: Apache-2.0
"""Turns a config's `{target, params}` sections into objects.

Targets are looked up in a table, never imported by name, so a config can only ask for what is
listed here.
"""

import reprlib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ..errors import CheckpointMismatchError, ConfigKeyError, Hy3DError

_PACKAGE = "hy3dgen.shapegen"
_OTHER_PREFIX = "hy3dshape"  # the package's name in the 2.1 release

# Module of each class, relative to this package, and the names configs know it by.
_CLASSES = {
    "Hunyuan3DDiT": (
        ".models.denoisers.hunyuan3ddit",
        ("models", "models.denoisers", "models.denoisers.hunyuan3ddit"),
    ),
    "HunYuanDiTPlain": (
        ".models.denoisers.hunyuandit",
        ("models.denoisers", "models.denoisers.hunyuandit"),
    ),
    "ShapeVAE": (
        ".models.autoencoders.model",
        ("models", "models.autoencoders", "models.autoencoders.model"),
    ),
    "DualImageEncoder": (".models.conditioner", ("models", "models.conditioner")),
    "SingleImageEncoder": (".models.conditioner", ("models", "models.conditioner")),
    "FlowMatchEulerDiscreteScheduler": (".schedulers", ("schedulers",)),
    "ConsistencyFlowMatchEulerDiscreteScheduler": (".schedulers", ("schedulers",)),
    "ImageProcessorV2": (".preprocessors", ("preprocessors",)),
    "MVImageProcessorV2": (".preprocessors", ("preprocessors",)),
    "Hunyuan3DDiTFlowMatchingPipeline": (".pipelines", ("pipelines",)),
}
_TARGETS = {
    f"{_PACKAGE}.{place}.{name}": (module, name)
    for name, (module, places) in _CLASSES.items()
    for place in places
}


def resolve_target(target: str) -> type:
    """The class that a config's `target` names."""
    name = target if isinstance(target, str) else ""
    if name.split(".")[0] == _OTHER_PREFIX:
        name = _PACKAGE + name.removeprefix(_OTHER_PREFIX)
    if name not in _TARGETS:
        raise CheckpointMismatchError(
            f"the config asks for {reprlib.repr(target)[:80]}, but this version knows "
            f"{', '.join(sorted(_CLASSES))}; use a model made of those."
        )
    module, attribute = _TARGETS[name]
    return getattr(import_module(module, __package__), attribute)


def instantiate_from_config(config: Mapping[str, Any], **kwargs: Any) -> Any:
    """An object of the config's `target` class; its `params` win over `kwargs`."""
    if not isinstance(config, Mapping) or "target" not in config:
        raise ConfigKeyError(
            # Not all of it: a few aliases of aliases would be printed a billion times.
            f"a section of the config is {reprlib.repr(config)[:80]}, without a target; use the "
            "config.yaml that was published with the model."
        )
    cls = resolve_target(config["target"])
    try:
        return cls(**{**kwargs, **(config.get("params") or {})})
    except Hy3DError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise CheckpointMismatchError(
            f"the config's params do not fit {cls.__name__}: {' '.join(str(error).split())[:300]}; "
            "use the config.yaml that was published with the model."
        ) from error
