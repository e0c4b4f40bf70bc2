# SPDX-License-Identifier: Apache-2.0
"""Layers of convolution networks, in one pass over memory where a GPU and Triton are at hand.

Everywhere else, and where a kernel does not give what torch gives, they are torch's own.
"""

import logging
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor, nn

logger = logging.getLogger(__name__)

_TOLERANCE = 0.02  # in 16 bits, for values of a few
_tried: dict[tuple[torch.device, torch.dtype], bool] = {}


def normed(norm: nn.GroupNorm, x: Tensor, activate: bool = True) -> Tensor:
    """The group norm of `(N, C, H, W)`, and then SiLU if asked; the order of memory is kept."""
    if _is_fused(x) and x.is_contiguous(memory_format=torch.channels_last):
        from .norm_kernels import group_norm

        return group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps, activate)
    x = norm(x)
    return F.silu(x) if activate else x


def gated(x: Tensor) -> Tensor:
    """`(…, 2 C)` -> `(…, C)`: the first half times GELU of the second."""
    if _is_fused(x) and x.is_contiguous():
        from .norm_kernels import gated_gelu

        return gated_gelu(x)
    value, gate = x.chunk(2, dim=-1)
    return value * F.gelu(gate)


def _is_fused(x: Tensor) -> bool:
    if not x.is_cuda or x.dtype not in (torch.float16, torch.bfloat16):
        return False
    key = (x.device, x.dtype)
    if key not in _tried:
        if torch.cuda.is_current_stream_capturing():
            return False
        _tried[key] = _try(*key)
    return _tried[key]


def _try(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernels give what torch gives, for sizes that fill a tile and that do not."""
    if find_spec("triton") is None:
        return False
    generator = torch.Generator(device).manual_seed(0)

    def values(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=device, dtype=dtype)

    try:
        from .norm_kernels import gated_gelu, group_norm

        for channels, side in ((320, 24), (128, 70), (960, 5)):
            x = (values(2, channels, side, side) * 2 + 0.5).contiguous(
                memory_format=torch.channels_last
            )
            weight, bias = values(channels), values(channels)
            for activate in (True, False):
                got = group_norm(x, 32, weight, bias, 1e-5, activate).float()
                want = F.group_norm(x.float(), 32, weight.float(), bias.float(), 1e-5)
                want = F.silu(want) if activate else want
                if not bool(((got - want).abs() <= _TOLERANCE * (1 + want.abs())).all()):
                    raise RuntimeError("a group norm differs from torch's")
        x = values(70, 2 * 1280)
        value, gate = x.float().chunk(2, dim=-1)
        if not bool(((gated_gelu(x).float() - value * F.gelu(gate)).abs() <= _TOLERANCE).all()):
            raise RuntimeError("a gated unit differs from torch's")
    except Exception as reason:  # a compiler has many ways to fail; torch's layers are always there
        logger.info("layers are torch's own here: %s", reason)
        return False
    return True
