# SPDX-License-Identifier: Apache-2.0
"""`hy3dgen generate`: a mesh file for every picture, with one model that is loaded once."""

import argparse
import contextlib
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hy3dgen.commands.terminal import (
    ProgressLine,
    byte_count,
    count,
    files_in,
    is_mesh_name,
    labelled,
    make_folder,
    report_failure,
    say,
    tell,
)
from hy3dgen.compiled_code import keep_what_triton_compiles
from hy3dgen.errors import Hy3DError, InvalidSettingError, SurfaceExtractionError
from hy3dgen.mesh import TriangleMesh, clean, reduce_faces
from hy3dgen.mesh.convert import to_trimesh
from hy3dgen.mesh.face_target import TargetNotReachedWarning
from hy3dgen.mesh.files import FORMATS, check_format, save_mesh
from hy3dgen.model_defaults import SETTINGS
from hy3dgen.shapegen.cost_model import DECODERS, REDUCERS
from hy3dgen.worker.machine import cuda_driver_finds_device
from hy3dgen.worker.model_cache import BUNDLED, ModelCache, ModelChoice, choose_model

_VIEWS = ("left", "back", "right")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "generate",
        help="a mesh for every picture",
        description="Make a mesh from each picture. The background is removed where the picture "
        "has none that is transparent. Settings that are left out are the model's own.",
    )
    parser.add_argument("input", type=Path, nargs="+", help="pictures, or folders of them")
    for view in _VIEWS:
        parser.add_argument(
            f"--{view}", type=Path, metavar="PICTURE",
            help=f"its {view} side, for a model of several views; the one input is its front",
        )  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, metavar="PATH",
        help="a mesh file for one picture, else a folder; default: beside each picture",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=[suffix[1:] for suffix in FORMATS], default="glb",
        help="of meshes in a folder; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--model", default=BUNDLED,
        help="a model folder or a repository's name; default: the bundled small model",
    )  # fmt: skip
    parser.add_argument("--subfolder", help="of the model")
    parser.add_argument("--allow-download", action="store_true", help="fetch a missing model")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 or mps; default: a GPU if there is one")
    parser.add_argument(
        "--max-memory", type=byte_count, metavar="SIZE",
        help="of a CUDA GPU, such as 3G: weights come from main memory when they are needed",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, help="the same seed gives the same mesh; default: a random one, told"
    )
    parser.add_argument("--steps", type=count, dest="num_inference_steps", metavar="N")
    parser.add_argument("--guidance", type=float, dest="guidance_scale", metavar="G")
    parser.add_argument("--resolution", type=count, dest="octree_resolution", metavar="R")
    parser.add_argument("--chunk", type=count, dest="num_chunks", metavar="N")
    parser.add_argument("--decoder", choices=DECODERS, dest="volume_decoder")
    parser.add_argument(
        "--mc-algo", choices=("mc", "dmc"),
        help="marching cubes, or dual marching cubes: more even faces, rounder corners",
    )  # fmt: skip
    parser.add_argument(
        "--speed", type=float, metavar="P",
        help="choose settings for this machine, from 0 (best) to 1 (fastest)",
    )  # fmt: skip
    parser.add_argument(
        "--max-seconds", type=float, metavar="S", help="the best settings that take at most so long"
    )
    parser.add_argument("--faces", type=count, metavar="N", help="at most so many faces")
    parser.add_argument("--reducer", choices=REDUCERS, help="how; default: quality")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each picture")
    parser.add_argument("--quiet", action="store_true", help="print only warnings and errors")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 if every picture became a mesh, else 1."""
    jobs = list(_jobs(options))
    try:
        pipeline, settings = _load(options)
    except (Hy3DError, MemoryError) as error:
        if not options.json or isinstance(error, InvalidSettingError):
            raise
        for label, source in labelled(source for source, _ in jobs):
            report_failure(label, error, source, as_json=True)
        return 1
    failed = 0
    for (label, source), (_, target) in zip(labelled(s for s, _ in jobs), jobs, strict=True):
        try:
            result = _generate(pipeline, source, target, settings, options, label)
        except (Hy3DError, MemoryError) as error:
            report_failure(label, error, source, options.json)
            failed += 1
            continue
        if not options.quiet:
            say(
                f"{label}: {result['faces']:,} faces, seed {result['seed']}, "
                f"{result['seconds']:.1f} s -> {target}"
            )
        if options.faces is not None and result["faces"] > options.faces:
            say(f"{label}: {TargetNotReachedWarning(options.faces, result['faces'])}")
        if options.json:
            tell(result)
    return 1 if failed else 0


def _load(options: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """The pipeline, and the settings of every call."""
    choice = choose_model(options.model, options.subfolder)
    if cuda_driver_finds_device():
        keep_what_triton_compiles()
    with ProgressLine(choice.subfolder or Path(choice.path).name, options.quiet) as line:
        line.stage("load model")
        pipeline = ModelCache().get(
            choice, options.allow_download, options.device, options.max_memory
        )
        if options.speed is not None or options.max_seconds is not None:
            line.stage("measure")
        return pipeline, _settings(pipeline, choice, options)


def _jobs(options: argparse.Namespace) -> Iterator[tuple[Path, Path]]:
    """(picture, mesh file to write); what cannot work is said before anything is loaded."""
    sources = []
    for path in options.input:
        sources += files_in(path, PICTURES, "picture") if path.is_dir() else [path]
    views = [view for view in _VIEWS if getattr(options, view) is not None]
    if views and len(sources) > 1:
        raise InvalidSettingError(
            f"--{views[0]} is a side of one object, but there are {len(sources)} pictures; give "
            "one that shows its front."
        )
    output = options.output
    one_file = output is not None and not output.is_dir() and is_mesh_name(output)
    if one_file and len(sources) > 1:
        raise InvalidSettingError(
            f"{len(sources)} pictures cannot all become {output}; give a folder to write into."
        )
    if one_file and not output.parent.is_dir():
        raise InvalidSettingError(
            f"There is no folder {output.parent} to write into; make it first."
        )
    if output is not None and not one_file:
        if output.suffix and not output.is_dir():
            check_format(output)
        make_folder(output)
    targets: dict[Path, Path] = {}
    for source in sources:
        name = f"{source.stem}.{options.format}"
        target = output if one_file else (output or source.parent) / name
        if target in targets:
            raise InvalidSettingError(
                f"{targets[target]} and {source} would both become {target}; rename one, or write "
                "them into different folders."
            )
        targets[target] = source
        yield source, target


def _settings(pipeline: Any, choice: ModelChoice, options: argparse.Namespace) -> dict[str, Any]:
    """Arguments of the pipeline's call: the model's own or solved ones, then those given."""
    settings = {name: getattr(choice.defaults, name) for name in SETTINGS}
    if options.speed is not None or options.max_seconds is not None:
        speed = 0.5 if options.speed is None else options.speed
        if options.max_seconds is not None and options.speed is None:
            speed = 0.0
        settings = dict(
            pipeline.get_optimal_settings(speed, options.max_seconds, face_count=options.faces)
        )
        settings.pop("face_count", None)
    names = (*SETTINGS, "num_chunks", "volume_decoder", "mc_algo", "reducer")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return settings | given


def _generate(
    pipeline: Any,
    source: Path,
    target: Path,
    settings: dict[str, Any],
    options: argparse.Namespace,
    label: str,
) -> dict[str, Any]:
    import torch

    from hy3dgen.memory import is_out_of_memory
    from hy3dgen.pictures import load_picture
    from hy3dgen.rembg import BackgroundRemover
    from hy3dgen.shapegen.pipelines import export_to_arrays

    started = time.monotonic()
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    arguments = {name: value for name, value in settings.items() if name != "reducer"}
    with ProgressLine(label, options.quiet) as line:
        line.stage("prepare picture")
        remove = BackgroundRemover(allow_download=options.allow_download)
        picture: Any = remove(load_picture(source))
        if sides := {view: path for view in _VIEWS if (path := getattr(options, view)) is not None}:
            cut_out = {view: remove(load_picture(path)) for view, path in sides.items()}
            picture = {"front": picture, **cut_out}
        # On the CPU, so that a seed gives the same noise on every device.
        noise = torch.Generator("cpu").manual_seed(_checked_seed(seed))
        try:
            (output,) = pipeline(
                picture, generator=noise, output_type="mesh", progress=line.stage, **arguments
            )
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise MemoryError(
                f"{pipeline.device} has no memory left for this; use a lower --resolution or "
                "--chunk, or a smaller model."
            ) from error
        if output is None or len(output.mesh_f) == 0:
            raise SurfaceExtractionError(
                "the model made no surface from this picture; try another seed or picture."
            )
        line.stage("clean")
        mesh = clean(TriangleMesh(*export_to_arrays(output)))
        if options.faces is not None:
            line.stage("reduce")
            mesh = reduce_faces(mesh, options.faces, settings.get("reducer") or "quality")
        save_mesh(to_trimesh(mesh), target)
    return {
        "input": source,
        "output": target,
        "seed": seed,
        "seconds": round(time.monotonic() - started, 3),
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "device": str(pipeline.device),
        "settings": settings,
    }


def _checked_seed(seed: int) -> int:
    with contextlib.suppress(OverflowError):
        if 0 <= seed < 2**63:
            return seed
    raise InvalidSettingError(f"the seed is {seed}; choose a whole number from 0 to 2^63 - 1.")
