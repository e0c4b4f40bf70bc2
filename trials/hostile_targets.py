# SPDX-License-Identifier: Apache-2.0
"""Where foreign data comes in: good samples of each kind, and the reader that must cope with it.

A reader takes the bytes of one damaged sample and a folder for files. It may return, or raise a
`Hy3DError`; whatever else leaves it is a finding.
"""

import functools
import io
import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hy3dgen.errors import Hy3DError
from hy3dgen.picture_limits import FORMATS

if TYPE_CHECKING:
    from PIL import Image


class Target(NamedTuple):
    samples: Callable[[], list[bytes]]
    read: Callable[[bytes, Path], object]


# --- pictures -------------------------------------------------------------------------------------


def _pictures() -> list[bytes]:
    """Every format that is read, in the kinds of pixels that it has, and two that are refused."""
    from PIL import Image

    row, column = np.mgrid[0:48, 0:64]
    pixels = np.stack([row * 5, column * 3, row ^ column, 255 * (row > 8)], -1).astype(np.uint8)
    samples = []
    for name in (*FORMATS, "EPS", "PDF"):
        for mode in ("RGBA", "RGB", "P", "L", "1", "I;16"):
            picture = (
                Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
                if mode == "I;16"
                else Image.fromarray(pixels).convert(mode)
            )
            buffer = io.BytesIO()
            try:
                picture.save(buffer, name)
            except (OSError, ValueError, KeyError):
                continue  # a format without that kind of pixels, or that Pillow does not write
            samples.append(buffer.getvalue())
    return samples + _pictures_by_hand(Image.fromarray(pixels))


def _pictures_by_hand(picture: "Image.Image") -> list[bytes]:
    """Formats that Pillow reads and does not write: PSD, SUN, DCX, CUR, XPM."""
    width, height = picture.size
    opaque = picture.convert("RGB")
    planes = b"".join(channel.tobytes() for channel in opaque.split())
    psd = struct.pack(">4sH6xHIIHHIIIH", b"8BPS", 1, 3, height, width, 8, 3, 0, 0, 0, 0) + planes
    raster = opaque.tobytes()
    sun = struct.pack(">8I", 0x59A66A95, width, height, 24, len(raster), 1, 0, 0) + raster
    page, icon = io.BytesIO(), io.BytesIO()
    opaque.save(page, "PCX")
    dcx = struct.pack("<III", 0x3ADE68B1, 12, 0) + page.getvalue()
    picture.save(icon, "ICO", sizes=[(48, 48)], bitmap_format="bmp")
    cursor = bytearray(icon.getvalue())
    cursor[2] = 2
    lines = [f'"{width} {height} 2 1"', '"a c #102030"', '"b c #f0e0d0"']
    lines += [f'"{"ab" * (width // 2)}"'] * height
    xpm = "/* XPM */\nstatic char *x[] = {\n" + ",\n".join(lines) + "\n};\n"
    return [psd, sun, dcx, bytes(cursor), xpm.encode()]


def _read_picture(data: bytes, folder: Path) -> object:
    from hy3dgen.pictures import load_picture

    path = folder / "picture"
    path.write_bytes(data)
    return load_picture(path)


# --- meshes ---------------------------------------------------------------------------------------


def _meshes(ending: str) -> list[bytes]:
    import trimesh

    box, ball = trimesh.creation.box(), trimesh.creation.icosphere(1)
    ball.visual.vertex_colors = np.arange(4 * len(ball.vertices)).reshape(-1, 4) % 256
    samples = [box.export(file_type=ending), ball.export(file_type=ending)]
    if ending == "ply":
        samples.append(box.export(file_type="ply", encoding="ascii"))
    if ending == "stl":
        samples.append(box.export(file_type="stl_ascii"))
    return [text.encode() if isinstance(text, str) else text for text in samples]


def _read_mesh(ending: str, data: bytes, folder: Path) -> object:
    from hy3dgen.mesh import TriangleMesh
    from hy3dgen.mesh.files import as_one_mesh, load_mesh

    path = folder / f"mesh.{ending}"
    path.write_bytes(data)
    mesh = as_one_mesh(load_mesh(path))
    return TriangleMesh(np.asarray(mesh.vertices), np.asarray(mesh.faces))


# --- models ---------------------------------------------------------------------------------------


_TENSORS = {"model.a.weight": ("F32", [3, 4]), "vae.b": ("F16", [5])}
_MORE_TENSORS = {"vae.c": ("BF16", [2, 2]), "conditioner.d": ("I64", []), "e": ("BOOL", [0, 7])}


def _weights(tensors: dict[str, tuple[str, list[int]]]) -> list[bytes]:
    sizes = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8, "BOOL": 1}
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (dtype, shape) in tensors.items():
        size = sizes[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    raw = json.dumps(header).encode()
    return [struct.pack("<Q", len(raw)) + raw + bytes(range(end))]


def _read_weights(data: bytes, folder: Path) -> object:
    from hy3dgen.weights import read_weights

    path = folder / "model.safetensors"
    path.write_bytes(data)
    # A damaged file may lie about types and places; every byte it promises must be readable.
    return [tensor.clone() for tensor in read_weights(path).values()]


def _read_numpy_weights(data: bytes, folder: Path) -> object:
    from hy3dgen.numpy_forward.checkpoint import read_safetensors

    path = folder / "model.safetensors"
    path.write_bytes(data)
    return read_safetensors(path)


def _pickles() -> list[bytes]:
    import torch

    buffers = [io.BytesIO(), io.BytesIO()]
    state = {"model": {"a": torch.ones(3)}, "vae": {"b": torch.zeros(2, dtype=torch.float16)}}
    torch.save(state, buffers[0])
    torch.save(state, buffers[1], _use_new_zipfile_serialization=False)
    return [buffer.getvalue() for buffer in buffers]


def _read_pickle(data: bytes, folder: Path) -> object:
    from hy3dgen.weights import read_weights

    path = folder / "model.ckpt"
    path.write_bytes(data)
    return read_weights(path)


def _configs() -> list[bytes]:
    import hy3dgen

    published = Path(hy3dgen.__file__).parent / "assets" / "tiny" / "config.yaml"
    bomb = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (98 + i, 98 + i, b", ".join([b"*%c" % (97 + i)] * 9)) for i in range(9)
    )
    return [
        published.read_bytes(),
        b"model: []\nvae: 3\nscheduler: {target: os.system, params: {command: ls}}\n",
        b"model: *a\nvae: 3\nscheduler: {target: os.system, params: &a {b: *a}}\n",
        bomb + b"model: *j\nvae: *j\nconditioner: *j\nscheduler: *j\nimage_processor: *j\n",
        b"model: " + b"[" * 500 + b"]" * 500,
        b"? [1, 2]\n: 3\n1: 2\nmodel: 2001-02-30\n",
        b"x: !!python/object/apply:os.system [ls]\n",
    ]


def _read_config(data: bytes, folder: Path) -> object:
    from hy3dgen.shapegen.settings import instantiate_from_config
    from hy3dgen.weights import read_config

    path = folder / "config.yaml"
    path.write_bytes(data)
    config = read_config(path, ("model", "vae"))
    # The light parts; a network of a damaged size would only tell what torch can allocate.
    return [
        instantiate_from_config(config[name])
        for name in ("scheduler", "image_processor")
        if name in config
    ]


# --- the channel ----------------------------------------------------------------------------------


def _lines() -> list[bytes]:
    from hy3dgen.worker import protocol

    arrays = (protocol.ArrayDescriptor("vertices", "float32", (4, 3), 64, "0/w1"),)
    return [
        protocol.encode(message)
        for message in (
            protocol.Hello(protocol.PROTOCOL, "0.1.0", ("ping",), "cpu", "3.11", 1000, 7),
            protocol.Request(1, "reduce", {"face_count": 4, "method": "fast"}, arrays),
            protocol.Progress(1, "denoise", 3, 10, 1.5),
            protocol.Result(1, {"a": [1, {"b": None}]}, arrays),
            protocol.Failure(1, "InvalidMeshError", "what was found"),
            protocol.Release("0/c12"),
            protocol.Cancel(3),
        )
    ]


def _read_line(data: bytes, folder: Path) -> object:
    """Both directions, and the arrays that the line names: a block of 100 bytes is there."""
    from hy3dgen.worker import protocol
    from hy3dgen.worker.shared_arrays import SharedArrays

    (folder / "w1").write_bytes(bytes(100))
    found = []
    for accepted in (protocol.FROM_WORKER, protocol.FROM_CLIENT, (protocol.Hello,)):
        try:
            message = protocol.decode(data.rstrip(b"\n"), accepted)
            if hasattr(message, "arrays"):
                SharedArrays([folder], "c").read(protocol.descriptors_of(message))
            found.append(message)
        except Hy3DError as error:
            found.append(str(error))
    return found


# --- arrays at the mesh kernel --------------------------------------------------------------------


def _arrays() -> list[bytes]:
    vertices = np.random.default_rng(0).random((12, 3), np.float32)
    faces = np.array([[0, 1, 2], [2, 1, 3], [3, 4, 5], [6, 7, 8], [8, 7, 9], [9, 10, 11]], np.int32)
    return [struct.pack("<HHi", 12, 6, 3) + vertices.tobytes() + faces.tobytes()]


def _read_arrays(data: bytes, folder: Path) -> object:
    """Whatever bytes stand where vertices and faces are expected, through every operation."""
    from hy3dgen.mesh import TriangleMesh, clean, components, reduce_faces

    if len(data) < 8:
        return None
    vertex_count, _, target = struct.unpack("<HHi", data[:8])
    rest = data[8:]
    split = min(12 * vertex_count, len(rest) // 12 * 12)
    vertices = np.frombuffer(rest[:split], np.float32).reshape(-1, 3)
    faces = np.frombuffer(rest[split : split + (len(rest) - split) // 12 * 12], np.int32)
    mesh = TriangleMesh(vertices, faces.reshape(-1, 3))
    for method in ("fast", "quality", "preview"):
        reduce_faces(mesh, target, method)
    return clean(mesh), components(mesh)


TARGETS: dict[str, Target] = {
    "pictures": Target(_pictures, _read_picture),
    **{
        ending: Target(functools.partial(_meshes, ending), functools.partial(_read_mesh, ending))
        for ending in ("glb", "obj", "ply", "stl")
    },
    "safetensors": Target(lambda: _weights(_TENSORS | _MORE_TENSORS), _read_weights),
    "safetensors-numpy": Target(lambda: _weights(_TENSORS), _read_numpy_weights),
    "ckpt": Target(_pickles, _read_pickle),
    "yaml": Target(_configs, _read_config),
    "lines": Target(_lines, _read_line),
    "arrays": Target(_arrays, _read_arrays),
}
