# SPDX-License-Identifier: Apache-2.0
"""DINOv2, a vision transformer, with the parameter names of published checkpoints.

The names are those of transformers 4.x, which published weights use; later releases renamed them.
Source of the architecture: Oquab et al. 2023, "DINOv2: Learning Robust Visual Features without
Supervision". Dropout is left out: it is zero in every known config.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InvalidSettingError
from .attention import attention, split_stacked_heads


@dataclass(frozen=True)
class Dinov2Config:
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    image_size: int
    patch_size: int
    num_channels: int
    mlp_ratio: float
    qkv_bias: bool
    layer_norm_eps: float
    layerscale_value: float
    use_swiglu_ffn: bool

    @classmethod
    def from_mapping(cls, config: Mapping[str, Any]) -> "Dinov2Config":
        """Read a Hugging Face style config; other keys (dropouts, dtype) have no effect here."""
        act = config.get("hidden_act", "gelu")
        if act != "gelu":
            raise InvalidSettingError(
                f"the image encoder's config asks for activation {act!r}, but only 'gelu' is known."
            )
        needed = ("hidden_size", "num_hidden_layers", "num_attention_heads", "image_size")
        missing = [name for name in needed if name not in config]
        if missing:
            raise InvalidSettingError(
                f"the image encoder's config lacks {', '.join(missing)}; add them to config.yaml."
            )
        return cls(
            **{name: config[name] for name in needed},
            patch_size=config.get("patch_size", 14),
            num_channels=config.get("num_channels", 3),
            mlp_ratio=config.get("mlp_ratio", 4),
            qkv_bias=config.get("qkv_bias", True),
            layer_norm_eps=config.get("layer_norm_eps", 1e-6),
            layerscale_value=config.get("layerscale_value", 1.0),
            use_swiglu_ffn=config.get("use_swiglu_ffn", False),
        )


class PatchEmbeddings(nn.Module):
    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        self.projection = nn.Conv2d(
            config.num_channels,
            config.hidden_size,
            kernel_size=config.patch_size,
            stride=config.patch_size,
        )


class Embeddings(nn.Module):
    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        self.side = config.image_size // config.patch_size  # of the patch grid it was trained on
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.hidden_size))
        self.mask_token = nn.Parameter(torch.zeros(1, config.hidden_size))  # in files, never used
        self.patch_embeddings = PatchEmbeddings(config)
        self.position_embeddings = nn.Parameter(
            torch.empty(1, self.side**2 + 1, config.hidden_size)
        )
        # Uniform rather than normal: normal_ on the "meta" device imports torch's compiler, 1.2 s.
        nn.init.uniform_(self.cls_token, -0.035, 0.035)
        nn.init.uniform_(self.position_embeddings, -0.035, 0.035)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embeddings.projection(pixels)  # (B, 3, H, W) -> (B, D, h, w)
        rows, columns = patches.shape[-2:]
        tokens = patches.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        return tokens + self._positions(rows, columns)

    def _positions(self, rows: int, columns: int) -> Tensor:
        positions = self.position_embeddings
        if rows == self.side and columns == self.side:
            return positions
        grid = positions[:, 1:].unflatten(1, (self.side, self.side)).permute(0, 3, 1, 2)
        # Apple's GPUs lack this filter in some versions of torch; the table is small.
        where = "cpu" if grid.device.type == "mps" else grid.device
        grid = F.interpolate(
            grid.to(where).float(), size=(rows, columns), mode="bicubic", align_corners=False
        ).to(positions)
        return torch.cat([positions[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


class SelfAttention(nn.Module):
    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        width = config.hidden_size
        self.query = nn.Linear(width, width, bias=config.qkv_bias)
        self.key = nn.Linear(width, width, bias=config.qkv_bias)
        self.value = nn.Linear(width, width, bias=config.qkv_bias)


class AttentionOutput(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)


class Attention(nn.Module):
    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.attention = SelfAttention(config)
        self.output = AttentionOutput(config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        (q,) = split_stacked_heads(self.attention.query(x), 1, self.heads)
        (k,) = split_stacked_heads(self.attention.key(x), 1, self.heads)
        (v,) = split_stacked_heads(self.attention.value(x), 1, self.heads)
        return self.output.dense(attention(q, k, v))


class MLP(nn.Module):
    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        hidden = int(config.hidden_size * config.mlp_ratio)
        self.fc1 = nn.Linear(config.hidden_size, hidden)
        self.fc2 = nn.Linear(hidden, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class SwiGLU(nn.Module):
    """Gated feed-forward; two thirds of the MLP's width, rounded up to a multiple of 8."""

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        hidden = (int(int(config.hidden_size * config.mlp_ratio) * 2 / 3) + 7) // 8 * 8
        self.weights_in = nn.Linear(config.hidden_size, 2 * hidden)
        self.weights_out = nn.Linear(hidden, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.weights_in(x).chunk(2, dim=-1)
        return self.weights_out(F.silu(gate) * value)


class LayerScale(nn.Module):
    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        self.lambda1 = nn.Parameter(torch.full((config.hidden_size,), config.layerscale_value))

    def forward(self, x: Tensor, change: Tensor) -> Tensor:
        """`x` with the scaled change added."""
        return torch.addcmul(x, self.lambda1, change)


class Layer(nn.Module):
    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = Attention(config)
        self.layer_scale1 = LayerScale(config)
        self.norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = SwiGLU(config) if config.use_swiglu_ffn else MLP(config)
        self.layer_scale2 = LayerScale(config)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer_scale1(x, self.attention(self.norm1(x)))
        return self.layer_scale2(x, self.mlp(self.norm2(x)))


class Encoder(nn.Module):
    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layer:
            x = layer(x)
        return x


class Dinov2Model(nn.Module):
    """Normalised pixels `(B, 3, H, W)` to tokens `(B, 1 + patches, D)`, class token first."""

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.layernorm(self.encoder(self.embeddings(pixels)))
