# SPDX-License-Identifier: Apache-2.0
"""The CLIP text encoder, for the one text that is ever asked for: none.

So there is no tokenizer: the empty prompt is a start, an end, and padding, whose numbers stand in
the tokenizer's files. Attribute names become the keys of the published weights.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import CheckpointError
from ...shapegen.models.attention import join_heads
from .fast_attention import attend
from .settings import TextEncoderSettings, read_json


class TextEncoder(nn.Module):
    def __init__(self, settings: TextEncoderSettings) -> None:
        super().__init__()
        self.text_model = _TextModel(settings)

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, T)` token numbers -> `(B, T, D)` after the last norm."""
        return self.text_model(tokens)


class _TextModel(nn.Module):
    def __init__(self, settings: TextEncoderSettings) -> None:
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {
                "token_embedding": nn.Embedding(settings.vocabulary, settings.width),
                "position_embedding": nn.Embedding(settings.tokens, settings.width),
            }
        )
        self.encoder = nn.ModuleDict(
            {"layers": nn.ModuleList([_Layer(settings) for _ in range(settings.layers)])}
        )
        self.final_layer_norm = nn.LayerNorm(settings.width, eps=settings.epsilon)

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embeddings["token_embedding"](tokens)
        x = x + self.embeddings["position_embedding"](places)
        for layer in self.encoder["layers"]:
            x = layer(x)
        return self.final_layer_norm(x)


class _Layer(nn.Module):
    def __init__(self, settings: TextEncoderSettings) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(settings.width, eps=settings.epsilon)
        self.self_attn = _CausalAttention(settings.width, settings.heads)
        self.layer_norm2 = nn.LayerNorm(settings.width, eps=settings.epsilon)
        self.mlp = nn.ModuleDict(
            {
                "fc1": nn.Linear(settings.width, settings.inner_width),
                "fc2": nn.Linear(settings.inner_width, settings.width),
            }
        )
        self._quick = settings.activation == "quick_gelu"

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        inner = self.mlp["fc1"](self.layer_norm2(x))
        inner = inner * torch.sigmoid(1.702 * inner) if self._quick else F.gelu(inner)
        return x + self.mlp["fc2"](inner)


class _CausalAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            nn.Linear(width, width) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        seen = attend(q, k, v, causal=True)
        return self.out_proj(join_heads(seen))


def empty_prompt(tokenizer: Path, tokens: int) -> Tensor:
    """`(1, tokens)` int64: the empty text, as the tokenizer in this folder gives it."""
    vocabulary = read_json(tokenizer / "vocab.json")
    special = tokenizer / "special_tokens_map.json"
    names = read_json(special if special.is_file() else tokenizer / "tokenizer_config.json")

    def number(name: str) -> int:
        text = names.get(name)
        text = text.get("content") if isinstance(text, dict) else text
        if text not in vocabulary:
            raise CheckpointError(
                f"the tokenizer in {tokenizer} has no number for its {name} {text!r}; copy the "
                "folder again"
            )
        return vocabulary[text]

    begin, end, padding = (number(f"{name}_token") for name in ("bos", "eos", "pad"))
    return torch.tensor([[begin, end] + [padding] * (tokens - 2)])
