# SPDX-License-Identifier: Apache-2.0
"""The autoencoder's training loop: surface clouds in, a truncated signed distance field out."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hy3dgen.shapegen.models.autoencoders.point_encoder import PointSelection

from .architecture import NUM_LATENTS, TRUNCATION
from .clock import TrainingClock
from .metrics import field_iou
from .optimizer import HybridOptimizer, WeightAverage, cosine_with_warmup
from .pool import ShapePool

KL_WEIGHT = 1e-3
SIGN_WEIGHT = 0.1
SIGN_SHARPNESS = 10.0


def truncated_field(distances: Tensor) -> Tensor:
    """The field that the decoder learns: positive inside, saturating at +-1."""
    return (-distances / TRUNCATION).clamp(-1.0, 1.0)


def posterior_of(vae: nn.Module, clouds: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (B, K, E) for clouds whose first K points are the queries."""
    queries = torch.arange(NUM_LATENTS, device=clouds.device).expand(len(clouds), -1)
    posterior = vae.encode_posterior(clouds, selection=PointSelection(queries, None))
    return posterior.mean.float(), posterior.std.float()


class VaeLoss(nn.Module):
    """Reconstruction of the truncated field, its sign near the surface, and the divergence."""

    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, clouds: Tensor, queries: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, deviation = posterior_of(self.vae, clouds)
        latents = mean + deviation * noise
        tokens = self.vae.decode(latents)
        field = self.vae.geo_decoder(queries=queries[..., :3], latents=tokens).squeeze(-1).float()
        wanted = truncated_field(queries[..., 3])
        inside = (wanted > 0).float()
        distance = F.l1_loss(field, wanted)
        sign = F.binary_cross_entropy_with_logits(SIGN_SHARPNESS * field, inside)
        variance = deviation.square()
        divergence = 0.5 * (mean.square() + variance - 1 - variance.log()).mean()
        return distance + SIGN_WEIGHT * sign + KL_WEIGHT * divergence, distance.detach()


def train_vae(
    vae: nn.Module,
    pool: ShapePool,
    held_out: ShapePool,
    *,
    seconds: float,
    batch_size: int,
    queries_per_shape: int,
    learning_rate: float,
    seed: int,
    log: Callable[[str], None],
    max_steps: int | None = None,
) -> None:
    """Trains `vae` in place for `seconds`, and leaves the averaged weights in it."""
    device = pool.clouds.device
    on_gpu = device.type == "cuda"
    optimizer = HybridOptimizer([vae])
    average = WeightAverage([vae], decay=0.999)
    loss_of: Callable[..., tuple[Tensor, Tensor]] = VaeLoss(vae)
    if on_gpu:
        loss_of = torch.compile(loss_of, dynamic=False)
    generator = torch.Generator(device).manual_seed(seed)
    slots = pool.queries.shape[1] // queries_per_shape
    clock = TrainingClock(seconds, device, max_steps)
    for elapsed in clock:
        rows = torch.randint(len(pool), (batch_size,), generator=generator, device=device)
        slot = clock.step % slots * queries_per_shape
        clouds = pool.clouds[rows].float()
        queries = pool.queries[rows, slot : slot + queries_per_shape].float()
        noise = torch.randn(batch_size, *vae.latent_shape, generator=generator, device=device)
        with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
            loss, distance = loss_of(clouds, queries, noise)
        optimizer.update(loss, learning_rate * cosine_with_warmup(clock.progress))
        average.update()
        if clock.due("log", 10):
            log(f"vae {elapsed:5.0f} s, step {clock.step}: loss {loss:.4f}, field {distance:.4f}")
        if clock.due("check", 60):
            average.swap()
            log(f"vae {elapsed:5.0f} s: held-out IoU {reconstruction_iou(vae, held_out):.4f}")
            average.swap()
    average.swap()
    log(f"vae done, {clock.step} steps: held-out IoU {reconstruction_iou(vae, held_out):.4f}")


@torch.inference_mode()
def reconstruction_iou(vae: nn.Module, pool: ShapePool, resolution: int = 64) -> float:
    """Mean IoU of the pool's shapes after encoding and decoding."""
    scores = []
    for i in range(0, len(pool), 16):
        mean, _ = posterior_of(vae, pool.clouds[i : i + 16].float())
        scores.append(field_iou(vae, vae.decode(mean), pool.programs[slice(i, i + 16)], resolution))
    return torch.cat(scores).mean().item()
