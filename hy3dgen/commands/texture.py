# SPDX-License-Identifier: Apache-2.0
"""`hy3dgen texture`: a mesh file painted in the colours of a picture, into another file."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hy3dgen.commands.terminal import ProgressLine, count, say, tell
from hy3dgen.errors import InvalidSettingError
from hy3dgen.mesh import TriangleMesh
from hy3dgen.mesh.cleanup import weld
from hy3dgen.mesh.files import as_one_mesh, check_format, load_mesh, save_mesh
from hy3dgen.mesh.uv_map import from_corners
from hy3dgen.texgen.transfer import LARGE_MESH, REDUCED_FACES
from hy3dgen.texgen.uv_overlap import NOTICED, sentence

if TYPE_CHECKING:
    import trimesh

_WITH_TEXTURE = (".glb", ".obj")
_PASSED_ON = (
    "texture_size", "unwrap", "model", "subfolder", "seed", "num_inference_steps",
    "guidance_scale", "delight", "low_memory", "allow_download", "full_detail",
)  # fmt: skip


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "texture",
        help="the colours of a picture for a mesh file",
        description="Paint a mesh in the colours of a picture. Without a model the picture is laid "
        "onto the side that it shows, and the rest is filled from what is next to it.",
    )
    parser.add_argument("mesh", type=Path, help="GLB, OBJ, PLY or STL; y up, looking along +z")
    parser.add_argument("picture", type=Path)
    parser.add_argument("output", type=Path, help="the GLB or OBJ file to write")
    parser.add_argument(
        "--size", type=count, dest="texture_size", default=1024, metavar="N",
        help="pixels along a side of the texture; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--unwrap", choices=("box", "xatlas", "keep"), default="xatlas",
        help="where faces are on the texture: by xatlas, from six sides, or the file's own UVs; "
        "default: %(default)s, and from six sides where that takes too long",
    )  # fmt: skip
    parser.add_argument(
        "--faces", type=count, metavar="N",
        help=f"paint a mesh reduced to so many; default: {REDUCED_FACES:,} for meshes of more than "
        f"{LARGE_MESH:,} without UVs to keep, else all",
    )  # fmt: skip
    parser.add_argument(
        "--full-detail", action="store_true",
        help="bring the texture of a reduced mesh to all faces again",
    )  # fmt: skip
    parser.add_argument("--model", help="folder or repository of a painting model")
    parser.add_argument("--subfolder", help="of the model; default: the turbo one")
    parser.add_argument("--seed", type=int, help="of a model; default: 0")
    parser.add_argument("--steps", type=count, dest="num_inference_steps", metavar="N")
    parser.add_argument("--guidance", type=float, dest="guidance_scale", metavar="G")
    parser.add_argument(
        "--keep-light", action="store_false", dest="delight", help="leave light and shadow in"
    )
    parser.add_argument(
        "--low-memory", action="store_true", default=None,
        help="little of a GPU's memory; default: if less than 10 GB are free",
    )  # fmt: skip
    parser.add_argument("--allow-download", action="store_true", help="fetch a missing model")
    parser.add_argument("--json", action="store_true", help="a line of JSON")
    parser.add_argument("--quiet", action="store_true", help="print only warnings and errors")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if check_format(options.output) not in _WITH_TEXTURE:
        raise InvalidSettingError(
            f"{options.output} cannot hold a texture; give a file that ends in .glb or .obj"
        )
    start = time.monotonic()
    with ProgressLine(options.mesh.name, options.quiet) as line:
        line.stage("read")
        loaded = as_one_mesh(load_mesh(options.mesh))
        mesh = TriangleMesh(np.asarray(loaded.vertices), np.asarray(loaded.faces))
        if options.unwrap != "keep":
            mesh = weld(mesh)  # files cut a surface at seams, STL files at every edge
        values, arrays = _texturer()(
            _params(options), _arrays(loaded, mesh, options.unwrap), _Told(line, options.interrupts)
        )
        line.stage("write")
        save_mesh(_textured(mesh, arrays), options.output)
    if values.get("overlapping_uvs", 0) > NOTICED:
        say(sentence(values["overlapping_uvs"]))
    seconds = time.monotonic() - start
    if not options.quiet:
        painted = f", of which {values['faces']:,} were painted" * (
            values["faces"] < len(mesh.faces) and options.full_detail
        )
        faces = len(arrays.get("faces", mesh.faces))
        say(f"{options.mesh.name}: {faces:,} faces{painted}, {seconds:.1f} s -> {options.output}")
    if options.json:
        told = {"faces_before": len(mesh.faces), "seconds": round(seconds, 3)}
        tell({"input": options.mesh, "output": options.output} | values | told)
    return 0


class _Told:
    """What a task speaks with, here a line of a terminal."""

    def __init__(self, line: ProgressLine, interrupts: Any) -> None:
        self._line, self._interrupts = line, interrupts

    def progress(self, stage: str, step: int, total: int) -> None:
        self._interrupts.check()
        self._line.stage(stage, step, total)

    def preview(self, arrays: Any) -> None:
        self._interrupts.check()


def _texturer() -> Any:
    from importlib.util import find_spec

    from hy3dgen.worker.engines import NumpyEngine, TorchEngine
    from hy3dgen.worker.texturing import Texturer

    lacks = "this Python lacks PyTorch"
    return Texturer(TorchEngine() if find_spec("torch") else NumpyEngine(lacks))


def _params(options: argparse.Namespace) -> dict[str, Any]:
    params = {name: getattr(options, name) for name in _PASSED_ON}
    above = LARGE_MESH if options.faces is None else options.faces
    faces = options.faces or REDUCED_FACES
    return params | {
        "picture": str(options.picture), "reduce_above": above, "reduced_faces": max(faces, 4)
    }  # fmt: skip


def _arrays(loaded: "trimesh.Trimesh", mesh: TriangleMesh, unwrap: str) -> dict[str, np.ndarray]:
    arrays = {"vertices": mesh.vertices, "faces": mesh.faces}
    uvs = getattr(loaded.visual, "uv", None)
    if unwrap == "keep" and uvs is not None:
        arrays["uvs"] = np.asarray(uvs, np.float32)[mesh.faces.ravel()]
    return arrays


def _textured(mesh: TriangleMesh, arrays: dict[str, np.ndarray]) -> "trimesh.Trimesh":
    from hy3dgen.texgen.materials import from_gltf, textured_trimesh

    vertices, faces = (arrays.get(name, getattr(mesh, name)) for name in ("vertices", "faces"))
    uv_map = from_corners(arrays["uvs"], faces)
    surface = arrays.get("metallic_roughness")
    return textured_trimesh(
        vertices[uv_map.vertices],
        uv_map.faces,
        uv_map.uvs,
        arrays["colour"],
        None if surface is None else from_gltf(surface),
    )
