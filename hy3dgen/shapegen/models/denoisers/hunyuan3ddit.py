# SPDX-License-Identifier: Apache-2.0
"""`Hunyuan3DDiT`: the velocity network of Hunyuan3D-2, 2mini and 2mv.

A Flux-like transformer: double-stream blocks keep latents and condition apart except in attention,
single-stream blocks run over both. Module attributes keep the published checkpoints' spelling:
`img` is the latent stream, `txt` the condition stream. Knows nothing about schedules, guidance
mixing or images.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....errors import InvalidSettingError
from ....gpu.devices import chosen
from ....weights import load_strictly, read_part
from ..attention import Repeats, RMSNorm, attention, split_stacked_heads
from ..embeddings import timestep_embedding
from .fused_blocks import kernels_for, run_blocks

__all__ = ["Hunyuan3DDiT", "timestep_embedding"]

_TIME_CHANNELS = 256


class MLPEmbedder(nn.Module):
    def __init__(self, in_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.in_layer = nn.Linear(in_dim, hidden_dim)
        self.out_layer = nn.Linear(hidden_dim, hidden_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.out_layer(F.silu(self.in_layer(x)))


class QKNorm(nn.Module):
    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.query_norm = RMSNorm(head_dim)
        self.key_norm = RMSNorm(head_dim)

    def forward(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        return self.query_norm(q), self.key_norm(k)


class SelfAttention(nn.Module):
    """The projections of one stream; the attention itself is joint and happens in the block."""

    def __init__(self, width: int, num_heads: int, qkv_bias: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.norm = QKNorm(width // num_heads)
        self.proj = nn.Linear(width, width)

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = split_stacked_heads(self.qkv(x), 3, self.num_heads)
        q, k = self.norm(q, k)
        return q, k, v


class Modulation(nn.Module):
    """`sets` times shift, scale and gate from the time vector, `(B, 1, 3 * sets * D)`."""

    def __init__(self, width: int, sets: int) -> None:
        super().__init__()
        self.lin = nn.Linear(width, 3 * sets * width)

    def forward(self, vec: Tensor) -> Tensor:
        return self.lin(F.silu(vec))[:, None, :]


class TimeValues(NamedTuple):
    """What depends on times and guidance only, for S times: modulations `(S, 1, chunks * D)`."""

    double: list[tuple[Tensor, Tensor]]  # of latents, of condition
    single: list[Tensor]
    final: Tensor

    def at(self, index: int) -> "TimeValues":
        """Those of one time; they fit any batch."""
        row = slice(index, index + 1)
        return TimeValues(
            [(img[row], txt[row]) for img, txt in self.double],
            [values[row] for values in self.single],
            self.final[row],
        )


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm without parameters, then an affine map that depends on the time."""
    if shift.shape[:-1] == (1, 1) and x.dtype == shift.dtype:  # one time for all rows: one kernel
        return F.layer_norm(x, x.shape[-1:], (1 + scale)[0, 0], shift[0, 0], eps=1e-6)
    return (1 + scale) * F.layer_norm(x, x.shape[-1:], eps=1e-6) + shift


def _mlp(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width)
    )


class DoubleStreamBlock(nn.Module):
    def __init__(self, width: int, num_heads: int, mlp_ratio: float, qkv_bias: bool) -> None:
        super().__init__()
        hidden = int(width * mlp_ratio)
        self.img_mod = Modulation(width, 2)
        self.img_attn = SelfAttention(width, num_heads, qkv_bias)
        self.img_mlp = _mlp(width, hidden)
        self.txt_mod = Modulation(width, 2)
        self.txt_attn = SelfAttention(width, num_heads, qkv_bias)
        self.txt_mlp = _mlp(width, hidden)

    def time_values(self, vec: Tensor) -> tuple[Tensor, Tensor]:
        return self.img_mod(vec), self.txt_mod(vec)

    def forward(
        self,
        img: Tensor,
        txt: Tensor,
        time_values: tuple[Tensor, Tensor],
        repeats: Repeats | None = None,
    ) -> tuple[Tensor, Tensor]:
        img_values, txt_values = time_values
        shift1, scale1, gate1, shift2, scale2, gate2 = img_values.chunk(6, dim=-1)
        txt_shift1, txt_scale1, txt_gate1, txt_shift2, txt_scale2, txt_gate2 = txt_values.chunk(
            6, dim=-1
        )
        q, k, v = self.img_attn.heads(modulate(img, shift1, scale1))
        txt_q, txt_k, txt_v = self.txt_attn.heads(modulate(txt, txt_shift1, txt_scale1))
        joint = attention(
            torch.cat([txt_q, q], dim=2),
            torch.cat([txt_k, k], dim=2),
            torch.cat([txt_v, v], dim=2),
            repeats,
        )  # (B, Lc + L, D), condition tokens first
        txt_joint, img_joint = joint.split([txt.shape[1], img.shape[1]], dim=1)
        img = torch.addcmul(img, gate1, self.img_attn.proj(img_joint))
        img = torch.addcmul(img, gate2, self.img_mlp(modulate(img, shift2, scale2)))
        txt = torch.addcmul(txt, txt_gate1, self.txt_attn.proj(txt_joint))
        txt_mlp = self.txt_mlp(modulate(txt, txt_shift2, txt_scale2))
        txt = torch.addcmul(txt, txt_gate2, txt_mlp)
        return img, txt


class SingleStreamBlock(nn.Module):
    """Attention and MLP in parallel: one linear in, one linear out."""

    def __init__(self, width: int, num_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.widths = [3 * width, int(width * mlp_ratio)]
        self.linear1 = nn.Linear(width, sum(self.widths))
        self.linear2 = nn.Linear(width + self.widths[1], width)
        self.norm = QKNorm(width // num_heads)
        self.modulation = Modulation(width, 1)

    def time_values(self, vec: Tensor) -> Tensor:
        return self.modulation(vec)

    def forward(self, x: Tensor, time_values: Tensor, repeats: Repeats | None = None) -> Tensor:
        shift, scale, gate = time_values.chunk(3, dim=-1)
        qkv, hidden = self.linear1(modulate(x, shift, scale)).split(self.widths, dim=-1)
        q, k, v = split_stacked_heads(qkv, 3, self.num_heads)
        q, k = self.norm(q, k)
        joint = torch.cat([attention(q, k, v, repeats), F.gelu(hidden, approximate="tanh")], dim=-1)
        return torch.addcmul(x, gate, self.linear2(joint))


class LastLayer(nn.Module):
    def __init__(self, width: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, out_channels)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def time_values(self, vec: Tensor) -> Tensor:
        return self.adaLN_modulation(vec)[:, None, :]

    def forward(self, x: Tensor, time_values: Tensor) -> Tensor:
        shift, scale = time_values.chunk(2, dim=-1)
        return self.linear(modulate(x, shift, scale))


class Hunyuan3DDiT(nn.Module):
    """Velocity of latent tokens at a time, given condition tokens.

    There is no position encoding, so any number of latents works; `theta` and `axes_dim` are only
    checked. Unknown keywords are ignored, because published configs of other releases carry some.

    Parameters
    ----------
    in_channels : C, width of a latent token
    context_in_dim : X, width of a condition token
    hidden_size : D, a multiple of `num_heads`; `sum(axes_dim)` must be the head width
    time_factor : the sinusoids' largest period (the name is the published one)
    guidance_embed : the guidance scale is an input instead of being mixed outside
    ckpt_path : weight file to start from: of this network alone, or of a pipeline with it in it
    """

    takes_empty = True  # as a second condition in one call

    def __init__(
        self,
        in_channels: int = 64,
        context_in_dim: int = 1536,
        hidden_size: int = 1024,
        mlp_ratio: float = 4.0,
        num_heads: int = 16,
        depth: int = 16,
        depth_single_blocks: int = 32,
        axes_dim: Sequence[int] = (64,),
        theta: int = 10000,
        qkv_bias: bool = True,
        time_factor: float = 1000,
        guidance_embed: bool = False,
        ckpt_path: str | None = None,
        **ignored: Any,
    ) -> None:
        super().__init__()
        if hidden_size % num_heads:
            raise InvalidSettingError(
                f"hidden_size {hidden_size} is not a multiple of num_heads {num_heads}; "
                "choose one that is."
            )
        if sum(axes_dim) != hidden_size // num_heads:
            raise InvalidSettingError(
                f"axes_dim {list(axes_dim)} adds up to {sum(axes_dim)}, but a head is "
                f"{hidden_size // num_heads} wide; give that sum."
            )
        self.guidance_embed = guidance_embed
        self.time_factor = time_factor
        self.latent_in = nn.Linear(in_channels, hidden_size)
        self.time_in = MLPEmbedder(_TIME_CHANNELS, hidden_size)
        self.cond_in = nn.Linear(context_in_dim, hidden_size)
        if guidance_embed:
            self.guidance_in = MLPEmbedder(_TIME_CHANNELS, hidden_size)
        self.double_blocks = nn.ModuleList(
            DoubleStreamBlock(hidden_size, num_heads, mlp_ratio, qkv_bias) for _ in range(depth)
        )
        self.single_blocks = nn.ModuleList(
            SingleStreamBlock(hidden_size, num_heads, mlp_ratio) for _ in range(depth_single_blocks)
        )
        self.final_layer = LastLayer(hidden_size, in_channels)
        if ckpt_path is not None:
            state = read_part(ckpt_path, "model")
            load_strictly(self, state, ckpt_path, self.latent_in.weight.dtype)

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        contexts: Mapping[str, Tensor],
        guidance: Tensor | None = None,
        time_values: TimeValues | None = None,
        condition_repeats: int = 1,
        **ignored: Any,
    ) -> Tensor:
        """Velocity `(B, L, C)` at latents `x (B, L, C)`, time `t (B,)` in [0, 1], 0 being noise.

        Parameters
        ----------
        contexts : `contexts["main"]` is `(B, Lc, X)`; with `contexts["empty"] (B, Le, X)` the
            result has `2 B` rows, those without condition last
        guidance : (B,) raw scale, for models with `guidance_embed` only
        time_values : what `self.time_values` made of `t` and `guidance`, which then do not count
        condition_repeats : every condition token, or with an empty condition every one of that,
            stands for so many equal ones. Equal tokens stay equal in all blocks, so one of them
            with a larger weight as a key gives the same.
        """
        if time_values is None:
            time_values = self.time_values(t, guidance, x.dtype)
        names = ["main", "empty"] if "empty" in contexts else ["main"]
        # Under autocast these casts keep the residual streams in float32; else they do nothing.
        latent = self.latent_in(x).to(x.dtype)
        conditions = [(self.cond_in(contexts[name]).to(x.dtype), None) for name in names]
        if condition_repeats > 1:
            last = conditions[-1][0]
            conditions[-1] = (last, Repeats(last.shape[1], condition_repeats))
        kernels = kernels_for(self, latent, len(time_values.final))
        if kernels is not None:
            latents = [latent] * len(names)
            with chosen(x.device):
                normed = run_blocks(kernels, self, latents, conditions, time_values)
                return self.final_layer.linear(normed)
        parts = [self._plain(latent, *condition, time_values) for condition in conditions]
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _plain(
        self, latent: Tensor, cond: Tensor, repeats: Repeats | None, time_values: TimeValues
    ) -> Tensor:
        for block, values in zip(self.double_blocks, time_values.double, strict=True):
            latent, cond = block(latent, cond, values, repeats)
        joint = torch.cat([cond, latent], dim=1)  # condition first
        for block, values in zip(self.single_blocks, time_values.single, strict=True):
            joint = block(joint, values, repeats)
        return self.final_layer(joint[:, cond.shape[1] :], time_values.final)

    def time_values(
        self, t: Tensor, guidance: Tensor | None = None, dtype: torch.dtype | None = None
    ) -> TimeValues:
        """Modulations of all blocks at times `t (S,)`, with `guidance (S,)` if the model takes it.

        A sampler that knows its times asks once for all of them. `dtype` is that of the latents,
        by default that of `t`.
        """
        dtype = dtype or t.dtype
        vec = self.time_in(self._sinusoids(t).to(dtype))
        if self.guidance_embed:
            if guidance is None:
                raise InvalidSettingError(
                    "this model takes the guidance scale as an input; pass guidance=(B,) values."
                )
            vec = vec + self.guidance_in(self._sinusoids(guidance).to(dtype))
        return TimeValues(
            [block.time_values(vec) for block in self.double_blocks],
            [block.time_values(vec) for block in self.single_blocks],
            self.final_layer.time_values(vec),
        )

    def _sinusoids(self, value: Tensor) -> Tensor:
        # The published weights have `time_factor` as the period and a fixed factor of 1000.
        return timestep_embedding(value, _TIME_CHANNELS, max_period=self.time_factor)
