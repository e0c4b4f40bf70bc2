# SPDX-License-Identifier: Apache-2.0
"""The training loop of the denoiser and its image encoder: rectified flow on latent sets.

Time runs from noise at 0 to data at 1, as the pipeline samples it. Two things differ from the
plain recipe, and both matter for so small a model:

- The tokens of a shape are a set, so noise and data may be paired in any order. We pair each noise
  token with a near latent token (Klein et al. 2023, "Equivariant flow matching"), which makes the
  paths short and straight. The noise itself is untouched, so sampling starts as always.
- Hidden matrices are trained by Muon (`optimizer.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .clock import TrainingClock
from .optimizer import HybridOptimizer, WeightAverage, cosine_with_warmup

UNCONDITIONAL = 0.1


@dataclass
class FlowPool:
    """Latents of N clouds and pictures of the same shapes.

    means, deviations : (N, K, E) float16, already times the scale factor
    pictures : (N, V, 3, 112, 112) uint8, V views of each shape
    """

    means: Tensor
    deviations: Tensor
    pictures: Tensor


def pair_tokens(noise: Tensor, latents: Tensor, direction: Tensor) -> Tensor:
    """The latents `(B, K, E)` in an order that brings each token near its noise token.

    Starts from sorting both along `direction`, then tries every pair of tokens once and swaps where
    that shortens the way: each swap lowers the total squared distance, none makes it exact.

    Parameters
    ----------
    noise, latents : (B, K, E), K even
    direction : (E,), the latents' widest direction, see `widest_direction`
    """
    count = noise.shape[1]
    noise_rank = (noise @ direction).argsort(dim=1).argsort(dim=1)
    order = (latents @ direction).argsort(dim=1).gather(1, noise_rank)
    cost = -2 * (noise @ latents.mT).flatten(1)  # (B, K * K); the squares cancel in a swap
    for a, b in _all_pairs(count, noise.device):
        at_a, at_b = order[:, a], order[:, b]
        kept = cost.gather(1, a * count + at_a) + cost.gather(1, b * count + at_b)
        swapped = cost.gather(1, a * count + at_b) + cost.gather(1, b * count + at_a)
        better = swapped < kept
        order[:, a] = torch.where(better, at_b, at_a)
        order[:, b] = torch.where(better, at_a, at_b)
    return latents.gather(1, order[..., None].expand_as(latents))


@functools.cache
def _all_pairs(count: int, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Every pair of `count` tokens once, as `count - 1` rounds of disjoint pairs (a tournament)."""
    players = list(range(count))
    rounds = []
    for _ in range(count - 1):
        half = count // 2
        home, away = players[:half], players[half:][::-1]
        rounds.append((torch.tensor(home, device=device), torch.tensor(away, device=device)))
        players = [players[0], players[-1], *players[1:-1]]
    return rounds


def widest_direction(latents: Tensor) -> Tensor:
    """(E,) unit vector along which the tokens `(N, K, E)` spread most."""
    tokens = latents.flatten(0, 1).float()
    tokens = tokens - tokens.mean(dim=0)
    return torch.linalg.eigh(tokens.T @ tokens)[1][:, -1].contiguous()


class FlowLoss(nn.Module):
    """Mean squared error of the velocity at random times."""

    def __init__(self, denoiser: nn.Module, conditioner: nn.Module) -> None:
        super().__init__()
        self.denoiser, self.conditioner = denoiser, conditioner

    def forward(
        self, pictures: Tensor, noise: Tensor, latents: Tensor, times: Tensor, keep: Tensor
    ) -> Tensor:
        image = pictures.float() / 127.5 - 1.0
        condition = self.conditioner(image=image)["main"] * keep[:, None, None]
        t = times[:, None, None]
        velocity = self.denoiser(torch.lerp(noise, latents, t), times, {"main": condition})
        return (velocity.float() - (latents - noise)).square().mean()


def train_flow(
    denoiser: nn.Module,
    conditioner: nn.Module,
    pool: FlowPool,
    *,
    seconds: float,
    batch_size: int,
    learning_rate: float,
    seed: int,
    log: Callable[[str], None],
    check: Callable[[float], None],
    refresh: Callable[[FlowPool], None],
    check_every: float = 150.0,
    refresh_every: float = 45.0,
    max_steps: int | None = None,
) -> None:
    """Trains both networks in place for `seconds`, and leaves the averaged weights in them.

    `check(elapsed)` runs now and then with the averaged weights in place. `refresh(pool)` replaces
    a part of the pool, so that no picture is seen too often.
    """
    device = pool.means.device
    on_gpu = device.type == "cuda"
    optimizer = HybridOptimizer([denoiser, conditioner])
    average = WeightAverage([denoiser, conditioner])
    loss_of: Callable[..., Tensor] = FlowLoss(denoiser, conditioner)
    direction = widest_direction(pool.means[:4096])
    if on_gpu:
        loss_of = torch.compile(loss_of, dynamic=False)
    generator = torch.Generator(device).manual_seed(seed)

    def draw(*shape: int, normal: bool = False) -> Tensor:
        return (torch.randn if normal else torch.rand)(*shape, generator=generator, device=device)

    views = pool.pictures.shape[1]
    smoothed = None
    clock = TrainingClock(seconds, device, max_steps)
    for elapsed in clock:
        rows = torch.randint(len(pool.means), (batch_size,), generator=generator, device=device)
        view = torch.randint(views, (batch_size,), generator=generator, device=device)
        mean = pool.means[rows].float()
        latents = mean + pool.deviations[rows].float() * draw(*mean.shape, normal=True)
        noise = draw(*mean.shape, normal=True)
        latents = pair_tokens(noise, latents, direction)
        times = torch.sigmoid(draw(batch_size, normal=True))
        uniform = draw(batch_size)
        times = torch.where(draw(batch_size) < 0.2, uniform, times)
        keep = (draw(batch_size) >= UNCONDITIONAL).float()
        with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
            loss = loss_of(pool.pictures[rows, view], noise, latents, times, keep)
        optimizer.update(loss, learning_rate * cosine_with_warmup(clock.progress))
        average.update()
        if clock.step % 20 == 0:
            value = loss.detach()
            smoothed = value if smoothed is None else torch.lerp(smoothed, value, 0.05)
        if clock.due("log", 20):
            log(f"flow {elapsed:5.0f} s, step {clock.step}: loss {smoothed:.4f}")
        if clock.due("refresh", refresh_every):
            refresh(pool)
        if clock.due("check", check_every):
            average.swap()
            check(elapsed)
            average.swap()
    average.swap()
    log(f"flow done, {clock.step} steps, loss {smoothed:.4f}")
