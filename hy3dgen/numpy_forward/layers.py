# SPDX-License-Identifier: Apache-2.0
"""The layers that all networks share, on float32 arrays whose last axis is the channels."""

import numpy as np

from .checkpoint import Weights
from .products import product

# Abramowitz & Stegun 1964, formula 7.1.26: erf to 1.5e-7.
_ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
_ERF_P = 0.3275911


def linear(x: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    """`x @ weight.T + bias`; the bias may be absent."""
    out = product(x, weights[f"{name}.weight"].T)
    bias = weights.get(f"{name}.bias")
    if bias is not None:
        out += bias
    return out


def normalize(x: np.ndarray, eps: float = 1e-6) -> np.ndarray:
    """Layer norm without parameters."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    centred /= np.sqrt(variance + np.float32(eps))
    return centred


def layer_norm(x: np.ndarray, weights: Weights, name: str, eps: float = 1e-6) -> np.ndarray:
    return normalize(x, eps) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def rms_norm(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    mean = np.square(x).mean(axis=-1, keepdims=True)
    return x / np.sqrt(mean + np.float32(1e-6)) * scale


def silu(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # exp(90) is infinite, and x / infinity the right answer
        return x / (1 + np.exp(-x))


def gelu(x: np.ndarray, scratch: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """`x * normal_cdf(x)`, overwriting `x`. `scratch`: two arrays like `x` to work in."""
    a, b = scratch or (np.empty_like(x), np.empty_like(x))
    # With z = |x| / sqrt(2), t = 1 / (1 + p z) and the polynomial P:
    # gelu(x) = max(x, 0) - |x| / 2 * P(t) * exp(-z²)
    np.abs(x, out=a)
    np.multiply(a, np.float32(_ERF_P / np.sqrt(2)), out=b)
    b += np.float32(1)
    np.reciprocal(b, out=b)
    tail = b * np.float32(_ERF[-1])
    for coefficient in _ERF[-2::-1]:
        tail += np.float32(coefficient)
        tail *= b
    np.multiply(x, x, out=b)
    b *= np.float32(-0.5)
    np.exp(b, out=b)
    tail *= b
    tail *= a
    tail *= np.float32(0.5)
    np.maximum(x, np.float32(0), out=x)
    x -= tail
    return x


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    """The approximation of gelu that the denoiser was trained with."""
    inner = np.square(x)
    inner *= np.float32(0.044715)
    inner += np.float32(1)
    inner *= x
    inner *= np.float32(np.sqrt(2 / np.pi))
    np.tanh(inner, out=inner)
    inner += np.float32(1)
    inner *= x
    inner *= np.float32(0.5)
    return inner


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Softmax attention, heads joined again: `(H, N, d)` x3 -> `(N, H * d)`."""
    scores = product(q, k.transpose(0, 2, 1))
    scores *= np.float32(1 / np.sqrt(q.shape[-1]))
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return join_heads(product(scores, v))


def join_heads(x: np.ndarray) -> np.ndarray:
    """`(H, N, d)` -> `(N, H * d)`"""
    return x.transpose(1, 0, 2).reshape(x.shape[1], -1)


def split_stacked(x: np.ndarray, parts: int, heads: int) -> np.ndarray:
    """`(N, parts * H * d)`, channels in the order part, head, d -> `(parts, H, N, d)`."""
    return x.reshape(len(x), parts, heads, -1).transpose(1, 2, 0, 3)


def split_interleaved(x: np.ndarray, parts: int, heads: int) -> np.ndarray:
    """`(N, H * parts * d)`, channels in the order head, part, d -> `(parts, H, N, d)`."""
    return x.reshape(len(x), heads, parts, -1).transpose(2, 1, 0, 3)
