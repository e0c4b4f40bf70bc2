# SPDX-License-Identifier: Apache-2.0
"""The image encoder: one picture to condition tokens; the twin of `shapegen.models.dinov2`."""

from typing import Any

import numpy as np

from .checkpoint import Weights, part
from .layers import attention, gelu, layer_norm, linear, split_stacked
from .products import product

_MEAN = np.array((0.485, 0.456, 0.406), np.float32)
_STD = np.array((0.229, 0.224, 0.225), np.float32)


class ImageEncoder:
    """Parameters: the conditioner's weights and its section of the config."""

    def __init__(self, weights: Weights, config: dict[str, Any]) -> None:
        encoder = config["params"]["main_image_encoder"]["kwargs"]
        tower = encoder["config"]
        self.size = encoder["image_size"]
        self._patch = tower["patch_size"]
        self._heads = tower["num_attention_heads"]
        self._eps = tower["layer_norm_eps"]
        self._weights = part(weights, "main_image_encoder.model")
        self._layers = [
            part(self._weights, f"encoder.layer.{i}") for i in range(tower["num_hidden_layers"])
        ]

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Tokens `(1 + patches, D)` of `(size, size, 3)` bytes, class token first."""
        x = (pixels.astype(np.float32) / 255 - _MEAN) / _STD
        side = self.size // self._patch
        patches = x.reshape(side, self._patch, side, self._patch, 3)
        patches = patches.transpose(0, 2, 4, 1, 3).reshape(side * side, -1)  # as the kernel lies
        weights = self._weights
        kernel = weights["embeddings.patch_embeddings.projection.weight"]
        tokens = product(patches, kernel.reshape(len(kernel), -1).T)
        tokens += weights["embeddings.patch_embeddings.projection.bias"]
        tokens = np.concatenate([weights["embeddings.cls_token"][0], tokens])
        tokens += weights["embeddings.position_embeddings"][0]
        for layer in self._layers:
            tokens = self._run(layer, tokens)
        return layer_norm(tokens, weights, "layernorm", self._eps)

    def _run(self, layer: Weights, x: np.ndarray) -> np.ndarray:
        y = layer_norm(x, layer, "norm1", self._eps)
        q, k, v = (
            split_stacked(linear(y, layer, f"attention.attention.{name}"), 1, self._heads)[0]
            for name in ("query", "key", "value")
        )
        y = linear(attention(q, k, v), layer, "attention.output.dense")
        x = x + y * layer["layer_scale1.lambda1"]
        y = gelu(linear(layer_norm(x, layer, "norm2", self._eps), layer, "mlp.fc1"))
        return x + linear(y, layer, "mlp.fc2") * layer["layer_scale2.lambda1"]
