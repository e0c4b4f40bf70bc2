# SPDX-License-Identifier: Apache-2.0
"""Views four times as large by a Real-ESRGAN network, instead of by interpolation.

The published pipeline of 2.0 only interpolates; 2.1 uses RealESRGAN_x4plus, whose weights are not
part of its checkpoint. Attribute names become the keys of those weights.
Source: Wang et al. 2018, "ESRGAN", section 3.1; Wang et al. 2021, "Real-ESRGAN".
"""

import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..shapegen.devices import default_dtype, pick_device
from ..weights import load_strictly, read_weights

FACTOR = 4
_WIDTH, _GROWTH, _BLOCKS = 64, 32, 23
_RESIDUAL = 0.2  # of a block's result that is added to its input
_WRAPPERS = ("params_ema", "params")  # the published file has its weights under one of these


class RRDBNet(nn.Module):
    """Residual blocks of dense blocks, and two doublings: `(B, 3, H, W)` in [0, 1], 4 times."""

    def __init__(self, blocks: int = _BLOCKS, width: int = _WIDTH, growth: int = _GROWTH) -> None:
        super().__init__()
        self.conv_first = _conv(3, width)
        self.body = nn.ModuleList([_Block(width, growth) for _ in range(blocks)])
        self.conv_body, self.conv_up1, self.conv_up2, self.conv_hr = (
            _conv(width, width) for _ in range(4)
        )
        self.conv_last = _conv(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_first(x)
        inner = x
        for block in self.body:
            inner = block(inner)
        x = x + self.conv_body(inner)
        for conv in (self.conv_up1, self.conv_up2):
            x = _bent(conv(F.interpolate(x, scale_factor=2.0, mode="nearest")))
        return self.conv_last(_bent(self.conv_hr(x)))


class _Block(nn.Module):
    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (_Dense(width, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return x + _RESIDUAL * self.rdb3(self.rdb2(self.rdb1(x)))


class _Dense(nn.Module):
    """Each convolution sees what all before it gave."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for i in range(4):
            self.add_module(f"conv{i + 1}", _conv(width + i * growth, growth))
        self.conv5 = _conv(width + 4 * growth, width)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat([seen, _bent(conv(seen))], dim=1)
        return x + _RESIDUAL * self.conv5(seen)


class SuperResolution:
    """Pictures four times as large along each side."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval().requires_grad_(False)

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> "SuperResolution":
        """From `RealESRGAN_x4plus` weights as `.safetensors`, or as `.ckpt` or `.bin`, which the
        published `.pth` becomes by its name alone."""
        device = pick_device(device)
        with torch.device("meta"):
            network = RRDBNet()
        state = read_weights(Path(path))
        for wrapper in _WRAPPERS:
            state = state.get(wrapper, state)
        load_strictly(network, state, str(path), dtype or default_dtype(device), device)
        return cls(network)

    @torch.inference_mode()
    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (4 H, 4 W, 3) uint8."""
        weight = next(self.network.parameters())
        x = torch.from_numpy(np.array(picture)).to(weight.device).permute(2, 0, 1)[None]
        y = self.network(x.to(weight.dtype) / 255)[0].float().clamp(0, 1)
        return (y * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def _conv(channels: int, width: int) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 3, padding=1)


def _bent(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)
