# SPDX-License-Identifier: Apache-2.0
"""Linear layers with weights of eight bits, whole numbers or floats, one scale for each output."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...gpu.float8 import Float8Rows, plain_to_float8, product


class QuantisedLinear(nn.Module):
    """Takes the place of a linear layer; its weights keep their type wherever it goes.

    Attributes
    ----------
    codes : (N, K) in eight bits
    scales : (N, 1) float32, what one code of each output stands for
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
        return plain_to_float8(weight)

    def rows(self, start: int = 0, stop: int | None = None) -> Float8Rows:
        """The weights of outputs `start` to `stop`, as products take them."""
        return Float8Rows(self.codes[start:stop], self.scales[start:stop])

    def forward(self, x: Tensor) -> Tensor:
        return product(x, self.rows(), self.bias)
