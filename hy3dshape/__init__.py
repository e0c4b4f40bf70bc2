# SPDX-License-Identifier: Apache-2.0
"""`hy3dgen.shapegen` under the name that scripts for Hunyuan3D-2.1 import it by.

`import hy3dshape.pipelines` gives the module `hy3dgen.shapegen.pipelines` itself, so a class is the
same class under both names. `hy3dshape.rembg` is `hy3dgen.rembg`.
"""

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_REAL = "hy3dgen.shapegen"
_ELSEWHERE = {"rembg": "hy3dgen.rembg"}


class _AliasLoader(Loader):
    """Hands out a module that is loaded under its real name."""

    def __init__(self, real: str) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.real)
        self.real_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just written the alias there; relative imports need the real one.
        module.__spec__ = self.real_spec


class _AliasFinder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, _, rest = fullname.partition(".")
        if package != __name__:
            return None
        real = _ELSEWHERE.get(rest, f"{_REAL}.{rest}")
        found = find_spec(real)
        if found is None:
            return None
        is_package = found.submodule_search_locations is not None
        return ModuleSpec(fullname, _AliasLoader(real), is_package=is_package)


sys.meta_path.insert(0, _AliasFinder())


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_REAL), name)


def __dir__() -> list[str]:
    return dir(import_module(_REAL))
