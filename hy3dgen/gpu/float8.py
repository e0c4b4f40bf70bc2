# SPDX-License-Identifier: Apache-2.0
"""Matrix products of eight-bit floats (e4m3) with a scale for each row, and rounding to them.

On a CUDA GPU of compute capability 8.9 or more the product runs on its tensor cores. Elsewhere the
same values are multiplied in float32, which shows what the rounding costs.
"""

import logging
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

logger = logging.getLogger(__name__)

FLOAT8 = torch.float8_e4m3fn
LARGEST = 448.0  # that the format knows


class Float8Rows(NamedTuple):
    """Rows that stand for `codes * steps`: codes `(M, K)` of eight bits, steps `(M, 1)` float32."""

    codes: Tensor
    steps: Tensor


def has_float8_products(device: torch.device) -> bool:
    """Whether a device multiplies these numbers itself."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 9)


def to_float8(x: Tensor) -> Float8Rows:
    """The rows of `x (M, K)`, rounded so that the largest number of each is one of the format."""
    if x.is_cuda and x.stride(-1) == 1 and _kernel_works(x.device, x.dtype):
        from .float8_kernels import rounded_rows

        return Float8Rows(*rounded_rows(x))
    return plain_to_float8(x)


def plain_to_float8(x: Tensor) -> Float8Rows:
    """The plain way."""
    steps = x.float().abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / LARGEST
    return Float8Rows((x.float() / steps).clamp(-LARGEST, LARGEST).to(FLOAT8), steps)


def product(x: Tensor, weight: Float8Rows, bias: Tensor | None) -> Tensor:
    """`x (..., K)` times `weight (N, K)` in eight bits each, plus bias: `(..., N)` like `x`."""
    rows = product_of_rows(to_float8(x.reshape(-1, x.shape[-1])), weight, bias, x.dtype)
    return rows.unflatten(0, x.shape[:-1])


def product_of_rows(
    x: Float8Rows, weight: Float8Rows, bias: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """Rows `(M, K)` times `weight (N, K)`, plus bias: `(M, N)` in `dtype`."""
    out = _library_type(x.codes.device, dtype)
    if out is None:
        return plain_product(x, weight, bias).to(dtype)
    return _library_product(x, weight, None if bias is None else bias.to(out), out).to(dtype)


def plain_product(x: Float8Rows, weight: Float8Rows, bias: Tensor | None) -> Tensor:
    """The plain way, in float32."""
    rows = F.linear(x.codes.float(), weight.codes.float()) * x.steps * weight.steps.t()
    return rows if bias is None else rows + bias.float()


def _library_product(
    x: Float8Rows, weight: Float8Rows, bias: Tensor | None, dtype: torch.dtype
) -> Tensor:
    # Sums of a tensor core with fewer bits: far finer than what the rounding to e4m3 leaves.
    return torch._scaled_mm(
        x.codes, weight.codes.t(), scale_a=x.steps, scale_b=weight.steps.t(), bias=bias,
        out_dtype=dtype, use_fast_accum=True,
    )  # fmt: skip


@cache
def _library_type(device: torch.device, dtype: torch.dtype) -> torch.dtype | None:
    """In which type torch's product gives its result here; None where there is none. Tried once."""
    if not has_float8_products(device) or dtype not in (torch.float16, torch.bfloat16):
        return None
    generator = torch.Generator(device).manual_seed(0)
    x, weight = (
        plain_to_float8(torch.randn(rows, 64, generator=generator, device=device))
        for rows in (50, 96)
    )
    bias = torch.randn(96, generator=generator, device=device)
    want = plain_product(x, weight, bias)
    for out in dict.fromkeys((dtype, torch.bfloat16)):  # elder libraries know the latter only
        try:
            got = _library_product(x, weight, bias.to(out), out).float()
        except (RuntimeError, ValueError) as reason:
            logger.info("products of eight bits do not give %s here: %s", out, reason)
            continue
        if float((got - want).abs().max() / want.abs().max()) < 0.02:
            return out
        logger.info("products of eight bits are off here.")
    return None


@cache
def _kernel_works(device: torch.device, dtype: torch.dtype) -> bool:
    """Tried once against the plain way."""
    if find_spec("triton") is None:
        return False
    try:
        from .float8_kernels import rounded_rows

        generator = torch.Generator(device).manual_seed(0)
        x = torch.randn(333, 7, generator=generator, device=device, dtype=dtype)
        got, want = Float8Rows(*rounded_rows(x)), plain_to_float8(x)
        # A tie may go the other way where one divides and the other does not.
        error = (got.codes.float() - want.codes.float()).abs()
        error = float((error / want.codes.float().abs().clamp_min(1.0)).max())
        if error > 0.13 or not torch.allclose(got.steps, want.steps):
            raise RuntimeError(f"it is off by {error:.3g}")
    except Exception as reason:  # Triton's errors have no base of their own
        logger.info("rounding to eight bits goes in plain steps here: %s", reason)
        return False
    return True
