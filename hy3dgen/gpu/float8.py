# SPDX-License-Identifier: Apache-2.0
"""Matrix products of eight-bit floats (e4m3) with one scale for each side, and rounding to them.

On a CUDA GPU of compute capability 8.9 or more the product runs on its tensor cores. Elsewhere the
same values are multiplied in float32, which shows what the rounding costs.
"""

import logging
from functools import cache
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor

logger = logging.getLogger(__name__)

FLOAT8 = torch.float8_e4m3fn
LARGEST = 448.0  # that the format knows


def has_float8_products(device: torch.device) -> bool:
    """Whether a device multiplies these numbers itself."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 9)


def to_float8(x: Tensor) -> tuple[Tensor, Tensor]:
    """`x` divided by a scale and rounded, and the scale, float32 without axes."""
    largest = torch.linalg.vector_norm(x, torch.inf, dtype=torch.float32)
    if x.is_cuda and x.is_contiguous() and _kernel_works(x.device, x.dtype):
        from .float8_kernels import divided

        return divided(x, largest)
    return plain_to_float8(x, largest)


def plain_to_float8(x: Tensor, largest: Tensor) -> tuple[Tensor, Tensor]:
    """The plain way; `largest` is that of all sizes in `x`."""
    scale = largest.clamp_min(1e-12) / LARGEST
    return (x.float() / scale).clamp(-LARGEST, LARGEST).to(FLOAT8), scale


def product(x: Tensor, weight: Tensor, weight_scale: Tensor, bias: Tensor | None) -> Tensor:
    """`x (..., K)` times `weight (N, K)` in eight bits each, plus bias: `(..., N)` like `x`."""
    codes, scale = to_float8(x.reshape(-1, x.shape[-1]))
    if has_float8_products(x.device) and x.dtype in (torch.float16, torch.bfloat16):
        rows = torch._scaled_mm(
            codes, weight.t(), scale_a=scale, scale_b=weight_scale, bias=bias, out_dtype=x.dtype
        )
    else:
        rows = plain_product(codes, scale, weight, weight_scale, bias).to(x.dtype)
    return rows.unflatten(0, x.shape[:-1])


def plain_product(
    codes: Tensor, scale: Tensor, weight: Tensor, weight_scale: Tensor, bias: Tensor | None
) -> Tensor:
    """The plain way, in float32."""
    rows = F.linear(codes.float(), weight.float()) * (scale * weight_scale)
    return rows if bias is None else rows + bias.float()


@cache
def _kernel_works(device: torch.device, dtype: torch.dtype) -> bool:
    """Tried once against the plain way."""
    if find_spec("triton") is None:
        return False
    try:
        from .float8_kernels import divided

        generator = torch.Generator(device).manual_seed(0)
        x = torch.randn(333, 7, generator=generator, device=device, dtype=dtype)
        largest = torch.linalg.vector_norm(x, torch.inf, dtype=torch.float32)
        got, want = divided(x, largest), plain_to_float8(x, largest)
        # A tie may go the other way where one divides and the other does not.
        error = (got[0].float() - want[0].float()).abs() / want[0].float().abs().clamp_min(1.0)
        if float(error.max()) > 0.13 or not torch.equal(got[1], want[1]):
            raise RuntimeError(f"it is off by {float(error.max()):.3g}")
    except Exception as reason:  # Triton's errors have no base of their own
        logger.info("rounding to eight bits goes in plain steps here: %s", reason)
        return False
    return True
