# SPDX-License-Identifier: Apache-2.0
"""Layers of convolution networks, in one pass over memory where a GPU and Triton are at hand.

Everywhere else, and where a kernel does not give what torch gives, they are torch's own.
"""

import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor, nn

logger = logging.getLogger(__name__)

_TOLERANCE = 0.02  # in 16 bits, for values of a few
_tried: dict[tuple[torch.device, torch.dtype], bool] = {}


def normed(
    norm: nn.GroupNorm,
    x: Tensor,
    activate: bool = True,
    before: Tensor | None = None,
    addend: Tensor | None = None,
) -> Tensor:
    """The group norm of `(N, C, H, W)`, and then SiLU if asked; the order of memory is kept.

    `before` (C,) and `addend` (N, C) are added to it first.
    """
    if is_fused(x) and x.is_contiguous(memory_format=torch.channels_last):
        from .norm_kernels import group_norm

        shifts = before, addend
        return group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps, activate, *shifts)
    for shift in (before, addend):
        x = x if shift is None else x + shift[..., None, None]
    x = norm(x)
    return F.silu(x) if activate else x


def convolved_and_normed(
    convolution: nn.Conv2d, x: Tensor, norm: nn.GroupNorm, addend: Tensor | None
) -> Tensor:
    """A convolution, to which `addend` (N, C) is added, its group norm, SiLU."""
    if is_fused(x):
        return normed(norm, _without_bias(convolution, x), True, convolution.bias, addend)
    return normed(norm, convolution(x), addend=addend)


def convolved_and_joined(
    convolution: nn.Conv2d, x: Tensor, shortcut: nn.Conv2d | None, start: Tensor
) -> Tensor:
    """A convolution of `x` added to `start`, or to the shortcut's convolution of that."""
    if is_fused(x):
        h = _without_bias(convolution, x)
        other = start if shortcut is None else _without_bias(shortcut, start)
        ordered = (one.is_contiguous(memory_format=torch.channels_last) for one in (h, other))
        if all(ordered):
            from .norm_kernels import join

            last = None if shortcut is None else shortcut.bias
            return join(h, other, convolution.bias, last)
    return (start if shortcut is None else shortcut(start)) + convolution(x)


def _without_bias(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """Torch adds a bias in a pass of its own."""
    return F.conv2d(x, convolution.weight, None, convolution.stride, convolution.padding)


def add_product(x: Tensor, layer: nn.Linear, inputs: Tensor) -> None:
    """Add `layer` of the inputs, but not its bias, to `x` (…, C), in place and in one product."""
    rows = x.view(-1, x.shape[-1])
    rows.addmm_(inputs.reshape(-1, inputs.shape[-1]), layer.weight.t())


def layer_normed(
    norm: nn.LayerNorm,
    x: Tensor,
    biases: Sequence[Tensor] = (),
    start: int = 0,
    after: Tensor | None = None,
) -> Tensor:
    """The norm of rows `(…, C)`, which get up to three biases (C,) before, in place.

    The third is for rows from `start` on. `after` (C,) is added to the rows, not to their norm.
    """
    if is_fused(x) and x.is_contiguous():
        from .norm_kernels import layer_norm

        return layer_norm(x, norm.weight, norm.bias, norm.eps, biases, start, after)
    rows = x.view(-1, x.shape[-1])
    for number, bias in enumerate(biases):
        rows[start if number == 2 else 0 :] += bias
    result = norm(x)
    if after is not None:
        rows += after
    return result


def gated(x: Tensor) -> Tensor:
    """`(…, 2 C)` -> `(…, C)`: the first half times GELU of the second."""
    if is_fused(x) and x.is_contiguous():
        from .norm_kernels import gated_gelu

        return gated_gelu(x)
    value, gate = x.chunk(2, dim=-1)
    return value * F.gelu(gate)


def is_fused(x: Tensor) -> bool:
    """Whether layers of `x` are these kernels."""
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
        _try_norms(values)
        _try_rows(values)
    except Exception as reason:  # a compiler has many ways to fail; torch's layers are always there
        logger.info("layers are torch's own here: %s", reason)
        return False
    return True


def _try_norms(values: Callable[..., Tensor]) -> None:
    from .norm_kernels import group_norm, join

    for channels, side in ((320, 24), (128, 70), (960, 5)):
        x, other = (
            (values(2, channels, side, side) * 2 + 0.5).contiguous(
                memory_format=torch.channels_last
            )
            for _ in range(2)
        )
        weight, bias, addend = values(channels), values(channels), values(2, channels)
        for shifts in ((None, None), (bias, None), (bias, addend)):
            shifted = x.float()
            for shift in shifts:
                shifted = shifted if shift is None else shifted + shift.float()[..., None, None]
            want = F.group_norm(shifted, 32, weight.float(), bias.float(), 1e-5)
            for activate in (True, False):
                got = group_norm(x, 32, weight, bias, 1e-5, activate, *shifts)
                _compare("a group norm", got, F.silu(want) if activate else want)
        want = x.float() + other.float() + (bias + weight).float()[:, None, None]
        _compare("a sum", join(x, other, bias, weight), want)


def _try_rows(values: Callable[..., Tensor]) -> None:
    from .norm_kernels import gated_gelu, layer_norm

    for channels in (320, 1280):
        x, weight, bias = values(70, channels), values(channels), values(channels)
        biases, after = list(values(3, channels)), values(channels)
        shifted = x.float() + biases[0].float() + biases[1].float()
        shifted[9:] += biases[2].float()
        want = F.layer_norm(shifted, (channels,), weight.float(), bias.float(), 1e-5)
        _compare("a norm", layer_norm(x, weight, bias, 1e-5, biases, 9, after), want)
        _compare("a sum of rows", x, shifted + after.float())
    x = values(70, 2 * 1280)
    value, gate = x.float().chunk(2, dim=-1)
    _compare("a gated unit", gated_gelu(x), value * F.gelu(gate))


def _compare(what: str, got: Tensor, want: Tensor) -> None:
    if not bool(((got.float() - want).abs() <= _TOLERANCE * (1 + want.abs())).all()):
        raise RuntimeError(f"{what} differs from torch's")
