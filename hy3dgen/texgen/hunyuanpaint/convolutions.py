# SPDX-License-Identifier: Apache-2.0
"""Convolution blocks that the UNets and the autoencoder share.

Attribute names become the keys of the published weights, which are those of diffusers.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ...gpu.fused_layers import convolved_and_joined, convolved_and_normed, normed


class ResnetBlock(nn.Module):
    """Two convolutions around a shortcut; the time's embedding is added between them, if any."""

    def __init__(
        self, channels: int, width: int, time_width: int | None, groups: int, epsilon: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, channels, eps=epsilon)
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_width, width) if time_width else None
        self.norm2 = nn.GroupNorm(groups, width, eps=epsilon)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(channels, width, 1) if channels != width else None

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        """`(B, channels, H, W)` and `(B, time_width)`, activated -> `(B, width, H, W)`."""
        addend = None
        if self.time_emb_proj is not None:
            assert time is not None
            addend = self.time_emb_proj(time)
        h = convolved_and_normed(self.conv1, normed(self.norm1, x), self.norm2, addend)
        return convolved_and_joined(self.conv2, h, self.conv_shortcut, x)


class Downsample(nn.Module):
    """Half as large; `padding=0` pads right and below only, as the autoencoder does."""

    def __init__(self, channels: int, padding: int) -> None:
        super().__init__()
        self.padding = padding
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x if self.padding else F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Twice as large, by repetition and a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
