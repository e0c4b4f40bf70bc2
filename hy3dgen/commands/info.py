# SPDX-License-Identifier: Apache-2.0
"""`hy3dgen info`: what a mesh file, a picture or a model folder is, or what this machine has."""

import argparse
import platform
from pathlib import Path
from typing import Any

import hy3dgen
from hy3dgen.commands.generate import PICTURES
from hy3dgen.commands.terminal import labelled, report_failure, tell
from hy3dgen.errors import Hy3DError, InvalidSettingError, MissingDependencyError
from hy3dgen.install.models import check_model_folder, weight_file
from hy3dgen.mesh.files import FORMATS, as_one_mesh, load_mesh
from hy3dgen.weights import read_config
from hy3dgen.worker.machine import total_memory_mb
from hy3dgen.worker.model_cache import BUNDLED, bundled_folder, choose_model


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "info",
        help="what a mesh, a picture, a model or this machine is",
        description="Tell what mesh files, pictures and model folders are. Without an input: what "
        "this machine has.",
    )
    parser.add_argument(
        "input", type=Path, nargs="*",
        help="mesh files, pictures, model folders; 'tiny' is the bundled model",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="a line of JSON for each input")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 if everything could be read, else 1."""
    if not options.input:
        _show("this machine", _machine(), options.json)
        return 0
    failed = 0
    for label, path in labelled(options.input):
        try:
            _show(label, {"input": str(path), **_look_at(path)}, options.json)
        except (Hy3DError, MemoryError, OSError) as error:
            report_failure(label, error, path, options.json)
            failed += 1
    return 1 if failed else 0


def _show(label: str, values: dict[str, Any], as_json: bool) -> None:
    if as_json:
        tell(values)
        return
    print(label)  # noqa: T201
    for name, value in values.items():
        text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        print(f"  {name.replace('_', ' ')}: {text}")  # noqa: T201


def _look_at(path: Path) -> dict[str, Any]:
    if str(path) == BUNDLED and not path.exists():
        return _model(bundled_folder())
    if path.is_dir() or path.name == "config.yaml":
        return _model(path if path.is_dir() else path.parent)
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return _picture(path)
    if suffix in FORMATS:
        return _mesh(path)
    raise InvalidSettingError(
        f"{path} is neither a model folder, a mesh ({', '.join(FORMATS)}) nor a picture "
        f"({', '.join(PICTURES)}); give one of those."
    )


def _mesh(path: Path) -> dict[str, Any]:
    mesh = as_one_mesh(load_mesh(path))
    joined = mesh.copy()
    joined.merge_vertices(merge_tex=True, merge_norm=True)
    return {
        "kind": "mesh",
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "closed": bool(joined.is_watertight),
        "consistently_wound": bool(joined.is_winding_consistent),
        "parts": int(joined.body_count),
        "area": round(float(mesh.area), 6),
        "volume": round(float(joined.volume), 6) if joined.is_watertight else None,
        "lowest": [round(float(x), 6) for x in mesh.bounds[0]],
        "highest": [round(float(x), 6) for x in mesh.bounds[1]],
        "appearance": mesh.visual.kind or "none",
    }


def _picture(path: Path) -> dict[str, Any]:
    from hy3dgen.pictures import load_picture

    pixels = load_picture(path)
    alpha = pixels[..., 3]
    return {
        "kind": "picture",
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "transparent_share": round(float((alpha < 128).mean()), 4),
    }


def _model(path: Path) -> dict[str, Any]:
    folder = check_model_folder(path)
    choice = choose_model(str(folder), None)
    parts = ("model", "vae", "conditioner", "scheduler", "image_processor")
    config = read_config(folder / "config.yaml", parts)
    weights = weight_file(folder)
    assert weights is not None
    values = {name: str(config[name].get("target", "")).rpartition(".")[2] for name in parts}
    return {
        "kind": "model",
        "folder": str(folder),
        "weights": weights.name,
        "weights_bytes": weights.stat().st_size,
        **values,
        **vars(choice.defaults),
    }


def _machine() -> dict[str, Any]:
    values: dict[str, Any] = {
        "hy3dgen": hy3dgen.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "memory_mb": total_memory_mb(),
    }
    try:
        values |= _torch()
    except MissingDependencyError as error:
        values["torch"] = str(error)
    return values


def _torch() -> dict[str, Any]:
    try:
        import torch

        from hy3dgen.shapegen.devices import pick_device
    except (ImportError, OSError) as error:  # OSError: one of its shared libraries is missing
        raise MissingDependencyError(f"not installed ({error})") from error
    device = pick_device(None)
    values = {"torch": torch.__version__, "device": str(device), "threads": torch.get_num_threads()}
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        values |= {
            "gpu": torch.cuda.get_device_name(device),
            "gpu_memory_mb": total >> 20,
            "gpu_memory_free_mb": free >> 20,
        }
    return values
