# SPDX-License-Identifier: Apache-2.0
"""The autoencoder of Stable Diffusion: pictures to latents an eighth as large, and back.

Attribute names become the keys of the published weights, which are those of diffusers.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...gpu.fused_layers import normed
from .block_layers import Attention
from .convolutions import Downsample, ResnetBlock, Upsample
from .settings import AutoencoderSettings

_EPSILON = 1e-6
# Names in older files of the same weights.
_OLD_NAMES = {
    ".query.": ".to_q.",
    ".key.": ".to_k.",
    ".value.": ".to_v.",
    ".proj_attn.": ".to_out.0.",
}


class Posterior(NamedTuple):
    """A normal distribution over latents, `(B, 4, h, w)` each."""

    mean: Tensor
    deviation: Tensor

    def sample(self, generator: torch.Generator | None) -> Tensor:
        noise = torch.randn(
            self.mean.shape, generator=generator, device=self.mean.device, dtype=self.mean.dtype
        )
        return self.mean + self.deviation * noise


class Autoencoder(nn.Module):
    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__()
        self.settings = settings
        latents = settings.latent_channels
        self.encoder = _Encoder(settings)
        self.decoder = _Decoder(settings)
        self.quant_conv = nn.Conv2d(2 * latents, 2 * latents, 1)
        self.post_quant_conv = nn.Conv2d(latents, latents, 1)

    @property
    def dtype(self) -> torch.dtype:
        return self.quant_conv.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.quant_conv.weight.device

    @property
    def factor(self) -> int:
        """Pixels along a latent."""
        return 2 ** (len(self.settings.widths) - 1)

    def encode(self, images: Tensor) -> Posterior:
        """`(B, 3, H, W)` in [-1, 1] -> latents, not scaled."""
        mean, log_variance = self.quant_conv(self.encoder(images)).chunk(2, dim=1)
        return Posterior(mean, torch.exp(0.5 * log_variance.clamp(-30.0, 20.0)))

    def decode(self, latents: Tensor) -> Tensor:
        """Latents, not scaled -> `(B, 3, H, W)`, about in [-1, 1]."""
        return self.decoder(self.post_quant_conv(latents))


def with_new_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The autoencoder's weights under the names of today, from files old or new."""
    renamed = {}
    for name, value in state.items():
        if ".attentions." in name:
            for old, new in _OLD_NAMES.items():
                if old in name:
                    name = name.replace(old, new)
                    value = value.flatten(1) if value.ndim == 4 else value
        renamed[name] = value
    return renamed


class _Encoder(nn.Module):
    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__()
        widths = settings.widths
        self.conv_in = nn.Conv2d(settings.in_channels, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList()
        width = widths[0]
        for i, wide in enumerate(widths):
            ins = [width] + [wide] * (settings.layers - 1)
            size = Downsample(wide, padding=0) if i < len(widths) - 1 else None
            self.down_blocks.append(_Level(ins, wide, settings.groups, "downsamplers", size))
            width = wide
        self.mid_block = _Middle(width, settings.groups)
        self.conv_norm_out = nn.GroupNorm(settings.groups, width, eps=_EPSILON)
        self.conv_out = nn.Conv2d(width, 2 * settings.latent_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(normed(self.conv_norm_out, self.mid_block(x)))


class _Decoder(nn.Module):
    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__()
        widths = settings.widths[::-1]
        self.conv_in = nn.Conv2d(settings.latent_channels, widths[0], 3, padding=1)
        self.mid_block = _Middle(widths[0], settings.groups)
        self.up_blocks = nn.ModuleList()
        width = widths[0]
        for i, wide in enumerate(widths):
            ins = [width] + [wide] * settings.layers
            size = Upsample(wide) if i < len(widths) - 1 else None
            self.up_blocks.append(_Level(ins, wide, settings.groups, "upsamplers", size))
            width = wide
        self.conv_norm_out = nn.GroupNorm(settings.groups, width, eps=_EPSILON)
        self.conv_out = nn.Conv2d(width, settings.out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(normed(self.conv_norm_out, x))


class _Level(nn.Module):
    """Convolutions at one width and, under the name `resizer`, a change of size at the end."""

    def __init__(
        self, ins: list[int], width: int, groups: int, resizer: str, size: nn.Module | None
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([ResnetBlock(n, width, None, groups, _EPSILON) for n in ins])
        self._resizer = resizer if size is not None else None
        if size is not None:
            self.add_module(resizer, nn.ModuleList([size]))

    def forward(self, x: Tensor) -> Tensor:
        for resnet in self.resnets:
            x = resnet(x)
        return x if self._resizer is None else getattr(self, self._resizer)[0](x)


class _Middle(nn.Module):
    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            [ResnetBlock(width, width, None, groups, _EPSILON) for _ in range(2)]
        )
        self.attentions = nn.ModuleList([_PixelAttention(width, groups)])

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class _PixelAttention(Attention):
    """Attention between all pixels with one head, added to them."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__(width, heads=1, bias=True)
        self.group_norm = nn.GroupNorm(groups, width, eps=_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        # (B, C, H, W) -> (B, H * W, C)
        pixels = normed(self.group_norm, x, False).flatten(2).transpose(1, 2)
        return x + super().forward(pixels).transpose(1, 2).unflatten(2, x.shape[2:])
