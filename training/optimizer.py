# SPDX-License-Identifier: Apache-2.0
"""Muon for the hidden matrices and AdamW for everything else, behind one step.

Source: Jordan et al. 2024 (Muon: orthogonalised momentum), with the update scaled to AdamW's size
as Liu et al. 2025 (arXiv 2502.16982) do, so that one learning rate serves both. Matrices of one
shape are orthogonalised together, which keeps the number of kernel launches small.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Roughly U V^T of each matrix's singular value decomposition, by Newton-Schulz.

    Parameters
    ----------
    matrices : (K, rows, columns)
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class HybridOptimizer:
    """One optimiser for several modules; learning rates are set anew before each step."""

    def __init__(
        self,
        modules: Iterable[nn.Module],
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.02,
        betas: tuple[float, float] = (0.9, 0.98),
    ) -> None:
        self.momentum, self.weight_decay = momentum, weight_decay
        matrices: dict[tuple[int, ...], list[nn.Parameter]] = defaultdict(list)
        others: list[nn.Parameter] = []
        for module in modules:
            for name, parameter in module.named_parameters():
                if not parameter.requires_grad:
                    continue
                if parameter.ndim == 2 and _is_hidden(name):
                    matrices[tuple(parameter.shape)].append(parameter)
                else:
                    others.append(parameter)
        self.groups = list(matrices.values())
        self.buffers = [torch.stack([torch.zeros_like(p) for p in group]) for group in self.groups]
        fused = bool(others) and others[0].is_cuda
        self.adamw = torch.optim.AdamW(
            others, lr=0.0, betas=betas, weight_decay=0.0, eps=1e-8, fused=fused
        )
        self.parameters = [p for group in self.groups for p in group] + others

    def update(self, loss: Tensor, learning_rate: float) -> None:
        """One training step: gradients of `loss`, clipped to a norm of 1, then the weights."""
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.step(learning_rate)
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        for group in self.adamw.param_groups:
            group["lr"] = learning_rate
        self.adamw.step()
        for group, buffer in zip(self.groups, self.buffers, strict=True):
            gradients = torch.stack([p.grad for p in group])  # type: ignore[misc]
            buffer.lerp_(gradients, 1 - self.momentum)
            update = orthogonalise(gradients.lerp(buffer, self.momentum))
            scale = 0.2 * max(group[0].shape) ** 0.5
            parameters = list(group)
            torch._foreach_mul_(parameters, 1 - learning_rate * self.weight_decay)
            torch._foreach_add_(
                parameters, list(update.to(buffer.dtype).unbind(0)), alpha=-learning_rate * scale
            )


def _is_hidden(name: str) -> bool:
    """Whether a matrix maps features to features; first and last layers stay with AdamW."""
    outer = ("input_proj", "query_proj", "output_proj", "latent_in", "final_layer", "patch_embed")
    return not any(part in name for part in outer)


class WeightAverage:
    """An exponential moving average of weights, warmed up so that early steps do not linger."""

    def __init__(self, modules: Iterable[nn.Module], decay: float = 0.9995) -> None:
        self.decay, self.steps = decay, 0
        self.live = [p for module in modules for p in module.parameters()]
        self.averaged = [p.detach().clone() for p in self.live]

    @torch.no_grad()
    def update(self) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.averaged, [p.detach() for p in self.live], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges live and averaged weights; call again to go back."""
        for live, averaged in zip(self.live, self.averaged, strict=True):
            kept = live.detach().clone()
            live.copy_(averaged)
            averaged.copy_(kept)


def cosine_with_warmup(progress: float, warmup: float = 0.02) -> float:
    """Learning-rate factor at `progress` in [0, 1] of a run: linear up, then cosine down to 0."""
    if progress < warmup:
        return max(progress / warmup, 0.01)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warmup) / (1 - warmup))))
