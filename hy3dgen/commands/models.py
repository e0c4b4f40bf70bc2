# SPDX-License-Identifier: Apache-2.0
"""`hy3dgen models`: which models there are, what each is for, and which lie on this machine."""

import argparse
from typing import Any

from hy3dgen.commands.terminal import tell
from hy3dgen.install.models import LICENCES, MODELS, TEXTURE_MODELS, look_up
from hy3dgen.install.places import models_folder
from hy3dgen.worker.model_cache import BUNDLED, bundled_folder


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "models",
        help="the models that are known, and where they lie on this machine",
        description="List the models that can be loaded. Nothing is downloaded or asked for.",
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON for each model")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    models = [
        {
            "name": BUNDLED, "model": BUNDLED, "subfolder": None,
            "kind": "shape", "about": "bundled; toy-like objects of 18 kinds",
            "licence": "Apache-2.0", "memory_bytes": None,
            "download_bytes": 0, "folder": str(bundled_folder()),
        }
    ]  # fmt: skip
    for kind, known in [
        *(("shape", model) for model in MODELS),
        *(("texture", model) for model in TEXTURE_MODELS),
    ]:
        found = look_up(known)
        models.append(
            {
                "name": known.name, "model": known.repository, "subfolder": known.subfolder,
                "kind": kind, "about": known.about, "licence": known.licence.name,
                "download_bytes": known.download, "memory_bytes": known.memory,
                "folder": None if found.folder is None else str(found.folder),
            }
        )  # fmt: skip
    if options.json:
        for model in models:
            tell(model)
        return 0
    for model in models:
        if model["name"] == TEXTURE_MODELS[0].name:
            print("\nFor textures:")  # noqa: T201
        size = f"{model['download_bytes'] / 1e9:.1f} GB" if model["download_bytes"] else "bundled"
        print(f"{model['name']:15} {size:>8}  {model['about']}")  # noqa: T201
        if model["subfolder"]:
            if model["kind"] == "shape":
                print(f"{'':25} --model {model['model']} --subfolder {model['subfolder']}")  # noqa: T201
            print(f"{'':25} {model['folder'] or 'not on this machine'}")  # noqa: T201
    print(f"\nModels are kept in {models_folder()} (HY3DGEN_MODELS) or the hub's cache.")  # noqa: T201
    for licence in LICENCES.values():
        print(f"\n{licence.name}: {licence.address}")  # noqa: T201
        for point in licence.points:
            print(f"  {point}")  # noqa: T201
    return 0
