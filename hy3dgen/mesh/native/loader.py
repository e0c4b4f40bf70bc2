# SPDX-License-Identifier: Apache-2.0
"""Finds, loads and checks the kernel's library, and calls it on numpy arrays.

Calls release the GIL (ctypes does), so a mesh can be reduced on one thread while others run. The
callers check their arguments; here only the kernel's own statuses become exceptions.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import Cancelled, Hy3DError, InvalidMeshError, MissingDependencyError

ABI_VERSION = 8
METHODS = {"fast": 0, "quality": 1, "preview": 2}
MAX_THREADS = 64  # the kernel uses no more

_STRIP = 96  # HY3D_STRIP
_OK, _CANCELLED, _OUT_OF_MEMORY = 0, 1, 2

# (sys.platform, machine) -> file under lib/. build_tools/native.py writes the same names.
LIBRARY_NAMES = {
    ("linux", "x86_64"): "libhy3d_mesh-linux-x86_64.so",
    ("linux", "aarch64"): "libhy3d_mesh-linux-aarch64.so",
    ("win32", "x86_64"): "hy3d_mesh-windows-x86_64.dll",
    ("darwin", "x86_64"): "libhy3d_mesh-macos-x86_64.dylib",
    ("darwin", "aarch64"): "libhy3d_mesh-macos-aarch64.dylib",
}

_ProgressCallback = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_double)
_Size = ctypes.c_int64


class _Array:
    """A C-contiguous array of one dtype as an argument.

    As numpy's `ndpointer`, which makes a cycle of objects in each call for the collector to find.
    """

    def __init__(self, dtype: type[np.generic]) -> None:
        self._dtype = np.dtype(dtype)

    def from_param(self, array: np.ndarray) -> ctypes.c_void_p:
        if array.dtype != self._dtype or not array.flags.c_contiguous:
            raise TypeError(f"an array of {array.dtype}, wanted {self._dtype}, C-contiguous")
        return ctypes.c_void_p(array.ctypes.data)


_Floats, _Ints, _Bytes = _Array(np.float32), _Array(np.int32), _Array(np.uint8)
_Numbers, _Places = _Array(np.uint32), _Array(np.int64)
_SizeOut = ctypes.POINTER(ctypes.c_int64)

_SIGNATURES: dict[str, list[object]] = {
    "hy3d_weld": [
        *(_Floats, _Size, _Ints, _Size, ctypes.c_double),
        *(_Floats, _SizeOut, _Ints, _SizeOut),
    ],
    "hy3d_drop_faces": [_Ints, _Size, _Size, _Ints, _SizeOut],
    "hy3d_components": [_Ints, _Size, _Size, _Ints, _SizeOut],
    "hy3d_reduce": [
        *(_Floats, _Size, _Ints, _Size, _Size, ctypes.c_int32, ctypes.c_int32, _ProgressCallback),
        *(_Floats, _SizeOut, _Ints, _SizeOut),
    ],
    "hy3d_rasterize": [
        *(_Floats, _Size, _Ints, _Size, _Size, _Size, ctypes.c_void_p, ctypes.c_int32),
        *(_Ints, _Floats),
    ],
    "hy3d_interpolate": [
        *(_Floats, _Size, _Ints, _Ints, _Floats, _Size, ctypes.c_float, ctypes.c_int32, _Floats),
    ],
    "hy3d_spread": [_Bytes, _Size, _Size, _Size, _Bytes],
    "hy3d_splat": [_Floats, _Floats, _Size, _Size, _Size, _Size, _Floats, _Floats],
    "hy3d_edges": [_Bytes, _Size, _Size, ctypes.c_int32, ctypes.c_int32, _Bytes],
    "hy3d_fill_vertices": [
        *(_Floats, _Size, _Ints, _Size, _Ints, _Size, _ProgressCallback, _Bytes, _Floats),
    ],
    "hy3d_march": [
        _Bytes,
        _Size,
        _Size,
        _ProgressCallback,
        _Numbers,
        _Numbers,
        _Places,
        ctypes.c_void_p,
    ],
    "hy3d_inpaint": [
        *(_Bytes, _Size, _Size, _Numbers, _Numbers, _Places, ctypes.c_int32, _ProgressCallback),
    ],
}

Arrays = tuple[np.ndarray, np.ndarray]


class _Curves(ctypes.Structure):
    _fields_ = (
        ("values", ctypes.POINTER(ctypes.c_void_p)),
        ("widths", ctypes.c_void_p),
        ("tolerances", ctypes.c_void_p),
        ("value_count", ctypes.c_int32),
        ("labels", ctypes.POINTER(ctypes.c_void_p)),
        ("label_count", ctypes.c_int32),
        ("edges", ctypes.c_void_p),
    )


class _Correspondence(ctypes.Structure):
    _fields_ = (
        ("corners", ctypes.c_void_p),
        ("wedge_count", ctypes.c_int64),
        ("wedge_vertices", ctypes.c_void_p),
        ("wedge_faces", ctypes.c_void_p),
        ("wedge_weights", ctypes.c_void_p),
        ("faces", ctypes.c_void_p),
        ("edges", ctypes.c_void_p),
        ("scattered", ctypes.c_uint32),
    )


_SIGNATURES["hy3d_spawn"] = [
    *(ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(ctypes.c_char_p)),
    *(ctypes.c_char_p, _Ints),
]
_SIGNATURES["hy3d_reduce_attributes"] = [
    *(_Floats, _Size, _Ints, _Size, _Size, ctypes.c_int32, ctypes.c_int32, _ProgressCallback),
    *(ctypes.POINTER(_Curves), _Floats, _SizeOut, _Ints, _SizeOut),
    ctypes.POINTER(_Correspondence),
]


class Found(NamedTuple):
    """hy3d_correspondence of hy3d_mesh.h, with rows of three where it has three for each face."""

    corners: np.ndarray
    wedge_vertices: np.ndarray
    wedge_faces: np.ndarray
    wedge_weights: np.ndarray
    faces: np.ndarray
    edges: np.ndarray
    scattered: int


def library_path() -> Path:
    """Where this machine's library belongs, whether it is there or not."""
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    name = LIBRARY_NAMES.get((sys.platform, machine))
    if name is None:
        known = ", ".join(f"{system} {chip}" for system, chip in LIBRARY_NAMES)
        raise MissingDependencyError(
            f"There is no mesh kernel for {sys.platform} on {machine}; it exists for {known}."
        )
    return Path(__file__).parent / "lib" / name


def native_available() -> bool:
    """True if the kernel can be used here."""
    try:
        _library()
    except MissingDependencyError:
        return False
    return True


def weld(vertices: np.ndarray, faces: np.ndarray, tolerance: float) -> Arrays:
    """Merge equal or close vertices; drop faces that fall together and unused vertices."""
    out_vertices, out_faces = np.empty_like(vertices), np.empty_like(faces)
    vertex_count, face_count = _Size(), _Size()
    status = _library().hy3d_weld(
        *(vertices, len(vertices), faces, len(faces), tolerance),
        *(out_vertices, vertex_count, out_faces, face_count),
    )
    _raise_for(status)
    return out_vertices[: vertex_count.value].copy(), out_faces[: face_count.value].copy()


def drop_faces(faces: np.ndarray, vertex_count: int) -> np.ndarray:
    """`faces` without those that use a vertex twice, and without repetitions."""
    out_faces, face_count = np.empty_like(faces), _Size()
    _raise_for(_library().hy3d_drop_faces(faces, len(faces), vertex_count, out_faces, face_count))
    return out_faces[: face_count.value].copy()


def components(faces: np.ndarray, vertex_count: int) -> tuple[np.ndarray, int]:
    """Component number of each face, (F,) int32, and how many components there are."""
    labels, count = np.empty(len(faces), np.int32), _Size()
    _raise_for(_library().hy3d_components(faces, len(faces), vertex_count, labels, count))
    return labels, count.value


def reduce(
    vertices: np.ndarray,
    faces: np.ndarray,
    target_faces: int,
    method: str,
    progress: Callable[[float], object] | None,
    threads: int = 0,
) -> Arrays:
    """Collapse edges until `target_faces` faces remain.

    `method` is a key of METHODS; 0 threads are as many as the machine runs at once.
    """
    callback, raised = _callback(progress)
    out_vertices, out_faces = np.empty_like(vertices), np.empty_like(faces)
    vertex_count, face_count = _Size(), _Size()
    status = _library().hy3d_reduce(
        *(vertices, len(vertices), faces, len(faces), target_faces),
        *(METHODS[method], threads, callback),
        *(out_vertices, vertex_count, out_faces, face_count),
    )
    if raised:
        raise raised[0]
    _raise_for(status)
    return out_vertices[: vertex_count.value].copy(), out_faces[: face_count.value].copy()


def reduce_with_curves(
    vertices: np.ndarray,
    faces: np.ndarray,
    target_faces: int,
    method: str,
    progress: Callable[[float], object] | None,
    threads: int,
    values: Sequence[np.ndarray],
    tolerances: Sequence[float],
    labels: Sequence[np.ndarray],
    edges: np.ndarray | None,
) -> tuple[Arrays, Found]:
    """Like `reduce`, keeping what parts the surface and telling where values come from.

    `values` are (3F, C) float32, each with its tolerance, `labels` (F,) int32, `edges` (3F,) uint8;
    all C-contiguous.
    """
    widths = np.array([array.shape[1] for array in values], np.int32)
    limits = np.array(tolerances, np.float32)
    curves = _Curves(
        *(_pointers(values), widths.ctypes.data, limits.ctypes.data, len(values)),
        *(_pointers(labels), len(labels), None if edges is None else edges.ctypes.data),
    )
    # Untouched pages of these take no memory.
    per_corner = 3 * len(faces)
    corners, lines = np.empty(per_corner, np.int32), np.empty(per_corner, np.int32)
    wedge_vertices, wedge_faces = np.empty(per_corner, np.int32), np.empty(per_corner, np.int32)
    wedge_weights = np.empty((per_corner, 3), np.float32)
    middles = np.empty(len(faces), np.int32)
    found = _Correspondence(
        *(corners.ctypes.data, 0, wedge_vertices.ctypes.data, wedge_faces.ctypes.data),
        *(wedge_weights.ctypes.data, middles.ctypes.data, lines.ctypes.data, 0),
    )
    out_vertices, out_faces = np.empty_like(vertices), np.empty_like(faces)
    vertex_count, face_count = _Size(), _Size()
    callback, raised = _callback(progress)
    status = _library().hy3d_reduce_attributes(
        *(vertices, len(vertices), faces, len(faces), target_faces),
        *(METHODS[method], threads, callback, curves),
        *(out_vertices, vertex_count, out_faces, face_count, found),
    )
    if raised:
        raise raised[0]
    _raise_for(status)
    kept, wedges = face_count.value, found.wedge_count
    return (
        (out_vertices[: vertex_count.value].copy(), out_faces[:kept].copy()),
        Found(
            corners[: 3 * kept].reshape(-1, 3).copy(),
            wedge_vertices[:wedges].copy(),
            wedge_faces[:wedges].copy(),
            wedge_weights[:wedges].copy(),
            middles[:kept].copy(),
            lines[: 3 * kept].reshape(-1, 3).copy(),
            int(found.scattered),
        ),
    )


def bit_of(item: int) -> int:
    """Bit of `Found.scattered` for an item of values and labels, counted through."""
    return 8 + item % 21


def _pointers(arrays: Sequence[np.ndarray]) -> ctypes.Array:
    return (ctypes.c_void_p * max(1, len(arrays)))(*(array.ctypes.data for array in arrays))


def rasterize(
    points: np.ndarray,
    faces: np.ndarray,
    size: tuple[int, int],
    prior: np.ndarray | None = None,
    threads: int = 0,
) -> Arrays:
    """(H, W) int32 face numbers from 1, and (H, W, 3) float32 weights; see texgen/rasterizer.py."""
    out_faces = np.empty(size, np.int32)
    out_weights = np.empty((*size, 3), np.float32)
    status = _library().hy3d_rasterize(
        *(points, len(points), faces, len(faces), *size),
        *(None if prior is None else prior.ctypes.data, threads, out_faces, out_weights),
    )
    _raise_for(status)
    return out_faces, out_weights


def interpolate(
    attributes: np.ndarray,
    faces: np.ndarray,
    numbers: np.ndarray,
    weights: np.ndarray,
    background: float,
    threads: int = 0,
) -> np.ndarray:
    """(…, C) vertex attributes (V, C) at drawn pixels, `background` where no face is."""
    channels = attributes.shape[1]
    out = np.empty((*numbers.shape, channels), np.float32)
    status = _library().hy3d_interpolate(
        *(attributes, channels, faces, numbers, weights, numbers.size, background, threads, out)
    )
    _raise_for(status)
    return out


def spread(image: np.ndarray, radius: int) -> np.ndarray:
    """(H, W) uint8: 1 within `radius` pixels, across and down, of a pixel that is not 0."""
    out = np.empty_like(image)
    _raise_for(_library().hy3d_spread(image, *image.shape, radius, out))
    return out


def splat(places: np.ndarray, values: np.ndarray, sums: np.ndarray, weights: np.ndarray) -> None:
    """Add values (N, C) at places (N, 2) to `sums` (H, W, C) and their shares to `weights`."""
    height, width, channels = sums.shape
    _raise_for(
        _library().hy3d_splat(places, values, len(places), channels, height, width, sums, weights)
    )


def edges(image: np.ndarray, low: int, high: int) -> np.ndarray:
    """Canny's edges of an (H, W) uint8 image: 1 where there is one."""
    out = np.empty_like(image)
    _raise_for(_library().hy3d_edges(image, *image.shape, low, high, out))
    return out


def fill_vertices(
    positions: np.ndarray,
    faces: np.ndarray,
    waiting: np.ndarray,
    coloured: np.ndarray,
    colours: np.ndarray,
    progress: Callable[[float], object] | None,
) -> None:
    """Colour the `waiting` vertices in place; whatever `progress` raises ends it early."""
    callback, raised = _callback(progress)
    status = _library().hy3d_fill_vertices(
        *(positions, len(positions), faces, len(faces), waiting, len(waiting)),
        *(callback, coloured, colours),
    )
    if raised:
        raise raised[0]
    _raise_for(status)


class March(NamedTuple):
    """In which order the gaps of a picture are reached; see hy3d_march."""

    ranks: np.ndarray
    order: np.ndarray
    starts: np.ndarray
    levels: np.ndarray | None


def march(
    gaps: np.ndarray, progress: Callable[[float], object] | None = None, levels: bool = False
) -> March:
    """The order in which `inpaint` fills a picture where `gaps` (H, W) uint8 is not 0.

    `levels`: also which pixels do not wait for each other.
    """
    height, width = gaps.shape
    count = np.count_nonzero(gaps)
    found = March(
        np.empty((height + 2, width + 2), np.uint32),
        np.empty(count, np.uint32),
        np.empty(-(-(width + 2) // _STRIP) + 1, np.int64),
        np.zeros(count, np.uint32) if levels else None,
    )
    callback, raised = _callback(progress)
    deep = None if found.levels is None else found.levels.ctypes.data
    status = _library().hy3d_march(gaps, height, width, callback, *found[:3], deep)
    if raised:
        raise raised[0]
    _raise_for(status)
    return found


def inpaint(
    pixels: np.ndarray,
    way: March,
    progress: Callable[[float], object] | None = None,
    threads: int = 0,
) -> None:
    """Fill pixels (H, W, 3) uint8 in place in the gaps that `way` was made for.

    What `progress` raises ends it, with the pixels as they were.
    """
    callback, raised = _callback(progress)
    status = _library().hy3d_inpaint(pixels, *pixels.shape[:2], *way[:3], threads, callback)
    if raised:
        raise raised[0]
    _raise_for(status)


def spawn(
    program: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: str | os.PathLike[str] | None,
    streams: tuple[int, int, int],
) -> int:
    """The id of a started program (Linux); see hy3d_spawn.h and `hy3dgen/worker/spawn.py`."""
    variables = [f"{name}={value}" for name, value in environment.items()]
    status = _library().hy3d_spawn(
        *(_c_text(program), _c_texts(arguments), _c_texts(variables)),
        *(None if folder is None else _c_text(folder), np.array(streams, np.int32)),
    )
    if status < 0:
        raise OSError(-status, os.strerror(-status), program)
    return status


def _c_text(text: str | os.PathLike[str]) -> bytes:
    encoded = os.fsencode(text)
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    return encoded


def _c_texts(texts: Sequence[str]) -> ctypes.Array:
    return (ctypes.c_char_p * (len(texts) + 1))(*map(_c_text, texts), None)


def _callback(
    progress: Callable[[float], object] | None,
) -> tuple["ctypes._FuncPointer", list[BaseException]]:
    """`progress` for the kernel, and the list that takes what it raises.

    ctypes prints and forgets an exception that leaves a callback, so it is carried over instead. A
    Ctrl-C is raised where Python code begins to run again, which in a function would be before its
    `try`; a generator goes on in the middle of it.
    """
    raised: list[BaseException] = []
    if progress is None:
        return _ProgressCallback(), raised

    def listen() -> Generator[int, float, None]:
        answer = 0
        while True:
            try:
                progress((yield answer))
            except GeneratorExit:
                return
            except BaseException as error:
                raised.append(error)
                answer = 1

    listener = listen()
    next(listener)
    return _ProgressCallback(listener.send), raised


@cache
def _library() -> ctypes.CDLL:
    path = library_path()
    if not path.is_file():
        raise MissingDependencyError(
            f"The mesh kernel {path.name} is not built; in a checkout `python build.py test` "
            "builds it, and the packaged wheels carry it."
        )
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise MissingDependencyError(
            f"The mesh kernel {path.name} could not be loaded ({error}); rebuild it with "
            "`python build.py test`, or install the wheel made for this system."
        ) from error
    if library.hy3d_abi_version() != ABI_VERSION:
        raise MissingDependencyError(
            f"The mesh kernel {path.name} has interface {library.hy3d_abi_version()}, but this "
            f"package needs {ABI_VERSION}; rebuild it with `python build.py test`."
        )
    library.hy3d_status_text.restype = ctypes.c_char_p
    library.hy3d_status_text.argtypes = [ctypes.c_int32]
    for name, arguments in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype = ctypes.c_int32
        function.argtypes = arguments
    return library


def _raise_for(status: int) -> None:
    if status == _OK:
        return
    text = _library().hy3d_status_text(status).decode()
    if status == _CANCELLED:
        raise Cancelled("The mesh operation was cancelled.")
    if status == _OUT_OF_MEMORY:
        raise Hy3DError(f"The mesh kernel found {text}; close other programs or reduce in parts.")
    raise InvalidMeshError(f"The mesh kernel refused the mesh: {text}.")
