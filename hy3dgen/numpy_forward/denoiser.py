# SPDX-License-Identifier: Apache-2.0
"""The velocity network and the loop that follows it from noise to latents.

The twin of `shapegen.models.denoisers.hunyuan3ddit`, one object at a time.
"""

import math
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import numpy as np

from .checkpoint import Weights, part
from .layers import (
    attention,
    gelu_tanh,
    linear,
    normalize,
    rms_norm,
    silu,
    split_stacked,
)

_TIME_CHANNELS = 256


class Denoiser:
    """Parameters: the network's weights and its section of the config."""

    def __init__(self, weights: Weights, config: dict[str, Any]) -> None:
        params = config["params"]
        self._heads = params["num_heads"]
        self._weights = weights
        self._double = [part(weights, f"double_blocks.{i}") for i in range(params["depth"])]
        self._single = [
            part(weights, f"single_blocks.{i}") for i in range(params["depth_single_blocks"])
        ]
        self._width = params["hidden_size"]
        self._period = params.get("time_factor", 1000)
        self.channels = params["in_channels"]

    def __call__(self, x: np.ndarray, time: float, condition: np.ndarray) -> np.ndarray:
        """Velocity `(L, C)` of latents `x (L, C)` at `time` in [0, 1], given `(Lc, X)` tokens."""
        weights = self._weights
        vec = linear(self._sinusoids(time), weights, "time_in.in_layer")
        vec = silu(linear(silu(vec), weights, "time_in.out_layer"))  # only used after a silu
        latent = linear(x, weights, "latent_in")
        cond = linear(condition, weights, "cond_in")
        for block in self._double:
            latent, cond = self._double_block(block, latent, cond, vec)
        joint = np.concatenate([cond, latent])
        for block in self._single:
            joint = self._single_block(block, joint, vec)
        shift, scale = linear(vec, weights, "final_layer.adaLN_modulation.1").reshape(2, -1)
        return linear(_modulate(joint[len(cond) :], shift, scale), weights, "final_layer.linear")

    def _sinusoids(self, time: float) -> np.ndarray:
        half = _TIME_CHANNELS // 2
        steps = np.arange(half, dtype=np.float32)
        exponents = np.float32(-math.log(self._period)) * steps / np.float32(half)
        frequencies = np.exp(exponents.astype(np.float64)).astype(np.float32)
        angles = np.float32(1000) * np.float32(time) * frequencies
        return np.concatenate([np.cos(angles), np.sin(angles)])

    def _double_block(
        self, block: Weights, latent: np.ndarray, cond: np.ndarray, vec: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        mods = {s: linear(vec, block, f"{s}_mod.lin").reshape(6, -1) for s in ("txt", "img")}
        parts = []
        for stream, x in (("txt", cond), ("img", latent)):
            shift, scale = mods[stream][:2]
            qkv = linear(_modulate(x, shift, scale), block, f"{stream}_attn.qkv")
            parts.append(self._heads_of(qkv, block, f"{stream}_attn.norm"))
        joint = attention(
            *(np.concatenate(pair, axis=1) for pair in zip(*parts, strict=True))
        )  # condition tokens first
        outputs = []
        for stream, x, looked in (
            ("img", latent, joint[len(cond) :]),
            ("txt", cond, joint[: len(cond)]),
        ):
            _, _, gate1, shift2, scale2, gate2 = mods[stream]
            x = x + gate1 * linear(looked, block, f"{stream}_attn.proj")
            y = linear(_modulate(x, shift2, scale2), block, f"{stream}_mlp.0")
            outputs.append(x + gate2 * linear(gelu_tanh(y), block, f"{stream}_mlp.2"))
        return outputs[0], outputs[1]

    def _single_block(self, block: Weights, x: np.ndarray, vec: np.ndarray) -> np.ndarray:
        shift, scale, gate = linear(vec, block, "modulation.lin").reshape(3, -1)
        y = linear(_modulate(x, shift, scale), block, "linear1")
        qkv, hidden = y[:, : 3 * self._width], y[:, 3 * self._width :]
        looked = attention(*self._heads_of(qkv, block, "norm"))
        joint = np.concatenate([looked, gelu_tanh(hidden)], axis=1)
        return x + gate * linear(joint, block, "linear2")

    def _heads_of(
        self, qkv: np.ndarray, block: Weights, norm: str
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        q, k, v = split_stacked(qkv, 3, self._heads)
        q = rms_norm(q, block[f"{norm}.query_norm.scale"])
        return q, rms_norm(k, block[f"{norm}.key_norm.scale"]), v


def _modulate(x: np.ndarray, shift: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return (1 + scale) * normalize(x) + shift


def draw_noise(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Normal noise equal to torch's on a CPU for the same seed, up to rounding.

    Both draw 32-bit numbers from a Mersenne Twister with the classic seeding. Torch keeps 24 bits
    of each and turns blocks of 16 into normal values (Box & Muller 1958): half of a block
    gives radii, the other angles. Only for a multiple of 16 values, as every latent shape here is.
    """
    count = math.prod(shape)
    assert count % 16 == 0
    bits = np.random.RandomState(seed & 0xFFFFFFFF)._bit_generator.random_raw(count)
    uniform = ((bits & 0xFFFFFF).astype(np.float32) / np.float32(1 << 24)).reshape(-1, 2, 8)
    radius = np.sqrt(np.float32(-2) * np.log(1 - uniform[:, 0]))
    angle = np.float32(2 * math.pi) * uniform[:, 1]
    values = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return values.reshape(shape)


def denoise(
    denoiser: Denoiser,
    latents: np.ndarray,
    condition: np.ndarray,
    steps: int,
    guidance_scale: float,
    pool: Executor,
    progress: Callable[[int, int], None],
    look: Callable[[float, np.ndarray], None] | None = None,
) -> np.ndarray:
    """Latents `(L, C)` at time 1, by Euler steps at `steps` even times, the last of no length.

    At a guidance of exactly 1 the unconditional pass would cancel out and is left out.
    `look(time, guess)` gets, between two steps, the latents that the flow leads to if its velocity
    stays as it is.
    """
    times = np.append(np.linspace(0, 1, steps), 1).astype(np.float32)
    nothing = np.zeros_like(condition)
    moves = [i for i in range(steps) if times[i + 1] != times[i]]
    progress(0, len(moves))
    for done, index in enumerate(moves):
        time = float(times[index])
        if guidance_scale == 1:
            velocity = denoiser(latents, time, condition)
        else:
            free = pool.submit(denoiser, latents, time, nothing)
            velocity = denoiser(latents, time, condition)
            unconditional = free.result()
            velocity = unconditional + np.float32(guidance_scale) * (velocity - unconditional)
        latents = latents + (times[index + 1] - times[index]) * velocity
        progress(done + 1, len(moves))
        time = float(times[index + 1])
        if look is not None and done + 1 < len(moves):
            look(time, latents + np.float32(1 - time) * velocity)
    return latents
