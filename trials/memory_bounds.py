# SPDX-License-Identifier: Apache-2.0
"""What foreign data may cost in main memory: for each reader the worst that is known, and its cap.

    python -m trials.memory_bounds [--json FILE]

A cap is a number of bytes, or a multiple of the input's size, which is that of its file, or for
pictures four bytes a pixel, with 64 MB for what is made once. Meant for Linux, which counts peaks.
"""

import argparse
import functools
import io
import json
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hy3dgen.errors import Hy3DError
from hy3dgen.memory import give_back_freed, peak_memory
from trials.hostile_targets import TARGETS
from trials.soak_jobs import bumpy_sphere

ONCE = 64 << 20
SIDE = 3000  # pixels of the pictures here; what each costs grows with their number
MESHES = ("glb", "obj", "ply", "stl")


class Case(NamedTuple):
    """`make` gives the input, and its size where that is not its length; `reader` takes it."""

    reader: str  # of hostile_targets
    make: Callable[[], tuple[bytes, int | None]]
    times: float = 0.0  # the input's size
    most: int = 0  # bytes
    refused: bool = False


# --- inputs ---------------------------------------------------------------------------------------


def _picture(mode: str, kind: str = "PNG") -> tuple[bytes, int]:
    from PIL import Image

    buffer = io.BytesIO()
    options = {"transparency": 0} if mode == "P" else {}
    Image.new(mode, (SIDE, SIDE)).save(buffer, kind, **options)
    return buffer.getvalue(), 4 * SIDE * SIDE


def _bomb() -> tuple[bytes, int]:
    """A PNG that promises 2,500 megapixels."""
    good, _ = _picture("L")
    return good[:16] + struct.pack(">II", 50_000, 50_000) + good[24:], len(good)


def _text(form: str, filling: str, count: int) -> tuple[bytes, None]:
    return (form % (filling * count)).encode(), None


def _safetensors(header: str) -> tuple[bytes, None]:
    return struct.pack("<Q", len(header)) + header.encode(), None


def _many_tensors() -> tuple[bytes, None]:
    header = json.dumps(
        {str(i): {"dtype": "U8", "shape": [1], "data_offsets": [i, i + 1]} for i in range(27_000)}
    )
    return struct.pack("<Q", len(header)) + header.encode() + bytes(27_000), None


def _shared_tensors() -> tuple[bytes, None]:
    """A thousand tensors of a megabyte, all in the same place."""
    entry = {"dtype": "F16", "shape": [1 << 19], "data_offsets": [0, 1 << 20]}
    header = json.dumps({str(i): entry for i in range(1000)})
    return struct.pack("<Q", len(header)) + header.encode() + bytes(1 << 20), None


def _archive(lists: int, packed: bool = False) -> tuple[bytes, None]:
    """A .ckpt whose description holds so many empty lists."""
    import torch

    whole, changed = io.BytesIO(), io.BytesIO()
    torch.save({"a": torch.ones(3)}, whole)
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(changed, "w", method) as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith("data.pkl"):
                content = b"\x80\x02}(X\x01\x00\x00\x00a](" + b"]" * lists + b"eu."
            target.writestr(entry.filename, content)
    return changed.getvalue(), None


def _old_archive(lists: int) -> tuple[bytes, None]:
    import torch

    whole = io.BytesIO()
    torch.save({"a": torch.ones(3)}, whole, _use_new_zipfile_serialization=False)
    head, mark, _ = whole.getvalue().partition(b"X\x01\x00\x00\x00a")
    return head + mark + b"](" + b"]" * lists + b"eu.", None


def _mesh(ending: str, ascii_: bool = False) -> tuple[bytes, None]:
    import trimesh

    mesh = trimesh.Trimesh(*bumpy_sphere(150), process=False)
    if ascii_:
        mesh_bytes = (
            mesh.export(file_type="stl_ascii")
            if ending == "stl"
            else mesh.export(file_type="ply", encoding="ascii")
        )
    else:
        mesh_bytes = mesh.export(file_type=ending)
    return mesh_bytes.encode() if isinstance(mesh_bytes, str) else mesh_bytes, None


def _glb(**changes: object) -> tuple[bytes, None]:
    """A few triangles, with parts of the description exchanged."""
    good, _ = _mesh("glb")
    length = int.from_bytes(good[12:16], "little")
    text = json.dumps(json.loads(good[20 : 20 + length]) | changes).encode()
    text += b" " * (-len(text) % 4)
    rest = good[20 + length :]
    total = 20 + len(text) + len(rest)
    return struct.pack("<4sIII4s", b"glTF", 2, total, len(text), b"JSON") + text + rest, None


def _nothing_there() -> tuple[bytes, None]:
    accessor = {"componentType": 5126, "count": 300_000_000, "type": "VEC3"}
    return _glb(accessors=[accessor], meshes=[{"primitives": [{"attributes": {"POSITION": 0}}]}])


def _everywhere() -> tuple[bytes, None]:
    """One mesh in two thousand places."""
    nodes = [{"mesh": 0} for _ in range(2000)]
    return _glb(nodes=nodes, scene=0, scenes=[{"nodes": list(range(2000))}])


def _arrays() -> tuple[bytes, None]:
    vertices, faces = bumpy_sphere(100)  # fewer than 65,536, which the header can tell
    head = struct.pack("<HHi", len(vertices), 0, len(faces) // 4)
    return head + vertices.tobytes() + faces.tobytes(), None


_BRACKETS = '{"a":[%s[]]}'
_LINE = '{"type":"result","request":1,"values":{"a":[%s[]]},"arrays":[]}'
CASES: dict[str, Case] = {
    **{
        f"picture, {mode} {kind}": Case("pictures", functools.partial(_picture, mode, kind), 4.5)
        for mode, kind in (
            *(("RGBA", "PNG"), ("RGB", "PNG"), ("P", "PNG"), ("LA", "PNG"), ("I;16", "PNG")),
            *(("1", "PNG"), ("CMYK", "TIFF"), ("F", "TIFF"), ("L", "JPEG"), ("RGB", "WEBP")),
        )
    },
    "picture of 2,500 megapixels": Case("pictures", _bomb, most=ONCE, refused=True),
    "config of brackets": Case(
        "yaml", lambda: _text("model: [%s]\nvae: 1\n", "[],", 33_000), most=ONCE
    ),
    "config of 10 MB": Case(
        "yaml", lambda: _text("model: [%s]\nvae: 1\n", "[],", 3_300_000), most=ONCE, refused=True
    ),
    "header of brackets": Case(
        "safetensors", lambda: _safetensors(_BRACKETS % ("[]," * 627_000)), most=256 << 20,
        refused=True,
    ),
    "header of 90 MB": Case(
        "safetensors", lambda: _safetensors(_BRACKETS % ("[]," * 30_000_000)), most=ONCE,
        refused=True,
    ),
    "27,000 tensors": Case("safetensors", _many_tensors, most=256 << 20),
    "tensors in one place": Case("safetensors-numpy", _shared_tensors, most=ONCE, refused=True),
    "description of brackets": Case("ckpt", lambda: _archive(950_000), most=256 << 20),
    "description of 20 MB": Case("ckpt", lambda: _archive(20_000_000), most=ONCE, refused=True),
    "description, packed": Case(
        "ckpt", lambda: _archive(20_000_000, packed=True), most=ONCE, refused=True
    ),
    "description, old format": Case(
        "ckpt", lambda: _old_archive(20_000_000), most=256 << 20, refused=True
    ),
    **{f"{ending} file": Case(ending, functools.partial(_mesh, ending), 24) for ending in MESHES},
    "ply file in words": Case("ply", lambda: _mesh("ply", ascii_=True), 24),
    "stl file in words": Case("stl", lambda: _mesh("stl", ascii_=True), 24),
    "glb without bytes": Case("glb", _nothing_there, most=ONCE, refused=True),
    "glb of 2,000 copies": Case("glb", _everywhere, most=ONCE, refused=True),
    "line of brackets": Case("lines", lambda: _text(_LINE, "[],", 340_000), most=ONCE),
    "arrays at the kernel": Case("arrays", _arrays, times=24),
}  # fmt: skip


def measure(name: str) -> dict:
    """One case, its reader having read something small before."""
    case = CASES[name]
    data, size = case.make()
    size = len(data) if size is None else size
    target = TARGETS[case.reader]
    with tempfile.TemporaryDirectory(prefix="hy3d-trial-") as folder:
        target.read(target.samples()[0], Path(folder))
        give_back_freed()
        began = time.process_time()
        refused = False
        with peak_memory() as peak:
            try:
                target.read(data, Path(folder))
            except Hy3DError:
                refused = True
        seconds = time.process_time() - began
    more = peak.bytes - peak.before
    cap = case.most or int(case.times * size) + ONCE
    return {
        "input_mb": round(size / 1e6, 3), "more_mb": round(more / 1e6, 1),
        "cap_mb": round(cap / 1e6, 1), "seconds": round(seconds, 2), "refused": refused,
        "kept": more <= cap and refused is case.refused,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    report = {}
    for name in CASES:
        report[name] = measure(name)
        sys.stdout.write(f"{name:28} {json.dumps(report[name])}\n")
        sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.exit(", ".join(name for name, found in report.items() if not found["kept"]) or 0)


if __name__ == "__main__":
    main()
