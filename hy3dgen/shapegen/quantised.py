# SPDX-License-Identifier: Apache-2.0
"""Gives networks weights of eight bits: `models.eight_bits` has the layers.

Whole numbers save memory, not time, as products are those of half precision. Floats save both where
a GPU multiplies them and the denoiser's kernels make them (`models.denoisers.block_products`).
"""

import torch
from torch import nn

from ..errors import InvalidSettingError
from ..gpu import float8
from .models.denoisers.hunyuan3ddit import Modulation
from .models.eight_bits import Float8Linear, Int8Linear, QuantisedLinear

_MULTIPLE = 16  # that both sides of a product of eight-bit floats must be
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
