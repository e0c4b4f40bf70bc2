# SPDX-License-Identifier: Apache-2.0
"""Rows of a transformer block as inputs of products of eight-bit floats, by what makes the rows.

`cuda/float8.cu` rounds in the kernel that norms, activates or joins, so a product's inputs are
written once and in eight bits. The plain functions are here; `float8` multiplies.
"""

import ctypes
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .float8 import FLOAT8, Float8Rows, has_float8_products, plain_to_float8
from .fused_reduce import Kernels
from .transformer_kernels import LANES, NOTHING, TYPES, WIDTH
from .tried_kernels import TriedKernels, of_sources

SOURCES = ("float8",)
HIDDEN = 4096  # of a hidden layer's rows that the kernels are made for


def float8_row_kernels(device: torch.device) -> Kernels | None:
    """Kernels for rows of a device, or None: compiled and tried at the first call for it."""
    return KERNELS.on(device) if has_float8_products(device) else None


def _error_of(kernels: Kernels, device: torch.device) -> float:
    """Part of the whole; numbers near the middle of two codes become either."""
    generator = torch.Generator(device).manual_seed(0)
    rows = torch.randn(5, WIDTH + HIDDEN, generator=generator, device=device)
    x, hidden = rows.half().split([WIDTH, HIDDEN], dim=1)
    got = room_for(5, WIDTH + HIDDEN, x)
    codes_of(kernels, got, Places(5, 5, 0, 0), x, hidden)
    want = plain_codes_of(x, hidden)
    error = (got.codes.float() * got.steps - want.codes.float() * want.steps).norm()
    return float(error / (want.codes.float() * want.steps).norm())


KERNELS = TriedKernels(
    of_sources(*SOURCES), "Products of eight bits run without fused kernels", _error_of
)


class Places(NamedTuple):
    """Which rows of the codes the rows of a source become.

    Of every `tokens` rows the first `before` go one after the other from row `first` on, the others
    from row `second` on.
    """

    tokens: int
    before: int
    first: int
    second: int


class _Places(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int) for name in Places._fields)


def room_for(rows: int, width: int, like: Tensor) -> Float8Rows:
    """Rows to be filled."""
    codes = like.new_empty(rows, width, dtype=FLOAT8)
    return Float8Rows(codes, like.new_empty(rows, 1, dtype=torch.float32))


def gated_norm_codes(
    kernels: Kernels,
    x: Tensor,
    y: Tensor | None,
    gate: Tensor | None,
    shift: Tensor,
    scale: Tensor,
) -> Float8Rows:
    """`transformer_kernels.gated_norm` of rows `(M, D)`, whose result is rounded."""
    rows = room_for(len(x), WIDTH, x)
    kernels.launch(
        f"gated_norm_codes_{TYPES[x.dtype]}", len(x) * LANES, len(x),
        WIDTH if y is None else y.stride(-2), x,
        *(NOTHING if part is None else part for part in (y, gate, shift, scale)), *rows,
    )  # fmt: skip
    return rows


def codes_of(
    kernels: Kernels,
    target: Float8Rows,
    places: Places,
    x: Tensor | None,
    hidden: Tensor | None,
) -> None:
    """Rounds rows `[x | gelu(hidden)]` into `target`; one of the two may be missing.

    Parameters
    ----------
    x, hidden : (M, WIDTH) and (M, HIDDEN); may be parts of wider rows, of a multiple of 8 numbers
    """
    name = (
        "both" if x is not None and hidden is not None else "rows" if hidden is None else "hidden"
    )
    source = hidden if x is None else x
    parts = [
        part
        for tensor in (x, hidden)
        for part in ((0, NOTHING) if tensor is None else (tensor.stride(0), tensor))
    ]
    kernels.launch(
        f"codes_of_{name}_{TYPES[source.dtype]}", len(source) * LANES, len(source), *parts,
        _Places(*places), *target,
    )  # fmt: skip


def plain_codes_of(x: Tensor | None, hidden: Tensor | None) -> Float8Rows:
    """What `codes_of` computes, the plain way, row after row."""
    parts = [] if x is None else [x]
    if hidden is not None:
        parts.append(F.gelu(hidden.float(), approximate="tanh").to(hidden.dtype))
    return plain_to_float8(torch.cat(parts, dim=1))
