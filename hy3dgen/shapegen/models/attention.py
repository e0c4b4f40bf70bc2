# SPDX-License-Identifier: Apache-2.0
"""Softmax attention and the per-head layouts that the published weights use.

Knows nothing about which network calls it. Every tensor inside is `(B, heads, tokens, d)`.
"""

import logging
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ...gpu.attention_kernel import AttentionKernel, Task, attention_kernel, fits, run_tasks
from ...gpu.transformer_kernels import WIDTH, add_copies, transformer_kernels

logger = logging.getLogger(__name__)

_FEWEST_PRODUCTS = 1 << 18  # of a query and a key in one head, for a kernel of our own
_WITHOUT_PLANS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


class Repeats(NamedTuple):
    """The first `tokens` keys stand for `times` equal ones each."""

    tokens: int
    times: int


def attend(q: Tensor, k: Tensor, v: Tensor, repeats: Repeats | None = None) -> Tensor:
    """Softmax attention, `(B, H, N, d)` x3 -> `(B, H, N, d)`.

    Queries and keys may be in a higher precision than the values (normalised under autocast);
    the values' dtype decides.
    """
    q, k = q.to(v.dtype), k.to(v.dtype)
    own = own_kernel([(q, k, v, repeats)])
    if own is not None:
        out = v.new_empty(q.shape[0], q.shape[2], q.shape[1], q.shape[3])
        run_tasks(own, [Task(q, k, v, [out], 1 if repeats is None else repeats.times)])
        return out.transpose(1, 2)
    if repeats is None:
        return F.scaled_dot_product_attention(q, k, v)
    fast = _attention_with_sums(v.device, v.dtype, v.shape[-1])
    if fast is None or repeats.tokens != 1:
        return attend_biased(q, k, v, repeats)
    return attend_merged(q, k, v, repeats.times, fast)


def own_kernel(
    calls: Sequence[tuple[Tensor, Tensor, Tensor, Repeats | None]],
) -> AttentionKernel | None:
    """What does these attentions in one launch, where that can be done and is fast."""
    if torch.compiler.is_compiling() or not calls[0][0].is_cuda:
        return None
    if all(q.shape[2] * k.shape[2] < _FEWEST_PRODUCTS for q, k, _v, _repeats in calls):
        return None
    for q, k, v, repeats in calls:
        if not fits(q, k, v) or q.shape[:2] != k.shape[:2]:
            return None
        if repeats is not None and repeats.tokens != 1:
            return None
        if torch.is_grad_enabled() and any(part.requires_grad for part in (q, k, v)):
            return None
    return attention_kernel(calls[0][2])


def attend_once(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """`attend` for numbers of tokens that do not come back.

    cuDNN, which PyTorch prefers on Hopper GPUs, spends some 50 ms on every shape that it has not
    seen yet.
    """
    if not q.is_cuda:
        return attend(q, k, v)
    with sdpa_kernel(_WITHOUT_PLANS):
        return attend(q, k, v)


def attend_biased(q: Tensor, k: Tensor, v: Tensor, repeats: Repeats) -> Tensor:
    """The plain way: repeated keys have the logarithm of their number added to their logits.

    On a GPU a bias costs the fast kernel.
    """
    bias = v.new_zeros(k.shape[2])
    bias[: repeats.tokens] = math.log(repeats.times)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand(1, 1, q.shape[2], -1))


def attend_merged(
    q: Tensor, k: Tensor, v: Tensor, times: int, with_sums: Callable[..., tuple[Tensor, Tensor]]
) -> Tensor:
    """The same for one repeated key, without a bias: its other copies are added afterwards.

    Attention over all keys once is `sum(e_i v_i) / S` with `S = sum(e_i)`, and the kernel knows
    log S. With `w = (times - 1) e_0 / S` more of the first key it is `(that + w v_0) / (1 + w)`.
    """
    once, log_sum = with_sums(q, k, v)
    scale = 1 / math.sqrt(q.shape[-1])
    kernels = transformer_kernels(once, WIDTH, q.shape[-1])
    if kernels is not None and all(part.stride(-1) == 1 for part in (once, q, k, v)):
        add_copies(kernels, once, q, k, v, log_sum.contiguous(), times - 1, scale)
        return once
    logit = (q.float() * k[:, :, :1].float()).sum(dim=-1) * scale
    more = ((times - 1) * torch.exp(logit - log_sum))[..., None]
    return ((once.float() + more * v[:, :, :1].float()) / (1 + more)).to(v.dtype)


_WithSums = Callable[..., tuple[Tensor, Tensor]]
_tried: dict[tuple[torch.device, torch.dtype, int], _WithSums | None] = {}


def prepare_for_compiling() -> None:
    """Let torch.compile take the choice of a kernel as it is, rather than look into its trial.

    Not where the choice is defined, because that would load the compiler with every start.
    """
    torch.compiler.assume_constant_result(_attention_with_sums)


def _attention_with_sums(device: torch.device, dtype: torch.dtype, width: int) -> _WithSums | None:
    """This device's fast kernel that also gives the logarithms of its sums, tried once."""
    key = (device, dtype, width)
    if key not in _tried:
        _tried[key] = _try_attention_with_sums(*key)
    return _tried[key]


def _try_attention_with_sums(
    device: torch.device, dtype: torch.dtype, width: int
) -> _WithSums | None:
    """The first that gives what the plain way gives, fastest first; None where none does."""
    if device.type != "cuda" or dtype not in (torch.float16, torch.bfloat16):
        return None
    for candidate in (cudnn_with_sums, flash_with_sums):
        try:
            error = _error_of(candidate, device, dtype, width)
        except (RuntimeError, AttributeError, TypeError) as reason:
            logger.info("%s does not run here: %s", candidate.__name__, reason)
            continue
        if error < 0.02:
            return candidate
        logger.info("%s is off by %.3g here.", candidate.__name__, error)
    return None


def _error_of(candidate: _WithSums, device: torch.device, dtype: torch.dtype, width: int) -> float:
    with torch.random.fork_rng(devices=[device]):
        torch.manual_seed(0)
        q, k, v = torch.randn(3, 1, 2, 70, width, device=device, dtype=dtype).unbind(0)
    got = attend_merged(q, k, v, 1000, candidate).float()
    want = attend_biased(q.float(), k.float(), v.float(), Repeats(1, 1000))
    return float((got - want).abs().max())


def flash_with_sums(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Attention, and the logarithm of each query's sum of exponentials `(B, H, N)` float32."""
    if v.device.type == "cpu":
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)
    return torch.ops.aten._scaled_dot_product_flash_attention(q, k, v)[:2]


def cudnn_with_sums(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """The same by cuDNN, which is faster on a Hopper GPU."""
    out, log_sum = torch.ops.aten._scaled_dot_product_cudnn_attention(q, k, v, None, True)[:2]
    return out, log_sum.reshape(out.shape[:-1])


def join_heads(x: Tensor) -> Tensor:
    """`(B, H, N, d)` -> `(B, N, H * d)`."""
    return x.transpose(1, 2).flatten(2)


def attention(q: Tensor, k: Tensor, v: Tensor, repeats: Repeats | None = None) -> Tensor:
    """`attend` with its heads joined."""
    return join_heads(attend(q, k, v, repeats))


def split_stacked_heads(x: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """Cut `(B, N, parts * H * d)` with channels in the order part, head, d: all q, all k, all v."""
    return x.unflatten(-1, (parts, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)


def split_interleaved_heads(x: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """Cut `(B, N, H * parts * d)` with channels in the order head, part, d: head by head."""
    return x.unflatten(-1, (heads, parts, -1)).permute(3, 0, 2, 1, 4).unbind(0)


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis, computed in float32; the key is `scale`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda and x.dtype == self.scale.dtype:  # one kernel, float32 inside
            return F.rms_norm(x, x.shape[-1:], self.scale, eps=1e-6)
        return F.rms_norm(x.float(), x.shape[-1:], eps=1e-6).to(x.dtype) * self.scale
