# SPDX-License-Identifier: Apache-2.0
"""What stands between the matrix products of a transformer block, in one kernel each.

Each function has its plain twin in the networks; `cuda/transformer.cu` is the same arithmetic, with
sums in float32 and one rounding where the plain functions round in between.
"""

import ctypes

import torch
from torch import Tensor

from .fused_reduce import Kernels
from .tried_kernels import TriedKernels, of_sources

WIDTH, HEAD = 1024, 64  # that the kernels are made for
SOURCES = ("transformer",)
TYPES = {torch.float16: "half", torch.bfloat16: "bfloat"}  # in names of kernels
LANES = 32  # threads for a row
NOTHING = ctypes.c_void_p(None)


def transformer_kernels(x: Tensor, width: int, head: int) -> Kernels | None:
    """Kernels for tensors like `x`, or None where the plain functions have to do.

    Compiled at the first call for a device; tried once on a small case and left if they differ.
    """
    fits = x.dtype in TYPES and (width, head) == (WIDTH, HEAD)
    return KERNELS.on(x.device) if fits else None


def _error_of(kernels: Kernels, device: torch.device) -> float:
    # A generator of its own, as other threads may draw numbers meanwhile.
    generator = torch.Generator(device).manual_seed(0)
    rows = torch.randn(5, WIDTH, generator=generator, device=device, dtype=torch.float16)
    x, (scale, shift) = rows[:3], rows[3:].unbind(0)
    got = gated_norm(kernels, x, None, None, shift, scale)
    want = torch.nn.functional.layer_norm(x.float(), (WIDTH,), eps=1e-6)
    return float((got.float() - (want * (1 + scale.float()) + shift.float())).abs().max())


KERNELS = TriedKernels(
    of_sources(*SOURCES), "Networks run without fused kernels, which is slower", _error_of
)


def gated_norm(
    kernels: Kernels,
    x: Tensor,
    y: Tensor | None,
    gate: Tensor | None,
    shift: Tensor | None,
    scale: Tensor | None,
) -> Tensor:
    """Adds `gate * y` to `x (..., D)` in place; its layer norm times `1 + scale` plus `shift`.

    `y` has x's shape and may be a part of wider rows; gate, shift and scale have D values. Without
    a `shift` nothing is normed, and x comes back.
    """
    rows = x.numel() // WIDTH
    normed = torch.empty_like(x) if shift is not None else None
    stride = WIDTH if y is None else y.stride(-2)
    kernels.launch(
        f"gated_norm_{TYPES[x.dtype]}", rows * LANES, rows, stride, x,
        *(NOTHING if part is None else part for part in (y, gate, shift, scale, normed)),
    )  # fmt: skip
    return x if normed is None else normed


def head_norms(
    kernels: Kernels,
    qkv: Tensor,
    q_weight: Tensor,
    k_weight: Tensor,
    targets: tuple[Tensor, Tensor, Tensor | None],
    skipped: int = 0,
) -> None:
    """Root-mean-square norms of the heads in `qkv (B, N, 3 D)` into parts of `targets`.

    Parameters
    ----------
    qkv : all of q, of k, of v in each row; rows may be parts of wider ones
    targets : q, k and v, each `(B, M, heads, HEAD)` contiguous, M at least skipped + N; v may be
        None and then stays where it is
    skipped : tokens of the targets that lie before
    """
    batch, tokens = qkv.shape[:2]
    all_tokens, heads = targets[0].shape[1:3]
    items = batch * tokens * heads
    q, k, v = targets
    kernels.launch(
        f"head_norm_{TYPES[qkv.dtype]}", items * LANES, items, heads, qkv.stride(1), tokens,
        skipped, all_tokens, qkv, q_weight, k_weight, q, k, NOTHING if v is None else v,
    )  # fmt: skip


class _Strides(ctypes.Structure):
    _fields_ = (
        ("batch", ctypes.c_longlong), ("head", ctypes.c_longlong), ("token", ctypes.c_longlong),
    )  # fmt: skip


def add_copies(
    kernels: Kernels,
    once: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_sums: Tensor,
    copies: int,
    scale: float,
) -> None:
    """Turns attention into that in which the first key is there `copies` times more, in place.

    Parameters
    ----------
    once : (B, H, N, HEAD), attention of q, k, v; like them in any layout with whole rows
    log_sums : (B, H, N) float32, logarithms of each query's sum of exponentials
    scale : of the products of queries and keys
    """
    items, heads, tokens = once.numel() // HEAD, once.shape[1], once.shape[2]

    def placed(x: Tensor) -> tuple[Tensor, _Strides]:
        return x, _Strides(*x.stride()[:3])

    kernels.launch(
        f"add_copies_{TYPES[once.dtype]}", items * LANES, items, heads, tokens, *placed(q),
        *placed(k), *placed(v), log_sums, float(copies), scale, *placed(once),
    )  # fmt: skip
