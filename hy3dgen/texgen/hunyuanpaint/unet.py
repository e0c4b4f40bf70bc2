# SPDX-License-Identifier: Apache-2.0
"""The UNet of Stable Diffusion 2, with whichever transformer blocks it is given.

Attribute names become the keys of the published weights, which are those of diffusers.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...gpu.fused_layers import normed
from .block_layers import KeysAndValues
from .convolutions import Downsample, ResnetBlock, Upsample
from .settings import UNetSettings
from .transformer import Transformer2D, TransformerBlock, Views, as_many

MakeBlock = Callable[[int, int, int], nn.Module]  # (width, heads, text_width)


class UNet(nn.Module):
    """Noise, or velocity, of latents at a time, seen with a text.

    Parameters
    ----------
    make_block : gives the transformer blocks; None: ordinary ones
    in_channels : instead of the settings'
    classes : rows of an embedding that is added to the time's; 0 for none
    """

    def __init__(
        self,
        settings: UNetSettings,
        make_block: MakeBlock | None = None,
        in_channels: int | None = None,
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.settings = settings
        self._make_block = make_block or TransformerBlock
        widths = settings.widths
        last = len(widths) - 1
        self.conv_in = nn.Conv2d(in_channels or settings.in_channels, widths[0], 3, padding=1)
        self.time_embedding = _TimeEmbedding(widths[0], settings.time_width)
        self.class_embedding = nn.Embedding(classes, settings.time_width) if classes else None
        self.down_blocks = nn.ModuleList()
        skips = [widths[0]]
        width = widths[0]
        for i, attends in enumerate(settings.down_attention):
            ins = [width] + [widths[i]] * (settings.layers - 1)
            self.down_blocks.append(self._block(ins, i, settings.layers * attends, down=i < last))
            width = widths[i]
            skips += [width] * settings.layers + ([width] if i < last else [])
        self.mid_block = self._block([width, width], last, 1)
        self.up_blocks = nn.ModuleList()
        for i, attends in enumerate(settings.up_attention):
            level = last - i
            ins = []
            for _ in range(settings.layers + 1):
                ins.append(width + skips.pop())
                width = widths[level]
            self.up_blocks.append(self._block(ins, level, len(ins) * attends, up=i < last))
        self.conv_norm_out = nn.GroupNorm(settings.groups, widths[0], eps=settings.epsilon)
        self.conv_out = nn.Conv2d(widths[0], settings.out_channels, 3, padding=1)
        for name, block in self.transformers().items():
            block.name = name

    def arrange(self) -> None:
        """Weights that are used together lie together; they keep their names."""
        for block in self.transformers().values():
            block.arrange()

    def keep_text(self, text: Tensor) -> dict[str, KeysAndValues]:
        """`Views.kept` of all steps with the same text (B, T, X)."""
        return {
            f"text {name}": block.attn2.keys_and_values(text)
            for name, block in self.transformers().items()
        }

    def _block(
        self, ins: list[int], level: int, attentions: int, down: bool = False, up: bool = False
    ) -> "_Block":
        """Convolutions that take `ins` channels, and so many attentions, at one of the widths."""
        s = self.settings
        width = s.widths[level]
        return _Block(
            [ResnetBlock(n, width, s.time_width, s.groups, s.epsilon) for n in ins],
            [
                Transformer2D(
                    width,
                    s.groups,
                    s.linear_projection,
                    self._make_block(width, s.heads[level], s.text_width),
                )
                for _ in range(attentions)
            ],
            down,
            up,
            width,
        )

    @property
    def dtype(self) -> torch.dtype:
        return self.conv_in.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.conv_in.weight.device

    def transformers(self) -> dict[str, nn.Module]:
        """Transformer blocks by name: `down_{block}_{attention}_{layer}`, `mid_…`, `up_…`."""
        places: list[tuple[str, nn.Module]] = [
            (f"down_{i}", block) for i, block in enumerate(self.down_blocks)
        ]
        places.append(("mid", self.mid_block))
        places += [(f"up_{i}", block) for i, block in enumerate(self.up_blocks)]
        return {
            f"{place}_{j}_{k}": layer
            for place, block in places
            for j, attention in enumerate(getattr(block, "attentions", None) or ())
            for k, layer in enumerate(attention.transformer_blocks)
        }

    def forward(
        self,
        sample: Tensor,
        timestep: float | Tensor,
        text: Tensor,
        classes: Tensor | None = None,
        views: Views | None = None,
    ) -> Tensor:
        """`sample` `(B, C, H, W)`, `text` `(B, T, X)`, `classes` `(B,)` -> `(B, out, H, W)`.

        With `views.calls` more rows than `sample` has come out, for that of one call stands for
        all, up to the first layer that sees something of one call only.
        """
        times = torch.as_tensor(timestep, device=sample.device).expand(len(sample))
        time = self.time_embedding(sinusoids(times, self.settings.widths[0]).to(sample.dtype))
        if self.class_embedding is not None and classes is not None:
            time = time + self.class_embedding(classes)
        time = F.silu(time)
        h = self.conv_in(sample)
        skips = [h]
        for block in self.down_blocks:
            h = block.down(h, skips, time, text, views)
        h = self.mid_block.middle(h, time, text, views)
        for block in self.up_blocks:
            h = block.up(h, skips, time, text, views)
        return self.conv_out(normed(self.conv_norm_out, h))


class _TimeEmbedding(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(channels, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(x)))


class _Block(nn.Module):
    """Convolutions and attentions in turn at one width, and a change of size at the end."""

    def __init__(
        self,
        resnets: list[nn.Module],
        attentions: list[nn.Module],
        down: bool,
        up: bool,
        width: int,
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        self.attentions = nn.ModuleList(attentions) if attentions else None
        self.downsamplers = nn.ModuleList([Downsample(width, padding=1)]) if down else None
        self.upsamplers = nn.ModuleList([Upsample(width)]) if up else None

    def down(self, h, skips: list[Tensor], time, text, views) -> Tensor:
        for i, resnet in enumerate(self.resnets):
            h = self._attend(i, resnet(h, as_many(time, len(h))), text, views)
            skips.append(h)
        if self.downsamplers is not None:
            h = self.downsamplers[0](h)
            skips.append(h)
        return h

    def middle(self, h, time, text, views) -> Tensor:
        h = self._attend(0, self.resnets[0](h, as_many(time, len(h))), text, views)
        return self.resnets[1](h, as_many(time, len(h)))

    def up(self, h, skips: list[Tensor], time, text, views) -> Tensor:
        for i, resnet in enumerate(self.resnets):
            both = torch.cat([h, as_many(skips.pop(), len(h))], dim=1)
            h = self._attend(i, resnet(both, as_many(time, len(h))), text, views)
        return h if self.upsamplers is None else self.upsamplers[0](h)

    def _attend(self, i: int, h: Tensor, text: Tensor, views: Views | None) -> Tensor:
        return h if self.attentions is None else self.attentions[i](h, text, views)


def sinusoids(times: Tensor, width: int) -> Tensor:
    """`(B,)` -> `(B, width)` float32: cosines, then sines, of falling frequencies."""
    half = width // 2
    exponents = -math.log(10000.0) * torch.arange(half, dtype=torch.float32, device=times.device)
    angles = times[:, None].float() * torch.exp(exponents / half)
    return torch.cat([angles.cos(), angles.sin()], dim=1)
