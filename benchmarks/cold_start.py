# SPDX-License-Identifier: Apache-2.0
"""From the start of a new process to the first mesh, with the weights in the page cache.

    python -m benchmarks.cold_start [--model 2mini-fast] [--resolution 256] [--json FILE]
    python -m benchmarks.cold_start --dry-run

Writes a checkpoint of random weights of a published size into a temporary folder, then starts
Python anew, which loads it and makes a mesh of at most 40,000 faces. Compiled kernels are kept in
that folder too, so the first run has none yet. `--bytecode` adds runs in which Python keeps its
bytecode there, for machines where it keeps none of installed packages; pip makes that elsewhere.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .machine import processor_name

FACES = 40_000


def write_model(folder: Path, model: str, device: str | None, dry: bool) -> None:
    import yaml
    from safetensors.torch import save_file

    from hy3dgen.shapegen.devices import default_dtype, pick_device

    from .random_models import config, random_pipeline

    where = pick_device(device)
    pipeline = random_pipeline(model, where, default_dtype(where), dry)
    weights = {
        f"{part}.{name}": value.cpu().contiguous()
        for part in ("model", "vae", "conditioner")
        for name, value in getattr(pipeline, part).state_dict().items()
    }
    save_file(weights, folder / "model.fp16.safetensors")
    (folder / "config.yaml").write_text(yaml.safe_dump(config(model, dry)), encoding="utf-8")


def first_mesh(folder: str, resolution: int, device: str | None, started: float) -> None:
    """In the new process: prints seconds since its start as JSON."""
    line: dict[str, float] = {}

    def note(name: str) -> None:
        line[name] = round(time.time() - started, 3)

    note("python")
    from hy3dgen.compiled_code import keep_what_triton_compiles

    keep_what_triton_compiles()
    import torch

    from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
    from hy3dgen.shapegen.pipelines import export_to_arrays

    from .random_models import BallDecoder
    from .shape_stages import PICTURE

    note("imports")
    pipeline = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
        folder, subfolder=None, device=device
    )
    pipeline.vae.geo_decoder.__class__ = BallDecoder
    note("loaded")
    (output,) = pipeline(
        str(PICTURE), num_inference_steps=5, octree_resolution=resolution, output_type="mesh",
        face_count=FACES, generator=torch.Generator().manual_seed(0),
        progress=lambda stage, *_: line.setdefault(stage, round(time.time() - started, 3)),
    )  # fmt: skip
    _vertices, faces = export_to_arrays(output)
    note("mesh")
    print(json.dumps({"seconds": line, "faces": len(faces)}))


def device_name(device: str | None) -> str:
    import torch

    from hy3dgen.shapegen.devices import pick_device

    where = pick_device(device)
    return torch.cuda.get_device_name(where) if where.type == "cuda" else processor_name()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="2mini-fast")
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--device", help="default: a GPU if there is one")
    parser.add_argument("--dry-run", action="store_true", help="tiny networks")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bytecode", action="store_true", help="runs with bytecode as well")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "STARTED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        folder, started = options.child
        first_mesh(folder, options.resolution, options.device, float(started))
        return
    runs: list[Any] = []
    with tempfile.TemporaryDirectory() as name:
        write_model(Path(name), options.model, options.device, options.dry_run)
        size = (Path(name) / "model.fp16.safetensors").stat().st_size
        ways = [False, True] if options.bytecode else [False]
        for bytecode in [way for way in ways for _ in range(options.repeats)]:
            command = [sys.executable, "-m", "benchmarks.cold_start"]
            command += ["--resolution", str(options.resolution)]
            command += ["--device", options.device] if options.device else []
            command += ["--child", name, str(time.time())]
            environment = {**os.environ, "HY3DGEN_DATA": str(Path(name, "data"))}
            environment.pop("TRITON_CACHE_DIR", None)
            if bytecode:
                environment |= {"PYTHONPYCACHEPREFIX": str(Path(name, "bytecode"))}
                environment.pop("PYTHONDONTWRITEBYTECODE", None)
            said = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True, env=environment
            ).stdout
            runs.append({"bytecode": bytecode} | json.loads(said.splitlines()[-1]))
            print(runs[-1], flush=True)
    if options.json:
        result = {"model": options.model, "file_mb": size >> 20, "dry_run": options.dry_run}
        result |= {"resolution": options.resolution, "faces": FACES}
        result |= {"device": device_name(options.device), "runs": runs}
        options.json.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
