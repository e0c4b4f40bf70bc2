# SPDX-License-Identifier: Apache-2.0
"""The decoding half of the VAE: latents to tokens, and tokens to a field's values on a grid.

The twin of `shapegen.models.autoencoders`. The geometry decoder is asked half a million times, so
what does not depend on the point is folded into its matrices first: norms' weights, the keys, the
values with the projection behind them, and the points' embedding, which is a sum over the axes.
"""

import math
from typing import Any

import numpy as np

from .checkpoint import Weights, part
from .layers import attention, gelu, layer_norm, linear, split_interleaved
from .products import product

_EPS = np.float32(1e-6)
_LAST_EPS = np.float32(1e-5)


def decode_tokens(latents: np.ndarray, weights: Weights, config: dict[str, Any]) -> np.ndarray:
    """Tokens `(L, D)` for the geometry decoder from a denoiser's latents `(L, C)`."""
    params = config["params"]
    x = linear(latents / np.float32(params["scale_factor"]), weights, "post_kl")
    for i in range(params["num_decoder_layers"]):
        block = part(weights, f"transformer.resblocks.{i}")
        qkv = linear(layer_norm(x, block, "ln_1"), block, "attn.c_qkv")
        q, k, v = split_interleaved(qkv, 3, params["heads"])
        q = layer_norm(q, block, "attn.attention.q_norm")
        k = layer_norm(k, block, "attn.attention.k_norm")
        x = x + linear(attention(q, k, v), block, "attn.c_proj")
        hidden = gelu(linear(layer_norm(x, block, "ln_2"), block, "mlp.c_fc"))
        x = x + linear(hidden, block, "mlp.c_proj")
    return x


class GeometryDecoder:
    """One object's field, positive inside.

    Parameters
    ----------
    tokens : from `decode_tokens`
    weights, config : of the whole VAE
    """

    def __init__(self, tokens: np.ndarray, weights: Weights, config: dict[str, Any]) -> None:
        params = config["params"]
        weights = part(weights, "geo_decoder")
        block = part(weights, "cross_attn_decoder")
        self._heads = params["heads"] // params["geo_decoder_downsample_ratio"]
        self._set_axes(weights["query_proj.weight"], weights["query_proj.bias"], params)
        # Keys and values, once per object.
        if params["geo_decoder_downsample_ratio"] != 1:
            tokens = linear(tokens, weights, "latents_proj")
        kv = linear(layer_norm(tokens, block, "ln_2"), block, "attn.c_kv")
        keys, values = split_interleaved(kv, 2, self._heads)
        keys = layer_norm(keys, block, "attn.attention.k_norm")
        self._tokens, head = keys.shape[1:]
        self._query, self._query_bias = _fold_norm(block, "ln_1", "attn.c_q")
        norm = "attn.attention.q_norm"
        gain = block[f"{norm}.weight"][:, None] / np.float32(math.sqrt(head))
        scaled = keys.transpose(0, 2, 1) * gain  # (H, d, L)
        self._keys = scaled - scaled.mean(axis=1, keepdims=True)
        self._key_bias = keys @ block[f"{norm}.bias"] / np.float32(math.sqrt(head))  # (H, L)
        project = block["attn.c_proj.weight"].T.reshape(self._heads, head, -1)
        self._values = (values @ project).reshape(self._heads * self._tokens, -1)
        self._values_bias = block["attn.c_proj.bias"]
        self._expand, self._expand_bias = _fold_norm(block, "ln_3", "mlp.c_fc")
        self._shrink = np.ascontiguousarray(block["mlp.c_proj.weight"].T)
        self._shrink_bias = block["mlp.c_proj.bias"]
        last, last_bias = _fold_norm(weights, "ln_post", "output_proj")
        self._last, self._last_bias = last[:, 0], last_bias[0]

    def _set_axes(self, weight: np.ndarray, bias: np.ndarray, params: dict[str, Any]) -> None:
        """The shares of x, y and z in the embedding's matrix, each `(1 + 2 F, D)`."""
        count = params["num_freqs"]
        self._frequencies = np.float32(2) ** np.arange(count, dtype=np.float32)
        if params["include_pi"]:
            self._frequencies *= np.float32(math.pi)
        # Columns: x y z, then the sines of x, of y, of z, then their cosines.
        sines, cosines = 3 + np.arange(count), 3 + 3 * count + np.arange(count)
        self._axes = [
            weight[:, np.concatenate([[axis], sines + axis * count, cosines + axis * count])].T
            for axis in range(3)
        ]
        self._bias = bias

    def tables(self, coordinates: list[np.ndarray]) -> list[np.ndarray]:
        """Each axis' share of the embedding at these coordinates; a point's is the sum of three."""
        tables = []
        for values, matrix in zip(coordinates, self._axes, strict=True):
            angles = values[:, None] * self._frequencies
            features = np.concatenate([values[:, None], np.sin(angles), np.cos(angles)], axis=1)
            tables.append(features @ matrix)
        tables[0] += self._bias
        return tables

    def query(self, tables: list[np.ndarray], index: np.ndarray) -> np.ndarray:
        """Values `(P,)` at grid indices `(3, P)`."""
        x = tables[0][index[0]]
        x += tables[1][index[1]]
        x += tables[2][index[2]]
        q = product(x, self._query)
        q *= _spread(x, _EPS)[:, None]
        q += self._query_bias
        x += self._attend(q)
        hidden = product(x, self._expand)
        hidden *= _spread(x, _EPS)[:, None]
        hidden += self._expand_bias
        x += product(gelu(hidden), self._shrink)
        x += self._shrink_bias
        return (x @ self._last) * _spread(x, _LAST_EPS) + self._last_bias

    def _attend(self, q: np.ndarray) -> np.ndarray:
        """What points with queries `(P, D)` see of the tokens, projected."""
        count, width = len(q), self._tokens
        head = q.shape[1] // self._heads
        weights = np.empty((count, self._heads * width), np.float32)
        for number in range(self._heads):
            own = q[:, number * head : (number + 1) * head]
            scores = product(own, self._keys[number])
            scores *= _spread(own, _EPS)[:, None]
            scores += self._key_bias[number]
            scores -= scores.max(axis=1)[:, None]
            np.exp(scores, out=scores)
            share = np.reciprocal(scores.sum(axis=1))[:, None]
            np.multiply(scores, share, out=weights[:, number * width : (number + 1) * width])
        out = product(weights, self._values)
        out += self._values_bias
        return out


def _fold_norm(weights: Weights, norm: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and bias with which `layer_norm` and `linear` are `(x @ matrix) * spread + bias`.

    The mean of x falls out, because each of the matrix's columns adds up to zero.
    """
    matrix = weights[f"{name}.weight"].T
    bias = weights[f"{norm}.bias"] @ matrix + weights.get(f"{name}.bias", np.float32(0))
    matrix = matrix * weights[f"{norm}.weight"][:, None]
    return np.ascontiguousarray(matrix - matrix.mean(axis=0)), bias


def _spread(x: np.ndarray, eps: np.float32) -> np.ndarray:
    """One over the standard deviation of every row."""
    share = np.float32(1 / x.shape[1])
    mean = x @ np.full(x.shape[1], share, np.float32)
    variance = np.einsum("pd,pd->p", x, x) * share - mean * mean
    return 1 / np.sqrt(variance + eps)
