# SPDX-License-Identifier: Apache-2.0
"""Fixed embeddings: Fourier features of points, sinusoids of times and of view numbers."""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn


class FourierEmbedder(nn.Module):
    """`[x | sin(x_j f_k) | cos(x_j f_k)]` of points, coordinate-major inside sin and cos.

    Frequencies are `2^k` (or evenly spaced up to `2^(n-1)` without `logspace`), times pi if
    `include_pi`. They are no part of a state dict.
    """

    frequencies: Tensor

    def __init__(
        self,
        num_freqs: int = 6,
        logspace: bool = True,
        input_dim: int = 3,
        include_input: bool = True,
        include_pi: bool = True,
    ) -> None:
        super().__init__()
        # An explicit device keeps the table real when a network is built on "meta".
        if logspace:
            frequencies = 2.0 ** torch.arange(num_freqs, dtype=torch.float32, device="cpu")
        else:
            frequencies = torch.linspace(1.0, 2.0 ** (num_freqs - 1), num_freqs, device="cpu")
        if include_pi:
            frequencies = frequencies * math.pi
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.include_input = include_input
        self.out_dim = input_dim * (2 * num_freqs + int(include_input))

    def forward(self, x: Tensor) -> Tensor:
        """`(..., D)` -> `(..., out_dim)`."""
        angles = (x[..., None] * self.frequencies).flatten(-2)  # (..., D) -> (..., D * num_freqs)
        parts = [x] if self.include_input else []
        return torch.cat([*parts, angles.sin(), angles.cos()], dim=-1)


def timestep_embedding(
    t: Tensor, dim: int, max_period: float = 10000, time_factor: float = 1000.0
) -> Tensor:
    """Sinusoids `[cos | sin]` of `time_factor * t`, `(B,)` -> `(B, dim)` in the dtype of `t`.

    Angles are float32; an odd `dim` ends in a column of zeros.
    """
    frequencies = _frequencies(dim // 2, max_period).to(t.device)
    angles = (time_factor * t)[:, None].float() * frequencies
    embedding = torch.cat([angles.cos(), angles.sin()], dim=-1)
    if dim % 2:
        embedding = torch.nn.functional.pad(embedding, (0, 1))
    return embedding.to(t.dtype)


@lru_cache(maxsize=16)
def _frequencies(count: int, max_period: float) -> Tensor:
    """`max_period^(-i / count)` as float32, `(count,)`.

    Always made on the CPU: other processors' exponentials differ in the last bit, which a guidance
    scale times 1000 makes visible, and the published numbers are these.
    """
    with torch.inference_mode(False):  # it is kept, and training may use it later
        steps = torch.arange(count, dtype=torch.float32, device="cpu")
        return torch.exp(-math.log(max_period) * steps / count)


def get_1d_sincos_pos_embed_from_grid(embed_dim: int, pos: np.ndarray) -> np.ndarray:
    """Sinusoids `[sin | cos]` of positions, `(N,)` -> `(N, embed_dim)` float64."""
    half = embed_dim // 2
    omega = 10000.0 ** (-np.arange(half, dtype=np.float64) / half)
    angles = np.asarray(pos, dtype=np.float64).reshape(-1)[:, None] * omega
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
