# SPDX-License-Identifier: Apache-2.0
"""The matrix products of `fused_blocks`, and what their inputs are made as.

With weights in half precision an input is a tensor of rows. With eight-bit floats it is rows of
codes with a scale each, which the kernel that makes the rows writes as such. Knows nothing of what
comes after what in a block, but for how a single-stream block is cut into products.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....gpu.float8 import Float8Rows, product_of_rows
from ....gpu.float8_rows import (
    HIDDEN,
    Places,
    codes_of,
    float8_row_kernels,
    gated_norm_codes,
    room_for,
)
from ....gpu.fused_reduce import Kernels
from ....gpu.transformer_kernels import gated_norm
from ..attention import Repeats
from ..eight_bits import Float8Linear

_ALIGNED = 32  # rows; products want to begin at whole addresses of codes and of scales


class Half(NamedTuple):
    """What one condition brings: the rows of one half of guidance, or of a call without it.

    Of all rows, those of a half's conditions lie together, and so do those of its latents; in the
    joint streams each of its pictures has the condition first.
    """

    condition: slice  # rows among those of all conditions
    latents: slice
    joint: slice
    tokens: int  # of the condition of one picture
    repeats: Repeats | None


def rows_of(stream: Tensor, part: slice, batch: int) -> Tensor:
    """A part of the rows, picture by picture: `(R, ...)` -> `(B, R / B, ...)`."""
    return stream[part].unflatten(0, (batch, -1))


class Products(Protocol):
    """What blocks ask for; `R` is what an input of a product is."""

    kernels: Kernels

    def norm(
        self, x: Tensor, y: Tensor | None, gate: Tensor | None, shift: Tensor, scale: Tensor
    ) -> Any:
        """`gated_norm` as an input."""

    def product(self, layer: Any, rows: Any) -> Tensor:
        """A linear layer's outputs."""

    def activated(self, layer: Any, rows: Any) -> Any:
        """GELU, tanh-approximated, of a linear layer's outputs, as an input."""

    def rows(self, rows: Tensor) -> Any:
        """Rows as an input."""

    def streams(self, attended: Sequence[Tensor], halves: Sequence[Half]) -> tuple[Any, Any]:
        """Attention of each half, latents and conditions of all halves apart, as inputs."""

    def begin_single(self, block: Any, rows: Any) -> tuple[Tensor, Callable[[], Tensor]]:
        """`q | k | v` of a single-stream block, and a function for its hidden layer."""

    def end_single(
        self, block: Any, attended: Sequence[Tensor], places: Sequence[slice], hidden: Tensor
    ) -> Tensor:
        """The block's change from parts of attention, at these rows, and that function's result."""


def products_for(model: Any, kernels: Kernels, x: Tensor) -> Products:
    """Those that fit a network's weights and the device of `x`."""
    block = model.single_blocks[0]
    if isinstance(block.linear1, Float8Linear) and block.widths[1] == HIDDEN:
        row_kernels = float8_row_kernels(x.device)
        if row_kernels is not None:
            return Float8Products(kernels, row_kernels, x.dtype)
    return HalfProducts(kernels)


class HalfProducts:
    """Inputs are tensors of rows."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels

    def norm(
        self, x: Tensor, y: Tensor | None, gate: Tensor | None, shift: Tensor, scale: Tensor
    ) -> Tensor:
        return gated_norm(self.kernels, x, y, gate, shift, scale)

    def product(self, layer: Any, rows: Tensor) -> Tensor:
        return layer(rows)

    def activated(self, layer: Any, rows: Tensor) -> Tensor:
        if isinstance(layer, nn.Linear):
            return linear_gelu(rows, layer.weight, layer.bias)
        return F.gelu(layer(rows), approximate="tanh")

    def rows(self, rows: Tensor) -> Tensor:
        return rows

    def streams(self, attended: Sequence[Tensor], halves: Sequence[Half]) -> tuple[Tensor, Tensor]:
        latents, conditions = zip(
            *(
                (part[:, half.tokens :].flatten(0, 1), part[:, : half.tokens].flatten(0, 1))
                for part, half in zip(attended, halves, strict=True)
            ),
            strict=True,
        )
        return _together(latents), _together(conditions)

    def begin_single(self, block: Any, rows: Tensor) -> tuple[Tensor, Callable[[], Tensor]]:
        layer, (inner, hidden) = block.linear1, block.widths
        if not isinstance(layer, nn.Linear):  # not to be cut: its weights are quantised
            qkv, rest = layer(rows).split(block.widths, dim=-1)
            return qkv, lambda: F.gelu(rest, approximate="tanh")
        bias = _part(layer.bias, inner, inner + hidden)
        qkv = F.linear(rows, layer.weight[:inner], _part(layer.bias, 0, inner))
        return qkv, lambda: linear_gelu(rows, layer.weight[inner:], bias)

    def end_single(
        self, block: Any, attended: Sequence[Tensor], places: Sequence[slice], hidden: Tensor
    ) -> Tensor:
        layer, width = block.linear2, attended[0].shape[-1]
        if not isinstance(layer, nn.Linear):
            joint = _together([part.reshape(-1, width) for part in attended])
            return layer(torch.cat([joint, hidden], dim=-1))
        # The product over both inputs side by side, without laying them side by side.
        change = F.linear(hidden, layer.weight[:, width:], layer.bias)
        for place, part in zip(places, attended, strict=True):
            change[place].addmm_(part.reshape(-1, width), layer.weight[:, :width].t())
        return change


class Float8Products:
    """Inputs are `Float8Rows`, layers `Float8Linear`.

    Parameters
    ----------
    kernels, row_kernels : of half precision, and those that round
    dtype : of what products give
    """

    def __init__(self, kernels: Kernels, row_kernels: Kernels, dtype: torch.dtype) -> None:
        self.kernels, self._row_kernels, self._dtype = kernels, row_kernels, dtype

    def norm(
        self, x: Tensor, y: Tensor | None, gate: Tensor | None, shift: Tensor, scale: Tensor
    ) -> Float8Rows:
        return gated_norm_codes(self._row_kernels, x, y, gate, shift, scale)

    def product(self, layer: Float8Linear, rows: Float8Rows) -> Tensor:
        return product_of_rows(rows, layer.rows(), layer.bias, self._dtype)

    def activated(self, layer: Float8Linear, rows: Float8Rows) -> Float8Rows:
        hidden = self.product(layer, rows)
        codes = room_for(len(hidden), hidden.shape[-1], hidden)
        places = Places(len(hidden), len(hidden), 0, 0)
        codes_of(self._row_kernels, codes, places, None, hidden)
        return codes

    def rows(self, rows: Tensor) -> Float8Rows:
        codes = room_for(*rows.shape, rows)
        codes_of(self._row_kernels, codes, Places(len(rows), len(rows), 0, 0), rows, None)
        return codes

    def streams(
        self, attended: Sequence[Tensor], halves: Sequence[Half]
    ) -> tuple[Float8Rows, Float8Rows]:
        latents, conditions = halves[-1].latents.stop, halves[-1].condition.stop
        behind = -(-latents // _ALIGNED) * _ALIGNED
        width = attended[0].shape[-1]
        codes = room_for(behind + conditions, width, attended[0])
        for half, part in zip(halves, attended, strict=True):
            first, second = behind + half.condition.start, half.latents.start
            places = Places(part.shape[1], half.tokens, first, second)
            codes_of(self._row_kernels, codes, places, part.reshape(-1, width), None)
        return (
            Float8Rows(*(part[:latents] for part in codes)),
            Float8Rows(*(part[behind:] for part in codes)),
        )

    def begin_single(self, block: Any, rows: Float8Rows) -> tuple[Tensor, Callable[[], Tensor]]:
        layer, (inner, hidden) = block.linear1, block.widths

        def part(start: int, stop: int) -> Tensor:
            bias = _part(layer.bias, start, stop)
            return product_of_rows(rows, layer.rows(start, stop), bias, self._dtype)

        return part(0, inner), lambda: part(inner, inner + hidden)

    def end_single(
        self, block: Any, attended: Sequence[Tensor], places: Sequence[slice], hidden: Tensor
    ) -> Tensor:
        width = attended[0].shape[-1]
        codes = room_for(len(hidden), width + hidden.shape[-1], hidden)
        for place, part in zip(places, attended, strict=True):
            rows = part.reshape(-1, width)
            where = Places(len(rows), len(rows), place.start, 0)
            codes_of(self._row_kernels, codes, where, rows, hidden[place])
        return self.product(block.linear2, codes)


def _together(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(parts)) if len(parts) > 1 else parts[0]


def _part(bias: Tensor | None, start: int, stop: int) -> Tensor | None:
    return None if bias is None else bias[start:stop]


def linear_gelu(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """GELU, tanh-approximated, of a linear layer."""
    if bias is None or not x.is_cuda:
        return F.gelu(F.linear(x, weight, bias), approximate="tanh")
    rows = torch._addmm_activation(bias, x.flatten(0, -2), weight.t(), use_gelu=True)
    return rows.unflatten(0, x.shape[:-1])
