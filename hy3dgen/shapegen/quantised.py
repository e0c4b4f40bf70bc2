# SPDX-License-Identifier: Apache-2.0
"""Linear layers with weights of eight bits, whole numbers or floats: they save memory.

Not time so far: on an H100 a step of 2.0 is a little slower with either, because inputs are rounded
in passes of their own and what follows a product is no longer part of it.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InvalidSettingError
from ..gpu import float8
from .models.denoisers.hunyuan3ddit import Modulation

_MULTIPLE = 16  # that both sides of a product of eight-bit floats must be


class QuantisedLinear(nn.Module):
    """Takes the place of a linear layer; its weights keep their type wherever it goes.

    Attributes
    ----------
    codes : (N, K) in eight bits
    scales : float32, of each output or of all
    """

    codes: Tensor
    scales: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        codes, scales = self.rounded(linear.weight.detach())
        self.register_buffer("codes", codes)
        self.register_buffer("scales", scales)
        self.bias = linear.bias
        self._dtype = linear.weight.dtype

    @staticmethod
    def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    @property
    def weight(self) -> Tensor:
        """(N, K) in the type that the layer had: what the codes stand for, made when asked."""
        return (self.codes.float() * self.scales).to(self._dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        for name in ("codes", "scales"):
            value = self._buffers[name]
            self._buffers[name] = value.to(fn(value).device)
        self._dtype = fn(torch.zeros(1, dtype=self._dtype)).dtype
        if self.bias is not None:
            self.bias = nn.Parameter(fn(self.bias.detach()), requires_grad=False)
        return self


class Int8Linear(QuantisedLinear):
    """Weights as whole numbers; for the time of a product they are made what they stand for."""

    @staticmethod
    def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
        scales = weight.float().abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 127
        return (weight.float() / scales).round().to(torch.int8), scales

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Float8Linear(QuantisedLinear):
    """Weights and inputs as eight-bit floats, multiplied as such by GPUs that can."""

    @staticmethod
    def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
        return float8.plain_to_float8(weight, weight.float().abs().max())

    def forward(self, x: Tensor) -> Tensor:
        return float8.product(x, self.codes, self.scales, self.bias)


_LAYERS: dict[str, type[QuantisedLinear]] = {"fp8": Float8Linear, "int8": Int8Linear}


def quantise_blocks(network: nn.Module, kind: str, device: torch.device) -> int:
    """Replace the linear layers in a network's blocks; how many they were.

    What is outside of blocks, and with 'fp8' what depends on times alone, stays as it is: it takes
    little time and memory, and rounding it costs most.

    Raises
    ------
    InvalidSettingError
        The kind is unknown, or the device does not know it.
    """
    if kind not in _LAYERS:
        raise InvalidSettingError(f"the kind is {kind!r}; choose from {', '.join(_LAYERS)}.")
    if kind == "fp8" and device.type != "cpu" and not float8.has_float8_products(device):
        raise InvalidSettingError(
            f"{device} does not multiply eight-bit floats, which takes an NVIDIA GPU of compute "
            "capability 8.9 or more; choose 'int8'."
        )
    replaced = 0
    for blocks in [part for part in network.modules() if isinstance(part, nn.ModuleList)]:
        for owner in list(blocks.modules()):
            if kind == "fp8" and isinstance(owner, Modulation):
                continue
            for name, layer in list(owner.named_children()):
                if type(layer) is nn.Linear and _fits(layer, kind):
                    setattr(owner, name, _LAYERS[kind](layer))
                    replaced += 1
    return replaced


def _fits(layer: nn.Linear, kind: str) -> bool:
    sides = layer.in_features, layer.out_features
    return kind == "int8" or not any(side % _MULTIPLE for side in sides)
