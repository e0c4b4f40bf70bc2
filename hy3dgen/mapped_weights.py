# SPDX-License-Identifier: Apache-2.0
"""Tensors of a safetensors file, each memory-mapped on its own.

A tensor's pages are read when it is used, straight from the file, and go when it goes: a model that
moves to a device tensor by tensor never lies in host memory as a whole. The file's layout: the
length of a JSON header as 8 little-endian bytes, the header, which names each tensor's place in the
bytes after it, and those bytes.
"""

import ctypes
import functools
import itertools
import json
import mmap
import os
import struct
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

# Bytes; the format allows 100 million, published models have some 200,000. For the smallest tensors
# that it can describe, each in pages of its own, it takes a second and 200 MB.
_LONGEST_HEADER = 2_000_000


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Each tensor's entry (`dtype`, `shape`, `data_offsets`), and where the bytes start.

    Raises
    ------
    CheckpointError
        The file is cut off, longer than its header says, or is something else.
    """
    size = path.stat().st_size
    again = "download or copy it again."
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            raise CheckpointError(f"{path} has only {size} bytes, so it is no weight file; {again}")
        (length,) = struct.unpack("<Q", start)
        if length > _LONGEST_HEADER or length < 2:
            raise CheckpointError(f"{path} is not a safetensors file, or is damaged; {again}")
        raw = file.read(length)
    try:
        if len(raw) < length:
            raise CheckpointError(
                f"{path} is cut off: it has {size:,} bytes, less than its own header; {again}"
            )
        header = {name: entry for name, entry in json.loads(raw).items() if name[:2] != "__"}
        places = sorted(entry["data_offsets"] for entry in header.values())
        # As the format wants them: one after the other. A place that several tensors share costs
        # its size for each of them.
        apart = all(one[1] == next_[0] for one, next_ in itertools.pairwise([[0, 0], *places]))
        wanted = 8 + length + max((end for _, end in places), default=0)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} has a damaged header; {again}") from error
    if size != wanted:
        state = "cut off" if size < wanted else "longer than its header says"
        raise CheckpointError(f"{path} is {state}: {size:,} bytes of {wanted:,}; {again}")
    if not apart:
        raise CheckpointError(f"{path} has tensors that overlap, or gaps between them; {again}")
    return header, 8 + length


def map_safetensors(path: Path) -> "dict[str, Tensor]":
    """All tensors of a file, on the CPU; writing to them does not change the file."""
    import torch

    types = {
        "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
        "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
        "U8": torch.uint8, "BOOL": torch.bool,
        "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,  # for storage only
    }  # fmt: skip
    header, start = read_header(path)
    tensors = {}
    with path.open("rb") as file:
        for name, entry in header.items():
            try:
                dtype = types[entry["dtype"]]
                shape = [int(side) for side in entry["shape"]]
                first, last = (int(offset) for offset in entry["data_offsets"])
            except (KeyError, TypeError, ValueError) as error:
                raise CheckpointError(
                    f"{path} has the tensor {name} in a form that is not known "
                    f"({entry.get('dtype')}); use the published weight file."
                ) from error
            count = torch.Size(shape).numel()
            if min([first, *shape], default=0) < 0 or last - first != count * dtype.itemsize:
                raise CheckpointError(
                    f"{path} has {last - first} bytes for the tensor {name} of shape {shape}; "
                    "download or copy it again."
                )
            if count == 0:
                tensors[name] = torch.empty(shape, dtype=dtype)
                continue
            # A mapping starts at a multiple of the system's granularity.
            offset = (start + first) % mmap.ALLOCATIONGRANULARITY
            mapped = _map(file.fileno(), offset + last - first, start + first - offset)
            flat = torch.frombuffer(mapped, dtype=dtype, count=count, offset=offset)
            tensors[name] = flat.view(shape)
    return tensors


def _map(file: int, size: int, offset: int) -> Any:
    """A buffer with a part of a file; writing to it does not change the file.

    Python's own mappings keep a descriptor each (before 3.13 always). A model has more tensors than
    the 1,024 files that a process may usually open, or the 256 of macOS.
    """
    if os.name == "nt":
        return mmap.mmap(file, size, access=mmap.ACCESS_COPY, offset=offset)
    library = _c_library()
    address = library.mmap(
        None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE, file, offset
    )
    if address in (None, ctypes.c_void_p(-1).value):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    mapped = (ctypes.c_char * size).from_address(address)
    at_end = weakref.finalize(mapped, library.munmap, address, size)
    at_end.atexit = False  # the system does that, after the last use
    return mapped


@functools.cache
def _c_library() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    whole, place = ctypes.c_int, ctypes.c_void_p
    library.mmap.restype = place
    library.mmap.argtypes = [place, ctypes.c_size_t, whole, whole, whole, ctypes.c_int64]
    library.munmap.argtypes = [place, ctypes.c_size_t]
    return library
